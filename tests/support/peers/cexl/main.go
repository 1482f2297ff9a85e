// cexl: Mixer's own compiler and interpreter of its expression language, of Mixer's last months.
//
// Without an argument: the first line of the input is the vocabulary, {"source.name": "STRING", …}, each other one
// {"expression": "…", "bag": {"source.name": "a", "source.labels": {"app": "b"}}}. For each there is a line
// {"type": "STRING", "value": "a"}, with "refused" (when it was compiled) or "error" (when it was evaluated) instead
// of the value. Values are texts as Mixer's labels and logs say them.
//
// cexl table: the cases of Mixer's own tests as such lines, each with a vocabulary of its own and what it comes to.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"time"

	policy "istio.io/api/policy/v1beta1"
	"istio.io/istio/mixer/pkg/adapter"
	tests "istio.io/istio/mixer/pkg/il/testing"
	"istio.io/istio/mixer/pkg/lang/compiled"
	"istio.io/pkg/attribute"
	"istio.io/pkg/log"
)

type question struct {
	Expression string                 `json:"expression"`
	Bag        map[string]interface{} `json:"bag"`
	Vocabulary map[string]string      `json:"vocabulary,omitempty"`
}

type answer struct {
	Type    string  `json:"type,omitempty"`
	Value   *string `json:"value,omitempty"`
	Error   string  `json:"error,omitempty"`
	Refused string  `json:"refused,omitempty"`
}

// text is a value as Mixer's label says it; of a time in UTC, wherever it was told.
func text(value interface{}) string {
	switch v := value.(type) {
	case time.Time:
		value = v.UTC()
	case attribute.StringMap:
		return ""
	}
	return adapter.Stringify(value)
}

// told is a value of JSON as Mixer's bags hold one of this type.
func told(kind policy.ValueType, value interface{}) (interface{}, error) {
	switch kind {
	case policy.INT64:
		return value.(json.Number).Int64()
	case policy.TIMESTAMP:
		return time.Parse(time.RFC3339, value.(string))
	case policy.DURATION:
		return time.ParseDuration(value.(string))
	case policy.IP_ADDRESS:
		return []byte(net.ParseIP(value.(string))), nil
	case policy.STRING_MAP:
		entries := map[string]string{}
		for key, entry := range value.(map[string]interface{}) {
			entries[key] = entry.(string)
		}
		return entries, nil
	}
	return value, nil
}

func answered(vocabulary map[string]*policy.AttributeManifest_AttributeInfo, q question) (a answer) {
	defer func() { // an expression that Mixer's compiler does not foresee
		if why := recover(); why != nil {
			a = answer{Refused: fmt.Sprint(why)}
		}
	}()
	bag := map[string]interface{}{}
	for name, value := range q.Bag {
		v, err := told(vocabulary[name].ValueType, value)
		if err != nil {
			return answer{Error: err.Error()}
		}
		bag[name] = v
	}
	expression, kind, err := compiled.NewBuilder(attribute.NewFinder(vocabulary)).Compile(q.Expression)
	if err != nil {
		return answer{Refused: err.Error()}
	}
	a.Type = kind.String()
	value, err := expression.Evaluate(tests.NewFakeBag(bag))
	if err != nil {
		a.Error = err.Error()
		return a
	}
	said := text(value)
	a.Value = &said
	return a
}

func manifest(types map[string]string) map[string]*policy.AttributeManifest_AttributeInfo {
	vocabulary := map[string]*policy.AttributeManifest_AttributeInfo{}
	for name, kind := range types {
		vocabulary[name] = &policy.AttributeManifest_AttributeInfo{ValueType: policy.ValueType(policy.ValueType_value[kind])}
	}
	return vocabulary
}

// shown is a bag's value as JSON, the other way of told.
func shown(value interface{}) interface{} {
	switch v := value.(type) {
	case []byte, net.IP, time.Time, time.Duration:
		return text(v)
	}
	return value
}

func table(write *json.Encoder) error {
	for i := range tests.TestData {
		test := &tests.TestData[i]
		if test.E == "" || test.Fns != nil {
			continue // of the machine, not of the language
		}
		q := question{Expression: test.E, Bag: map[string]interface{}{}, Vocabulary: map[string]string{}}
		for name, info := range test.Conf() {
			q.Vocabulary[name] = info.ValueType.String()
		}
		for name, value := range test.I {
			q.Bag[name] = shown(value)
		}
		if err := write.Encode(q); err != nil {
			return err
		}
	}
	return nil
}

func answerAll(write *json.Encoder) error {
	read := bufio.NewScanner(os.Stdin)
	read.Buffer(nil, 1<<20)
	if !read.Scan() {
		return fmt.Errorf("no vocabulary")
	}
	types := map[string]string{}
	if err := json.Unmarshal(read.Bytes(), &types); err != nil {
		return err
	}
	vocabulary := manifest(types)
	for read.Scan() {
		q := question{}
		line := json.NewDecoder(bytes.NewReader(read.Bytes()))
		line.UseNumber() // an int64 is no float64
		if err := line.Decode(&q); err != nil {
			return err
		}
		if err := write.Encode(answered(vocabulary, q)); err != nil {
			return err
		}
	}
	return read.Err()
}

func main() {
	for _, scope := range log.Scopes() {
		scope.SetOutputLevel(log.NoneLevel)
	}
	out := bufio.NewWriter(os.Stdout)
	write := json.NewEncoder(out)
	write.SetEscapeHTML(false)
	work := answerAll
	if len(os.Args) > 1 && os.Args[1] == "table" {
		work = table
	}
	err := work(write)
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

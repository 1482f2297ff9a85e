// zipkin: spans of Zipkin's Go library, sent in one of the ways that Zipkin takes.
//
//	zipkin json|proto|grpc TARGET N
//
// N calls frontend -> backend: a CLIENT span and a SERVER span that shares its
// id. It prints the trace ids, one a line, once all is acknowledged.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/openzipkin/zipkin-go"
	"github.com/openzipkin/zipkin-go/model"
	"github.com/openzipkin/zipkin-go/proto/zipkin_proto3"
	"github.com/openzipkin/zipkin-go/reporter"
	zipkinhttp "github.com/openzipkin/zipkin-go/reporter/http"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// encoded is a message that is encoded already.
type encoded []byte

type codec struct{}

func (codec) Name() string                      { return "proto" }
func (codec) Marshal(v any) ([]byte, error)     { return v.(encoded), nil }
func (codec) Unmarshal(data []byte, v any) error { *(v.(*encoded)) = data; return nil }

// grpcReporter sends each batch by zipkin.proto3.SpanService/Report.
type grpcReporter struct {
	connection *grpc.ClientConn
	spans      []*model.SpanModel
}

func (r *grpcReporter) Send(s model.SpanModel) { r.spans = append(r.spans, &s) }

func (r *grpcReporter) Close() error {
	body, err := zipkin_proto3.SpanSerializer{}.Serialize(r.spans)
	if err != nil {
		return err
	}
	var answer encoded
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return r.connection.Invoke(ctx, "/zipkin.proto3.SpanService/Report", encoded(body), &answer,
		grpc.ForceCodec(codec{}), grpc.WaitForReady(true))
}

func open(way, target string) (reporter.Reporter, error) {
	switch way {
	case "json":
		return zipkinhttp.NewReporter("http://" + target + "/api/v2/spans"), nil
	case "proto":
		return zipkinhttp.NewReporter("http://"+target+"/api/v2/spans",
			zipkinhttp.Serializer(zipkin_proto3.SpanSerializer{})), nil
	case "grpc":
		connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
		return &grpcReporter{connection: connection}, err
	}
	return nil, fmt.Errorf("no such way: %s", way)
}

func tracer(name, address string, to reporter.Reporter) *zipkin.Tracer {
	endpoint, err := zipkin.NewEndpoint(name, address)
	if err != nil {
		log.Fatal(err)
	}
	t, err := zipkin.NewTracer(to, zipkin.WithLocalEndpoint(endpoint), zipkin.WithSharedSpans(true),
		zipkin.WithTraceID128Bit(true))
	if err != nil {
		log.Fatal(err)
	}
	return t
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: zipkin json|proto|grpc TARGET N")
	}
	n, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	to, err := open(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	frontend, backend := tracer("frontend", "127.1.0.1:8080", to), tracer("backend", "127.1.0.2:8080", to)
	var ids []string
	for i := 0; i < n; i++ {
		client := frontend.StartSpan("get /items", zipkin.Kind(model.Client), zipkin.RemoteEndpoint(nil))
		server := backend.StartSpan("get /items", zipkin.Kind(model.Server), zipkin.Parent(client.Context()))
		server.Tag("http.status_code", "200")
		server.Finish()
		client.Finish()
		ids = append(ids, client.Context().TraceID.String())
	}
	if err := to.Close(); err != nil {
		log.Fatal(err)
	}
	for _, id := range ids {
		fmt.Println(id)
	}
}

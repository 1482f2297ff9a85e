"""Mixer's expression language, asked of weir and of Mixer's own evaluator (peers/cexl): cases are pairs of an
expression and the attributes as expression_case.h spells them; outcomes are lines as it spells those."""

import json
import random
import re
import subprocess

from weir import BUILD, TOP

CASES = TOP / "tests/unit/rules/expressions.tsv"
PICTURES = 0x2400  # of the characters below the blank


def vocabulary():
    text = (TOP / "collector/rules/vocabulary.def").read_text()
    return dict(re.findall(r'WEIR_ATTRIBUTE\(\w+, "([^"]+)", (\w+),', text))


TYPES = vocabulary()


def pictured(text):
    return "".join(chr(ord(c) + PICTURES) if c < " " else c for c in text)


def unpictured(text):
    return "".join(chr(ord(c) - PICTURES) if PICTURES <= ord(c) < PICTURES + 32 else c for c in text)


def bag(told):
    """The attributes as Mixer has them after Kubernetes was asked: both ends have labels, if without entries."""
    attributes = {"source.labels": {}, "destination.labels": {}}
    for part in filter(None, (p.strip(" \t") for p in told.split(";"))):
        name, value = part.split("=", 1)
        if "[" in name:
            name, key = name[:-1].split("[", 1)
            attributes.setdefault(name, {})[key] = value
        else:
            attributes[name] = int(value) if TYPES[name] == "INT64" else value == "true" if TYPES[name] == "BOOL" else value
    return attributes


def table():
    """(expression, attributes, what Mixer says where that is not what weir says, else None) of the unit test's table."""
    cases = []
    for line in CASES.read_text().splitlines():
        if line and not line.startswith("#"):
            columns = line.split("\t")
            cases.append((columns[0], columns[1], columns[3] if len(columns) > 3 else None))
    return cases


def weir_says(cases):
    lines = "".join(f"{expression}\t{told}\n" for expression, told in cases)
    done = subprocess.run([BUILD / "tests/support/expressions"], input=lines, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    outcomes = done.stdout.splitlines()
    assert len(outcomes) == len(cases)
    return outcomes


def mixer_outcome(answer):
    if "refused" in answer:
        return "refused " + answer["refused"]
    if "error" in answer:
        return answer["type"] + (" absent" if answer["error"].startswith("lookup failed") else " failed " + answer["error"])
    return answer["type"] + " =" + pictured(answer["value"])


def mixer_says(binaries, cases):
    lines = [json.dumps(TYPES)] + [json.dumps({"expression": unpictured(e), "bag": bag(unpictured(t))}) for e, t in cases]
    done = subprocess.run([binaries / "cexl"], input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    answers = done.stdout.splitlines()
    assert len(answers) == len(cases)
    return [mixer_outcome(json.loads(answer)) for answer in answers]


def plain(outcome):
    """The outcome without the words of who refused or failed."""
    if outcome.startswith("refused"):
        return "refused"
    return re.sub(r"^(\w+ failed) .*", r"\1", outcome, flags=re.DOTALL)


# ---- Mixer's own cases, with our vocabulary's names

CONVERTED = {"DNS_NAME": "dnsName", "EMAIL_ADDRESS": "email", "URI": "uri"}  # no attribute of ours has these types
LITERALS = re.compile(r'("(?:\\.|[^"\\])*"|`[^`]*`)')


def _renamed(question):
    """What each of the case's attributes is called here, or None: we have none of its type."""
    code = LITERALS.sub("", question["expression"])
    names, count = {}, {}
    for name, kind in sorted(question["vocabulary"].items()):
        if not re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", code):
            continue
        like = [n for n, t in TYPES.items() if t == ("STRING" if kind in CONVERTED else kind)]
        if not like:
            return None
        count[like[0]] = count.get(like[0], -1) + 1
        names[name] = like[count[like[0]]]
    return names


def _spelled(question, names):
    def spell(match):
        function = CONVERTED.get(question["vocabulary"][match[1]])
        return f"{function}({names[match[1]]})" if function else names[match[1]]

    if not names:
        return question["expression"]
    any_name = re.compile(r"(?<![\w.])(" + "|".join(re.escape(n) for n in sorted(names, key=len, reverse=True)) + r")(?!\w)")
    parts = LITERALS.split(question["expression"])
    return "".join(part if i % 2 else any_name.sub(spell, part) for i, part in enumerate(parts))


def _told(question, names):
    """The bag as weir's tool reads it, or None: a value there is not of the attribute's type, to see the machine fail."""
    python = {"INT64": int, "BOOL": bool, "STRING_MAP": dict}
    told = []
    for name, value in question["bag"].items():
        kind = question["vocabulary"].get(name)
        if name not in names:
            continue
        if type(value) is not python.get(kind, str) or value == "":
            return None
        if kind == "STRING_MAP":
            told += [f"{names[name]}[{key}]={entry}" for key, entry in value.items()]
        else:
            told.append(f"{names[name]}={str(value).lower() if kind == 'BOOL' else value}")
    return "; ".join(told)


def mixers_table(binaries):
    """(cases, how many of Mixer's have no like here)"""
    done = subprocess.run([binaries / "cexl", "table"], capture_output=True, text=True, timeout=60, check=True)
    cases, left = [], 0
    for question in map(json.loads, done.stdout.splitlines()):
        names = _renamed(question)
        told = None if names is None else _told(question, names)
        if told is None:
            left += 1
        else:
            cases.append((pictured(_spelled(question, names)), pictured(told)))
    return cases, left


# ---- random expressions that have a type

ATTRIBUTES = {
    "STRING": ["source.name", "destination.name", "request.host", "source.uid", "request.path"],
    "INT64": ["request.size", "response.size", "response.code"],
    "BOOL": ["connection.mtls", "context.reporter.local", "check.cache_hit"],
    "TIMESTAMP": ["request.time", "context.time"],
    "DURATION": ["response.duration", "connection.duration"],
    "IP_ADDRESS": ["source.ip", "destination.ip"],
    "STRING_MAP": ["source.labels", "destination.labels", "request.headers"],
}
TEXTS = ["a", "ab", "abc", "b", "svc1.ns", "A*", "*b", "reviews-v1", "x y", "10.0.0.7", "kube-probe/1.2"]
VALUES = {
    "STRING": TEXTS,
    "INT64": ["0", "1", "2", "200", "404", "9223372036854775807"],
    "BOOL": ["true", "false"],
    "TIMESTAMP": ["2015-01-02T15:04:35Z", "2015-01-02T15:04:34Z", "1999-12-31T23:59:00.25Z"],
    "DURATION": ["19ms", "20ms", "1h2m3s"],
    "IP_ADDRESS": ["10.0.0.7", "10.0.0.8", "fd00::1"],
}
KEYS = ["app", "a", "ab", "b"]
PATTERNS = ["a", "^a", "b$", "^(a|b)+$", "(?i)ABC", "[^a-c]", r"\\d+", "^.{2}$", "^$", r"\\bv1\\b", "(?:x|svc)[[:digit:]]?", "a*?b"]


class Maker:
    """Expressions that Mixer's compiler makes no mistake about: what stands before a | is an attribute, or an entry
    with a literal key; what stands behind the last is no other | in brackets; no || is an argument (rules/README.md)."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def attribute(self, kind):
        return self.random.choice(ATTRIBUTES[kind])

    def asked(self):
        """An entry that a | may ask for."""
        return f'{self.attribute("STRING_MAP")}["{self.random.choice(KEYS)}"]'

    def entry(self, depth):
        return f"{self.operand('STRING_MAP', depth - 1)}[{self.make('STRING', depth - 1)}]"

    def literal(self, kind):
        value = self.random.choice(["1", "7", "200"] if kind == "INT64" else VALUES.get(kind, [""]))
        return {"STRING": f'"{value}"', "DURATION": f'"{value}"', "IP_ADDRESS": f'ip("{value}")',
                "TIMESTAMP": f'timestamp("{value}")', "STRING_MAP": "emptyStringMap()"}.get(kind, value)

    def operand(self, kind, depth):
        made = self.make(kind, depth)
        return made if re.fullmatch(r"[\w.]+", made) else f"({made})"

    def last(self, kind, depth):
        while True:
            made = self.operand(kind, depth)
            if not re.match(r"\(?[\w.]+(\[\"\w+\"\])? \| ", made):
                return made

    def first(self, kind, depth):
        parts = [self.asked() if kind == "STRING" and self.random.random() < 0.5 else self.attribute(kind)
                 for _ in range(self.random.randint(1, 3))]
        return " | ".join(parts + [self.last(kind, depth - 1)])

    def comparison(self, depth):
        kind = self.random.choice(["STRING", "STRING", "INT64", "TIMESTAMP", "BOOL", "IP_ADDRESS"])
        signs = ["==", "!="] + (["<", "<=", ">", ">="] if kind in ("STRING", "INT64", "TIMESTAMP") else [])
        return f"{self.operand(kind, depth)} {self.random.choice(signs)} {self.operand(kind, depth)}"

    def call(self, kind, depth):
        text = lambda: self.operand("STRING", depth)  # noqa: E731
        condition = self.make("BOOL", depth)
        if kind == "BOOL":
            return self.random.choice([
                lambda: self.comparison(depth), lambda: self.comparison(depth),
                lambda: f"{self.operand('BOOL', depth)} && {self.operand('BOOL', depth)}",
                lambda: f"{self.operand('BOOL', depth)} || {self.operand('BOOL', depth)}",
                lambda: f"match({text()}, {text()})",
                lambda: f'"{self.random.choice(PATTERNS)}".matches({text()})',
                lambda: f"({text()}).{self.random.choice(['startsWith', 'endsWith'])}({text()})"])()
        return self.random.choice({
            "STRING": [lambda: f"{text()} + {text()}", lambda: f"toLower({text()})", lambda: self.entry(depth),
                       lambda: f"conditionalString({self.comparison(depth)}, {text()}, {text()})"],
            "INT64": [lambda: f"size({self.attribute('STRING')})", lambda: f"{self.literal(kind)} + {self.literal(kind)}"],
            "IP_ADDRESS": [lambda: f"ip({self.first('STRING', depth)})"],
            "TIMESTAMP": [lambda: f"timestamp({self.first('STRING', depth)})"],
        }.get(kind, [lambda: self.literal(kind)]) + [
            lambda: f"conditional({condition}, {self.make(kind, depth)}, {self.make(kind, depth)})"])()

    def duration(self):
        """A text that says one is a DURATION beside another only; Mixer makes one of it anywhere."""
        return self.attribute("DURATION") + self.random.choice(["", ' | "19ms"', " | connection.duration", ' | connection.duration | "1h"'])

    def make(self, kind, depth):
        if kind == "DURATION":
            return self.duration()
        if depth <= 0:
            return self.literal(kind) if self.random.random() < 0.3 else self.attribute(kind)
        chance = self.random.random()
        if chance < 0.15:
            return self.literal(kind)
        if chance < 0.3:
            return self.attribute(kind)
        return self.first(kind, depth) if chance < 0.55 else self.call(kind, depth - 1)

    def attributes(self):
        told = []
        for kind, names in ATTRIBUTES.items():
            for name in names:
                if kind == "STRING_MAP":
                    told += [f"{name}[{key}]={self.random.choice(TEXTS)}" for key in KEYS if self.random.random() < 0.3]
                elif self.random.random() < 0.6:
                    told.append(f"{name}={self.random.choice(VALUES[kind])}")
        return "; ".join(told)

    def cases(self, count):
        kinds = list(ATTRIBUTES)
        return [(self.make(self.random.choice(kinds), self.random.randint(1, 4)), self.attributes()) for _ in range(count)]


# ---- random texts that may be something more

SEEDS = {
    "ip": ["1.2.3.4", "255.255.255.255", "fd00::1", "::ffff:1.2.3.4", "2001:db8::8a2e:370:7334", "::", "1:2:3:4:5:6:7:8",
           "fe80::1%eth0", "01.2.3.4"],
    "dnsName": ["www.istio.io", "a.b", "svc.ns.svc.cluster.local.", "a" * 64 + ".b", "a_b.c", "A-B.c", "1.2", "*.a.b", "a--b.c"],
    "email": ["a@b.c", '"a b"@b.c', "a.b+c@istio.io", '"a\\"b"@x.y', "a@b_c.d", "\u00e9@d.e"],
    "uri": ["http://istio.io/a?b=c#d", "/a/b?c=%41", "urn:foo", "http://u:p@h:80/", "http://[::1]:80/x", "spiffe://a/ns/b", "a:b",
            "//h/p", "http://h:x/", "mailto:a@b", "http://a b/", "http://h/a b", "*", "http://h%41/", "?q", "#f"],
    "timestamp": ["2015-01-02T15:04:35Z", "2015-01-02T15:04:35.25+02:00", "2000-02-29T00:00:00Z", "2015-12-31T23:59:60Z",
                  "2015-01-02t15:04:35z", "2015-01-02T24:00:00Z", "1999-12-31T23:59:59.123456789-11:30"],
}
PIECES = list("aZ0-._:/@%?#[] <>\\^`{|}~!$&'()*+,\"") + ["\u00e9", "..", "%41", "1", "9", "%c3%a9", "%25"]


def changed(chance, text):
    for _ in range(chance.randrange(3)):
        at, piece = chance.randrange(len(text) + 1), chance.choice(PIECES)
        text = chance.choice([text[:at] + piece + text[at:], text[:at] + text[at + 1:], text[:at] + piece + text[at + 1:]])
    return text.strip() or "a"


def conversions(seed, count):
    """`count` cases of each function, and as many of two texts that are alike."""
    chance = random.Random(seed)
    cases = []
    for function, texts in SEEDS.items():
        for _ in range(count):
            one = changed(chance, chance.choice(texts))
            cases.append((f"{function}(source.name)", f"source.name={one}"))
            other = chance.choice([one.upper(), one + ".", changed(chance, one), chance.choice(texts)])
            cases.append((f"{function}(source.name) == {function}(destination.name)", f"source.name={one}; destination.name={other}"))
    return cases

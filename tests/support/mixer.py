"""A client of Mixer, as a sidecar is one: bags of named values, packed with dictionaries.

Messages come from proto/ by protoc, the words that every proxy knows by heart from weir's own table (its unit test
compares that one with Istio's)."""

import functools
import pathlib
import re
import subprocess
import tempfile
import time

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

TOP = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 30


@functools.cache
def messages():
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(["protoc", f"--proto_path={TOP}/proto", "--include_imports", f"--descriptor_set_out={file.name}",
                        "mixer/v1/mixer.proto"], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(file.name).read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for one in files.file:
        pool.Add(one)
    names = "ReportRequest ReportResponse CheckRequest CheckResponse".split()
    find = lambda name: pool.FindMessageTypeByName(f"istio.mixer.v1.{name}")
    return {name: message_factory.GetMessageClass(find(name)) for name in names}


@functools.cache
def words():
    text = (TOP / "collector/decode/mixer/words.c").read_text()
    found = [re.sub(r"\\(.)", r"\1", w) for w in re.findall(r'\{ \.text = \{ "((?:[^"\\]|\\.)*)", \d+ \}', text)]
    assert len(found) == 222
    return found


def now(later=0.0):
    """A point in time, for a timestamp; a plain float is a duration."""
    return ("at", time.time() + later)


class Dictionary:
    def __init__(self, known):
        self.known, self.own = {w: i for i, w in enumerate(words()[:known])}, []

    def index(self, word):
        if word in self.known:
            return self.known[word]
        if word not in self.own:
            self.own.append(word)
        return -self.own.index(word) - 1


class Client:
    def __init__(self, target):
        self.channel = grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])

    def stub(self, method, request):
        call = self.channel.unary_unary(f"/istio.mixer.v1.Mixer/{method}",
                                        response_deserializer=messages()[f"{method}Response"].FromString)
        return call(request.SerializeToString(), timeout=PATIENCE, wait_for_ready=True)

    def request(self, bags, delta=False, known=222):
        """One ReportRequest. With `delta` a bag says what differs from the one before it."""
        request, dictionary, before = messages()["ReportRequest"](), Dictionary(known), {}
        for whole in bags:
            bag = {k: v for k, v in whole.items() if not delta or before.get(k) != v}
            before = whole
            self.pack(request.attributes.add(), bag, dictionary)
        request.default_words.extend(dictionary.own)
        request.global_word_count = known
        request.repeated_attributes_semantics = 0 if delta else 1
        return request

    def pack(self, packed, bag, dictionary):
        for name, value in bag.items():
            i = dictionary.index(name)
            if isinstance(value, bool):
                packed.bools[i] = value
            elif isinstance(value, str):
                packed.strings[i] = dictionary.index(value)
            elif isinstance(value, int):
                packed.int64s[i] = value
            elif isinstance(value, float):
                packed.durations[i].FromNanoseconds(int(value * 1e9))
            elif isinstance(value, bytes):
                packed.bytes[i] = value
            elif isinstance(value, dict):
                for k, v in value.items():
                    packed.string_maps[i].entries[dictionary.index(k)] = dictionary.index(v)
            else:
                packed.timestamps[i].FromNanoseconds(int(value[1] * 1e9))

    def report(self, bags, delta=False):
        return self.stub("Report", self.request(bags, delta))

    def check(self, quotas):
        request = messages()["CheckRequest"]()
        request.global_word_count = 222
        for name, amount in quotas.items():
            request.quotas[name].amount = amount
        return self.stub("Check", request)

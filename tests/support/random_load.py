"""Access log streams of random requests, which know what they sent: how many, and the sums of what a histogram sums. Their
destinations wander, so that series are always new and old ones fall idle."""

import random
import time

import grpc
from producers import StreamProducer, field

CODES = [200, 200, 200, 200, 201, 301, 404, 404, 500, 503, 0]


class RandomStream(StreamProducer):
    """`names`: how many destinations are in use at a time; they wander by one each `dwell` messages."""

    def __init__(self, target, seed, names=60, dwell=4, pause=0.002):
        super().__init__(target, pause=pause)
        self.rng = random.Random(seed)
        self.names, self.dwell = names, dwell
        self.entries, self.duration_ms, self.request_bytes, self.response_bytes = 0, 0, 0, 0

    def random_entry(self):
        rng = self.rng
        first = self.messages // self.dwell
        # A few are asked for all the time, most for a while.
        number = rng.randrange(3) if rng.random() < 0.3 else 3 + first + rng.randrange(self.names)
        host = f"d{number}.{self.namespace}.svc.cluster.local".encode()
        ms = min(int(rng.expovariate(1 / 40)), 3_700_000) if rng.random() < 0.99 else rng.randrange(3_700_000)
        sizes = [rng.choice([0, 1, rng.randrange(1, 100), rng.randrange(1 << 20)]) for _ in range(4)]
        duration = (field(1, ms // 1000) if ms >= 1000 else b"") + (field(2, ms % 1000 * 1_000_000) if ms % 1000 else b"")
        common = field(5, field(1, int(time.time()))) + field(15, b"outbound|80||" + host) + field(23, duration)
        request = field(1, 1) + field(3, host) + field(5, b"/") + field(11, sizes[0]) + field(12, sizes[1])
        code = rng.choice(CODES)
        response = (field(1, field(1, code)) if code else b"") + field(2, sizes[2]) + field(3, sizes[3])
        self.entries += 1
        self.duration_ms += ms
        self.request_bytes += sizes[0] + sizes[1]
        self.response_bytes += sizes[2] + sizes[3]
        return field(1, field(1, common) + field(2, 2) + field(3, request) + field(4, response))

    def _feed(self):
        yield self.identifier
        while not self.halt.is_set():
            self.messages += 1
            yield field(2, b"".join(self.random_entry() for _ in range(self.rng.randint(1, 30))))
            self.halt.wait(self.pause)

    def run(self):
        with self.channel() as channel:
            call = channel.stream_stream(self.METHOD)(self._feed())
            try:
                for _ in call:
                    pass
            except grpc.RpcError as error:
                self.failure = error

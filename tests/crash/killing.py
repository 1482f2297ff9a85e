"""What all that is killed again and again has in common: a store that lives through it, a load that begins anew each time,
and counters that must not go down."""

from weir import PATIENCE, Weir, control, until


class Scene:
    """A weir-faulty, its load and what the load knows. A subclass has

    load()      threads against the running weir, with what they knew before
    threads()   those of the load at hand
    answers()   how many they have
    counters()  {series: value} of what must never go down, from a scrape"""

    def __init__(self, folder, flags=(), env=None):
        self.weir = Weir(folder, "weir-faulty", flags=flags, env={"WEIR_FAULT_FILE": str(folder / "fault"), **(env or {})})
        self.scraped = {}
        self.kills = 0

    def wait_for_the_end_of_load(self):
        for thread in self.threads():
            thread.halt.set()
        for thread in self.threads():
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def scrape(self):
        """No counter goes down, and none is gone, whatever happened since the last scrape."""
        now = self.counters()
        assert [k for k, v in self.scraped.items() if now.get(k, -1) < v] == []
        self.scraped = now

    def begin(self, fault=None):
        """`fault`: what the disk does from now on; None: what it did."""
        self.weir.start()
        self.scrape()
        if fault is not None:
            control(self.weir, fault)
        self.load()

    def kill(self):
        self.scrape()
        self.weir.kill()
        self.wait_for_the_end_of_load()
        self.kills += 1

    def killed_when(self, is_so, what):
        self.begin()
        until(lambda: is_so(self.weir), what)
        self.kill()

    def killed_after(self, answers, fault=""):
        self.begin(fault)
        before = self.answers()
        until(lambda: self.answers() >= before + answers, "answers")
        self.kill()

    def killed_at(self, point, visit, fault=""):
        """Loads until the process kills itself at the point. False: it did so in the replay, before the load."""
        control(self.weir, "")
        self.weir.env["WEIR_CRASH"] = f"{point}:{visit}"
        self.weir.spawn()
        is_loaded = self.weir.wait_ready()
        if is_loaded:
            control(self.weir, fault)
            self.load()
        assert self.weir.process.wait(PATIENCE) == -9
        self.weir.env.pop("WEIR_CRASH")
        if is_loaded:
            self.wait_for_the_end_of_load()
            self.kills += 1
        return is_loaded

"""A real Prometheus that scrapes weir: started on a free port with a scrape configuration of the test's, asked over its
API, stopped at the end. Several may run side by side; each is one scraper with a phase of its own.

Waits end on an event: a scrape that began after the question was asked, as Prometheus' own samples show it."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from weir import PATIENCE, free_port, until

JOB = "weir"


class Prometheus:
    """`targets`: weirs, or addresses; `labels`: what each of them has on all its series. `jobs`: further settings of scrape
    jobs, by their names; each scrapes all targets. `name`: of this scraper, which is part of what its phase comes from. The binary is Debian's unless
    named."""

    def __init__(self, folder, targets, interval="1s", binary="prometheus", jobs=None, flags=(), labels=None, name=""):
        assert shutil.which(str(binary)), f"{binary} is not installed"
        self.folder, self.binary, self.flags = folder, str(binary), list(flags)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.addresses = [getattr(t, "http", t) for t in targets]
        self.labels = labels or [{} for _ in targets]
        self.interval, self.jobs, self.name = interval, jobs or {JOB: {}}, name
        self.process = None

    # --- its life ---

    def start(self):
        # An instance is named by its place, not by its address: a weir that comes back elsewhere goes on with its series.
        groups = [{"targets": [address], "labels": {"instance": f"weir-{i}", **self.labels[i]}}
                  for i, address in enumerate(self.addresses)]
        jobs = [{"job_name": name, "scrape_interval": self.interval, "scrape_timeout": self.interval,
                 "static_configs": groups, **more} for name, more in self.jobs.items()]
        config = self.folder / "prometheus.yml"
        config.write_text(json.dumps({  # JSON is YAML
            "global": {"external_labels": {"scraper": self.name or "one"}}, "scrape_configs": jobs}))
        self.address = f"127.0.0.1:{free_port()}"
        with open(self.folder / "prometheus.log", "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, f"--config.file={config}", f"--storage.tsdb.path={self.folder}/tsdb",
                 f"--web.listen-address={self.address}", *self.flags], stdout=log, stderr=log, cwd=self.folder)
        until(self.is_ready, "Prometheus to be ready")
        return self

    def is_ready(self):
        assert self.process.poll() is None, self.log()
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=PATIENCE) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(PATIENCE)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()

    def log(self):
        return (self.folder / "prometheus.log").read_text()[-8000:]

    # --- asking ---

    def api(self, path, **arguments):
        """The data of one answer; an error that Prometheus names is the test's."""
        url = f"http://{self.address}/api/v1/{path}?" + urllib.parse.urlencode(arguments, doseq=True)
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{arguments}: {error.read().decode()}") from error

    def query(self, text, at=None):
        """The rows of an instant query: [{"metric": {…}, "value": [t, "…"]}], or "values" of a range of raw samples."""
        return self.api("query", query=text, **({} if at is None else {"time": f"{at:.3f}"}))["result"]

    def query_range(self, text, start, end, step):
        return self.api("query_range", query=text, start=f"{start:.3f}", end=f"{end:.3f}", step=step)["result"]

    def label_values(self, label, *match):
        return self.api(f"label/{label}/values", **({"match[]": list(match)} if match else {}))

    def value(self, text, at=None):
        """A query that has one row, or none (0)."""
        rows = self.query(text, at)
        assert len(rows) <= 1, (text, rows)
        return float(rows[0]["value"][1]) if rows else 0.0

    def raw(self, selector, at=None, over="10m"):
        """Raw samples as they were scraped: [(labels, [(seconds, value), …])]."""
        rows = self.query(f"{selector}[{over}]", at)
        return [(row["metric"], [(float(t), float(v)) for t, v in row["values"]]) for row in rows]

    # --- waiting ---

    def last_scrape(self, up=1, instance=0):
        """When the last scrape of a target with that outcome was, by the job that has waited longest, in seconds; 0: none
        yet."""
        samples = dict((labels["job"], row) for labels, row in self.raw(f'up{{instance="weir-{instance}"}}', over="5m"))
        return min(max((t for t, v in samples.get(job, []) if v == up), default=0) for job in self.jobs)

    def scraped(self, up=1, count=1):
        """Waits for `count` scrapes of every target that began after now; returns when the last of them was."""
        for _ in range(count):
            now = time.time()
            try:
                found = [until(lambda i=i: (t := self.last_scrape(up, i)) > now and t, f"a scrape (up={up})")
                         for i in range(len(self.addresses))]
            except TimeoutError as error:
                raise TimeoutError(f"{error}: {self.errors()}") from error
        return max(found)

    def errors(self):
        """Of targets that were not scraped: why not."""
        rows = self.api("targets", state="active")["activeTargets"]
        return [(t["scrapePool"], t["labels"].get("instance"), t["lastError"], t["lastScrapeDuration"]) for t in rows
                if t["health"] != "up"]

"""Headless Chromium, driven over the WebDriver protocol of Debian's chromedriver."""

import base64
import contextlib
import json
import pathlib
import subprocess
import tempfile
import urllib.request

from weir import free_port, until

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,900"]


class Page:
    def __init__(self, port, session):
        self.base = f"http://127.0.0.1:{port}/session/{session}"

    def _post(self, path, body):
        request = urllib.request.Request(self.base + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, url):
        self._post("/url", {"url": url})

    def run(self, script, *arguments):
        """The value of a script's `return` in the page."""
        return self._post("/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script, what):
        return until(lambda: self.run(script), what)

    def screenshot(self, path):
        with urllib.request.urlopen(self.base + "/screenshot", timeout=60) as answer:
            pathlib.Path(path).write_bytes(base64.b64decode(json.load(answer)["value"]))

    def console(self):
        return self._post("/se/log", {"type": "browser"})


@contextlib.contextmanager
def chromium():
    port = free_port()
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def ready():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5) as answer:
                    return json.load(answer)["value"]["ready"]
            except OSError:
                return False
        until(ready, "chromedriver")
        with tempfile.TemporaryDirectory() as profile:
            options = {"args": [*FLAGS, f"--user-data-dir={profile}"], "binary": "/usr/bin/chromium"}
            wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options,
                                                       "goog:loggingPrefs": {"browser": "ALL"}}}}
            request = urllib.request.Request(f"http://127.0.0.1:{port}/session", json.dumps(wanted).encode(),
                                             {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                session = json.load(answer)["value"]["sessionId"]
            page = Page(port, session)
            try:
                yield page
            finally:
                urllib.request.urlopen(urllib.request.Request(page.base, method="DELETE"), timeout=60).close()
    finally:
        driver.terminate()
        driver.wait(20)

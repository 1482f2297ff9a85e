"""Goal: the command line and the configuration behave as --help says; a wrong
one is refused with the place; SIGTERM ends well; a second weir is refused."""

import os
import re
import signal
import subprocess
import time

import grpc
import pytest
from weir import BUILD, Weir

WEIR = str(BUILD / "weir")


def run(*arguments, env=None):
    return subprocess.run([WEIR, *arguments], capture_output=True, text=True, timeout=30, env={**os.environ, **(env or {})})


def test_help_names_every_key_with_its_default():
    done = run("--help")
    assert done.returncode == 0
    for key in ("listen.grpc", "storage.path", "ring.size", "limits.message", "metrics.max_series", "storage.sync"):
        assert key in done.stdout
    for command in ("run", "check", "version"):
        assert command in done.stdout


def test_help_says_how_a_stranger_goes_on():
    text = run("--help").stdout
    for word in ("weir attributes", "SIGHUP", "Ends with 0", '"source.labels": {"app": "shop"}'):
        assert word in text, word


def test_attributes_are_listed_with_their_types():
    done = run("attributes")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert done.returncode == 0 and len(lines) > 100 and all(len(line) == 2 for line in lines)
    assert dict(lines)["response.duration"] == "DURATION" and dict(lines)["request.headers"] == "STRING_MAP"
    assert [name for name, _ in lines] == sorted(dict(lines))


def test_version_is_said():
    assert run("version").stdout.startswith("weir 0.")


def test_the_sample_is_a_right_file_also_with_every_key_set(tmp_path):
    sample = run("sample").stdout
    path = tmp_path / "weir.yaml"
    for text in (sample, re.sub(r"^  #(?=\w+:)", "  ", sample, flags=re.M)):
        path.write_text(text)
        done = run("check", str(path))
        assert done.returncode == 0, done.stderr
    assert "\n  sync: interval\n" in text and "\n  size: 48MiB\n" in text


def test_check_accepts_a_right_file(tmp_path):
    path = tmp_path / "weir.yaml"
    path.write_text("storage:\n  path: /tmp/x.db\n  max_age: 48h\nlisten:\n  grpc: [\"127.0.0.1:0\"]\n")
    done = run("check", str(path))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text,where,what", [
    ("storage:\n  pth: x\n", ":2:3:", "storage.pth"), ("storage:\n  max_age: soon\n", ":2:12:", "storage.max_age"),
    ("ring:\n  size: 1\n", ":2:9:", "ring.size"), ("nonsense\n", ":1:1:", ""), ("storage: {path: [a]}\n", ":1:17:", "storage.path")])
def test_a_wrong_file_is_refused_with_its_place(tmp_path, text, where, what):
    path = tmp_path / "weir.yaml"
    path.write_text(text)
    done = run("check", str(path))
    assert done.returncode == 1
    assert f"{path}{where}" in done.stderr and what in done.stderr, done.stderr


def test_a_wrong_flag_or_variable_is_refused_by_name():
    assert "--ring.sise" in run("--ring.sise=1").stderr
    assert "WEIR_RING_SIZE" in run(env={"WEIR_RING_SIZE": "lots"}).stderr


def test_a_flag_wins_over_the_environment_and_the_file(tmp_path):
    config = tmp_path / "weir.yaml"
    config.write_text("ring:\n  size: 2MiB\n")
    with Weir(tmp_path / "w", flags=[f"--config={config}"], env={"WEIR_RING_SIZE": "3MiB"}) as weir:
        assert weir.total("weir_ring_size_bytes") == 3 << 20
    with Weir(tmp_path / "v", flags=[f"--config={config}", "--ring.size=4MiB"], env={"WEIR_RING_SIZE": "3MiB"}) as weir:
        assert weir.total("weir_ring_size_bytes") == 4 << 20


@pytest.mark.fast
def test_sigterm_with_an_open_stream_ends_in_five_seconds_with_zero(tmp_path):
    weir = Weir(tmp_path / "weir").start()
    with grpc.insecure_channel(weir.grpc) as channel:
        method = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
        gate = iter_until_closed()
        call = channel.stream_unary(method).future(gate.messages())
        weir.ledger()  # a round trip: the process serves
        began = time.monotonic()
        weir.process.send_signal(signal.SIGTERM)
        assert weir.process.wait(10) == 0
        assert time.monotonic() - began < 5.5
        gate.close()
        call.cancel()


def test_a_closed_stderr_is_no_file_of_weirs(tmp_path):
    """Else lines of log went into the first file that weir opened. A library takes the lowest number before main."""
    with Weir(tmp_path / "weir", limits=lambda: [os.close(0), os.close(2)]) as weir:
        assert os.readlink(f"/proc/{weir.process.pid}/fd/2") == "/dev/null"
        weir.ledger()


@pytest.mark.parametrize("flags", [["--ring.size=200MiB"], ["--metrics.max_series=1000000"]])
def test_what_does_not_fit_into_the_memory_limit_is_refused(tmp_path, flags):
    weir = Weir(tmp_path / "weir", flags=flags)
    done = subprocess.run(weir.command(), capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "limits.memory is too small" in done.stderr and not weir.database.exists()


def test_a_second_weir_on_the_same_folder_is_refused_and_names_the_holder(tmp_path):
    with Weir(tmp_path / "weir") as first:
        second = subprocess.run(first.command(), capture_output=True, text=True, timeout=30)
        assert second.returncode == 1
        assert str(first.process.pid) in second.stderr
        assert first.ask("/healthz").status == 200


@pytest.mark.parametrize("key", ["http", "grpc"])
def test_an_address_in_use_is_named(tmp_path, key):
    with Weir(tmp_path / "one") as first:
        address = getattr(first, key)
        second = Weir(tmp_path / "two", flags=[f"--listen.{key}=127.0.0.1:0,{address}"])
        done = subprocess.run(second.command(), capture_output=True, text=True, timeout=30)
        assert done.returncode == 1 and f"cannot listen which={address} " in done.stderr


def test_a_second_weir_on_the_same_socket_is_refused(tmp_path):
    with Weir(tmp_path / "one", unix=True) as first:
        second = Weir(tmp_path / "two", flags=[f"--listen.grpc=unix:{first.folder}/grpc.sock"])
        done = subprocess.run(second.command(), capture_output=True, text=True, timeout=30)
        assert done.returncode == 1
        assert first.ask("/healthz").status == 200
    with Weir(tmp_path / "one", unix=True) as again:  # the socket file of the last run is no obstacle
        assert again.ask("/healthz").status == 200


class iter_until_closed:
    """A request iterator that stays open until it is told to end."""

    def __init__(self):
        import threading
        self.event = threading.Event()

    def messages(self):
        self.event.wait(30)
        return
        yield b""

    def close(self):
        self.event.set()

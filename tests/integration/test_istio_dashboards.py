"""Goal: Istio's own dashboards show what happened: each of their queries, of 1.1's and the current generation, answers
where the facts have traffic, for every value that their variables offer, and what it counts is what the facts count.

The queries are in istio_queries.json; Prometheus scraped weir through rounds of each capture (tests/support/scraped.py)."""

import json
import math
import pathlib
import re

import edges
import pytest
from scraped import Scraped

DASHBOARDS = json.loads((pathlib.Path(__file__).parent / "istio_queries.json").read_text())["dashboards"]
TCP = {"connections": 0, "received": 1, "sent": 2}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    with Scraped(tmp_path_factory.mktemp("istio")).running() as scraped:
        yield scraped


# --- variables, as Grafana fills them ---


def fill(text, values):
    return re.sub(r"\$(\w+)", lambda found: values[found[1]], text)


def offered(mesh, name, variable, values):
    """What a variable offers, given those before it."""
    if "label_values" in variable:
        rows = mesh.ask(name, f'count({{__name__=~".+"}}) by ({variable["label_values"]})')
        label = variable["label_values"]
    else:
        rows, label = mesh.ask(name, fill(variable["expr"], values)), variable["label"]
    pattern = re.compile(re.escape(label).replace(r"\*", ".*"))
    return sorted({v for r in rows for k, v in r["metric"].items() if pattern.fullmatch(k) and v})


def assignments(mesh, name, variables, values=None):
    """Every way to choose: one value of each variable, or all of one that takes several."""
    values = values or {}
    if not variables:
        yield values
        return
    first, rest = variables[0], variables[1:]
    found = offered(mesh, name, first, values)
    if first.get("all"):
        found += [""] if first.get("or_none") else []
        found = ["(" + "|".join(re.escape(v).replace("\\", "\\\\") for v in found) + ")" if found else ".*"]
    for value in found:
        yield from assignments(mesh, name, rest, {**values, first["name"]: value})


# --- the facts that a query is about ---


def wanted(name, needs):
    """How much of the facts' traffic there is: requests, or bytes or connections of TCP."""
    if "tcp" in needs:
        if name.startswith("mixer") and needs["reporter"] == "destination":
            return 0  # only the caller reported
        rows = [(source, service, row[TCP[needs["tcp"]]]) for (source, service), row in edges.tcp(name).items()]
        return sum(n for source, service, n in rows
                   if needs.get("source", source) == source and needs.get("service", service) == service)
    is_one = lambda e: all(re.fullmatch(pattern if key == "code" else re.escape(pattern), getattr(e, key))
                           for key, pattern in needs.items())
    return sum(e.n for e in edges.requests(name) if is_one(e))


def without_rate(text):
    """The sum whose rate is asked for."""
    inner = re.search(r"sum\(rate\((?P<of>\w+\{[^\[]*\})\[I\]\)\)(?P<by> by \([^)]*\))?", text)
    return f"sum({inner['of']}){inner['by'] or ''}"


def is_for(name, query):
    """Durations are kept in one unit, which depends on the generation of the proxies."""
    unit = "seconds" if name.startswith("mixer") else "milliseconds"
    return query.get("family", unit) == unit


@pytest.mark.parametrize("name", edges.MESH)
@pytest.mark.parametrize("dashboard", list(DASHBOARDS))
def test_every_panel_answers_and_counts_the_facts(mesh, name, dashboard):
    asked, answered = 0, set()
    for values in assignments(mesh, name, DASHBOARDS[dashboard]["variables"]):
        for query in DASHBOARDS[dashboard]["queries"]:
            if not is_for(name, query):
                continue
            needs = {k: fill(v, values) for k, v in query["needs"].items()}
            texts = [fill(t, values) for t in ([query["expr"]] if isinstance(query["expr"], str) else query["expr"])]
            want = wanted(name, needs)
            rows = [r for t in texts for r in mesh.ask(name, t) if math.isfinite(float(r["value"][1]))]
            assert rows or not want, (query["what"], values, texts)
            asked += 1
            if want:
                answered.add(query["what"])
            if query.get("counts"):
                have = sum(n for t in texts for _, n in mesh.round(name, without_rate(t)))
                assert have == want, (query["what"], values, texts)
    # The facts have traffic for each panel, somewhere.
    silent = {q["what"] for q in DASHBOARDS[dashboard]["queries"] if is_for(name, q)} - answered
    assert asked and not {what for what in silent if not may_be_silent(name, what)}


def may_be_silent(name, what):
    """A Mixer client's callee reported no TCP, and no error that is its own."""
    return name.startswith("mixer") and ("TCP" in what and "server" in what or what == "5xx")


@pytest.mark.parametrize("name", edges.MESH)
def test_weirs_own_process_is_shown(mesh, name):
    for metric in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_virtual_memory_bytes",
                   "process_open_fds", "process_start_time_seconds"):
        (row,) = mesh.ask(name, f"{metric}{{}}")
        assert float(row["value"][1]) > 0

"""Goal: whichever format a scraper asks for, it gets the same series with the same values, of every capture; packed or not.

Three readers that share nothing (tests/support/formats.py), and prometheus_client's strict one of OpenMetrics."""

import mtcap
import pytest
from formats import FORMATS, OPENMETRICS, read_openmetrics, scrape
from prometheus_client.openmetrics.parser import text_string_to_metric_families

CAPTURES = sorted(path.stem for path in mtcap.CAPTURES.glob("*.mtcap"))
OWN = ("weir_", "process_")  # which a scrape itself moves


def settled(samples):
    """As all formats would say it: bounds as numbers, a counter's name without its suffix, values as text (NaN is NaN)."""
    as_number = lambda k, v: (k, repr(float(v))) if k in ("le", "quantile") else (k, v)
    # An empty label is none.
    return {(name.removesuffix("_total"), frozenset(as_number(k, v) for k, v in labels if v)): repr(float(value))
            for (name, labels), value in samples.items() if not name.startswith(OWN)}


@pytest.mark.parametrize("name", CAPTURES)
def test_every_format_has_the_same_series(weir, name):
    mtcap.replay(weir, name)
    text = settled(scrape(weir, "text"))
    assert text
    for form in FORMATS:
        for is_packed in (False, True):
            have = settled(scrape(weir, form, is_packed))
            missing = {k: v for k, v in text.items() if have.get(k) != v}
            if form == "protobuf":  # an exponential histogram is a native one there, without buckets
                missing = {k: v for k, v in missing.items() if not (k[0].endswith("_bucket") and is_native(have, k))}
            if form == "openmetrics":  # which has no sum beside buckets below nought: their counts are in the next one
                missing = {k: v for k, v in missing.items() if not (k[0].endswith("_bucket") and is_below_nought(k))}
            assert not missing and not set(have) - set(text), (form, list(missing.items())[:3], list(set(have) - set(text))[:3])


def is_native(have, key):
    """Has the histogram of a bucket no bucket at all?"""
    name, labels = key
    rest = frozenset(l for l in labels if l[0] != "le")
    return (name.removesuffix("_bucket") + "_count", rest) in have and not any(
        n == name and rest <= l for n, l in have)


def is_below_nought(key):
    return float(dict(key[1])["le"]) < 0


@pytest.mark.parametrize("name", CAPTURES)
def test_prometheus_client_reads_our_openmetrics(weir, name):
    mtcap.replay(weir, name)
    answer = weir.ask("/metrics", headers={"Accept": OPENMETRICS})
    assert answer.headers["Content-Type"] == OPENMETRICS
    families = list(text_string_to_metric_families(answer.text))
    have = {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples if not s.name.endswith("_created")}
    assert settled(have) == settled(dict(read_openmetrics(answer.text)))
    for family in families:
        for sample in family.samples:
            if sample.exemplar is not None:
                assert sample.name.endswith(("_total", "_bucket")) and "trace_id" in sample.exemplar.labels
                assert sum(len(k) + len(v) for k, v in sample.exemplar.labels.items()) <= 128

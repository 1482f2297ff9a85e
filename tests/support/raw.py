"""What a scraper's raw samples say of counters: where they go down, what they come to, what was in one scrape."""

import collections

COUNTED = ('{__name__=~"istio_requests_total|istio_request_duration_(seconds|milliseconds)_(count|bucket)|way_work_total'
           '|weir_(received|kept|thinned|dropped|duplicate)_items_total"}')


def name_of(labels):
    return labels["__name__"]


def falls(rows):
    """Every time that a sample is lower than the one before it: (labels, when, before, after)."""
    found = []
    for labels, samples in rows:
        found += [(labels, t, before, after) for (_, before), (t, after) in zip(samples, samples[1:]) if after < before]
    return found


def totals(rows, starts):
    """By labels: what a counter came to, when it began anew at each of `starts` (seconds); the last sample before a new
    start, and the last of all."""
    result = {}
    for labels, samples in rows:
        ends = []
        for since, until in zip([0, *starts], [*starts, float("inf")]):
            part = [v for t, v in samples if since <= t < until]
            ends += part[-1:]
        result[frozenset(labels.items())] = sum(ends)
    return result


def total(counted, name, **labels):
    want = {("__name__", name), *labels.items()}
    return sum(v for found, v in counted.items() if want <= found)


def scrapes(rows):
    """By time of a scrape: what it summed to, by family and by what tells the parts of a sum."""
    result = collections.defaultdict(collections.Counter)
    for labels, samples in rows:
        name = name_of(labels).replace("_seconds", "").replace("_milliseconds", "")
        if name.endswith("_bucket") and labels["le"] != "+Inf":
            continue
        key = name, labels.get("signal", "")
        for t, v in samples:
            result[t][key] += v
    return result


def assert_every_scrape_is_whole(rows):
    """Within one scrape: a histogram has counted what the counter has, and so has its last bucket; the ledger closes, and
    what it kept or thinned of requests is what was counted."""
    seen = scrapes(rows)
    for t, sums in seen.items():
        requests = sums["istio_requests_total", ""]
        assert requests == sums["istio_request_duration_count", ""] == sums["istio_request_duration_bucket", ""], (t, sums)
        kept = lambda signal: sums["weir_kept_items_total", signal] + sums["weir_thinned_items_total", signal]
        for signal in ("access_log", "mixer", "metric_point"):
            assert sums["weir_received_items_total", signal] == kept(signal) + sums["weir_dropped_items_total", signal] + (
                sums["weir_duplicate_items_total", signal]), (t, signal, sums)
        assert requests == kept("access_log") + kept("mixer"), (t, sums)
    return len(seen)

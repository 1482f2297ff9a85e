"""Goal: a current Prometheus reads weir in every format that it knows and comes to the same, which is what happened; its
native histograms are those that senders sent; an exemplar leads to a trace that weir shows; a counter's beginning is told,
so that not even the first requests of a series are lost to rate(). `./dev test --peers`; needs Go (or PEERS_GO)."""

import agree
import pytest
from prometheus import Prometheus

pytestmark = pytest.mark.peers

JOBS = {
    "text0": {"scrape_protocols": ["PrometheusText0.0.4"]},
    "text1": {"scrape_protocols": ["PrometheusText1.0.0"]},
    "openmetrics": {"scrape_protocols": ["OpenMetricsText1.0.0"]},
    "protobuf": {"scrape_protocols": ["PrometheusProto"], "scrape_native_histograms": True}}
FEATURES = "--enable-feature=exemplar-storage,created-timestamp-zero-ingestion"


@pytest.fixture(scope="module")
def scene(tmp_path_factory, binaries):
    folder = tmp_path_factory.mktemp("prometheus3")
    with agree.scene(folder) as made:
        with Prometheus(folder / "prometheus", made.weirs.values(), binary=binaries / "prometheus", jobs=JOBS, interval=agree.INTERVAL,
                        flags=[FEATURES], labels=[{"capture": n} for n in made.weirs]) as prometheus:
            made.scraped(dict.fromkeys(JOBS, prometheus))
            yield made


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("name", agree.MESH)
def test_requests_and_tcp_are_the_facts(scene, name, job):
    agree.assert_facts(scene, name, job)


@pytest.mark.parametrize("name", [*agree.MESH, *agree.EXPONENTIAL])
def test_all_formats_come_to_the_same_series(scene, name):
    agree.assert_same_series(scene, name, list(JOBS))


@pytest.mark.parametrize("name", agree.EXPONENTIAL)
def test_exponential_histograms_are_native_ones(scene, name):
    agree.assert_native(scene, name, "text0")


@pytest.mark.parametrize("job", ["protobuf", "openmetrics"])
@pytest.mark.parametrize("name", agree.TRACED)
def test_exemplars_lead_to_traces_that_weir_has(scene, name, job):
    agree.assert_exemplars(scene, name, job)


@pytest.mark.parametrize("name", agree.MESH)
def test_a_counter_begins_at_nought_when_it_was_created(scene, name):
    """So the first requests are in increase() too, though no scrape saw the series without them."""
    where = f'istio_requests_total{{capture="{name}",job="protobuf"}}'
    rows = scene.scrapers["protobuf"].raw(where, scene.last["protobuf"])
    assert rows
    for labels, samples in rows:
        assert samples[0][1] == 0 < samples[-1][1], labels
    assert len(scene.ask("protobuf", f"increase({where}[5m]) > 0")) == len(rows)

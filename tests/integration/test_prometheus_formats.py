"""Goal: Debian's Prometheus reads weir in the two formats that it asks for first and comes to the same, which is what
happened: OpenMetrics with exemplars, and protobuf with native histograms, which it asks for when that is switched on."""

import contextlib

import agree
import pytest
from prometheus import Prometheus

FEATURES = {"openmetrics": "exemplar-storage", "protobuf": "exemplar-storage,native-histograms"}


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("formats")
    with agree.scene(folder) as made, contextlib.ExitStack() as stack:
        made.scraped({job: stack.enter_context(Prometheus(
            folder / job, made.weirs.values(), jobs={job: {}}, interval=agree.INTERVAL, flags=[f"--enable-feature={features}"],
            labels=[{"capture": n} for n in made.weirs])) for job, features in FEATURES.items()})
        yield made


@pytest.mark.parametrize("job", FEATURES)
@pytest.mark.parametrize("name", agree.MESH)
def test_requests_and_tcp_are_the_facts(scene, name, job):
    agree.assert_facts(scene, name, job)


@pytest.mark.parametrize("name", [*agree.MESH, *agree.EXPONENTIAL])
def test_both_formats_come_to_the_same_series(scene, name):
    agree.assert_same_series(scene, name, list(FEATURES))


@pytest.mark.parametrize("name", agree.EXPONENTIAL)
def test_exponential_histograms_are_native_ones(scene, name):
    agree.assert_native(scene, name, "openmetrics")


@pytest.mark.parametrize("job", FEATURES)
@pytest.mark.parametrize("name", agree.TRACED)
def test_exemplars_lead_to_traces_that_weir_has(scene, name, job):
    agree.assert_exemplars(scene, name, job)

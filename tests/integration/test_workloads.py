"""Goal: who an end of a call is comes from Kubernetes, wherever a record names it only by uid or address: from a file, the
kubelet or the API server, also while these fail, change, or lie.

Captured Reports of stock sidecars, which name nobody but by uid, are replayed through a fake cluster in which workloads
are called otherwise than their pods are spelled: what comes out can only have come from the table."""

import collections
import datetime
import json
import signal
import subprocess
import time

import pytest

import authority
import facts
import mixer
import mtcap
import test_mixer
from kube import Kube, pod
from weir import PROGRAMS, Weir, until

CAPTURE = "mixer-sidecar"
NODES = "node-a", "node-b"


@pytest.fixture
def kube(tmp_path):
    with Kube(tmp_path) as running:
        yield running


def uids():
    found = set()
    for edge in mtcap.facts(CAPTURE)["edges"]:
        found |= {edge[k] for k in ("source_uid", "destination_uid") if edge[k]}
    return sorted(found)


def table_name(uid):
    return "of-" + uid.removeprefix("kubernetes://").split(".")[0]


def pod_of(uid, node="node-a"):
    name, namespace = uid.removeprefix("kubernetes://").rsplit(".", 1)
    return pod(name, namespace, ("StatefulSet", table_name(uid)), {"app": "app-" + name, "version": "v-" + name}, node=node)


def want():
    """As test_mixer.want(), but by whole uids: two pods of one workload are two here."""
    return test_mixer.want(CAPTURE, table_name)


def assert_facts(weir):
    for wanted, had in zip(want(), test_mixer.have(weir)):
        assert len(wanted) > 0 and not facts.differences(wanted, had)


def assert_labels(weir):
    """Both reporters say the same of one end, all of it the table's."""
    ends = collections.defaultdict(set)
    for (name, labels), _ in weir.samples().items():
        row = dict(labels)
        if name == "istio_requests_total":
            for end in ("source", "destination"):
                keys = "workload", "workload_namespace", "app", "version", "canonical_service", "canonical_revision"
                ends[row[f"{end}_workload"]].add(tuple(row.get(f"{end}_{k}") for k in keys[1:]))
    ends.pop("unknown", None)
    for workload, said in ends.items():
        assert len(said) == 1, (workload, said)
        namespace, app, version, service, revision = said.pop()
        assert app == service == "app-" + workload.removeprefix("of-")
        assert version == revision == "v-" + workload.removeprefix("of-")


def bag(source=None, destination="kubernetes://back-0.shop", **more):
    return {"context.reporter.kind": "inbound", "context.protocol": "http", "destination.uid": destination,
            "destination.service.host": "back.shop.svc.cluster.local", "request.method": "GET", "response.code": 200,
            "request.time": mixer.now(), "response.duration": 0.01, **({"source.uid": source} if source else {}), **more}


def report(weir, *bags):
    mixer.Client(weir.grpc).report(list(bags))


def known(weir, count):
    until(lambda: weir.total("weir_pods") >= count, f"{count} pods in the table")


# --- the facts, from each source ---

@pytest.mark.fast
@pytest.mark.parametrize("kind", ["file", "kubelet", "kubernetes"])
def test_reports_equal_the_facts_under_the_names_of_the_table(tmp_path, kube, kind):
    kube.add(*[pod_of(uid) for uid in uids()])
    flags = kube.flags(kind if kind != "file" else "kubernetes")
    if kind == "file":
        listing = {"kind": "List", "apiVersion": "v1", "items": list(kube.pods.values()), "metadata": {"resourceVersion": ""}}
        (tmp_path / "pods.json").write_text(json.dumps(listing, indent=4))
        flags = ["--identity.pods=file", f"--identity.pods_file={tmp_path}/pods.json"]
    with Weir(tmp_path / "weir", flags=flags) as weir:
        assert weir.total("weir_pods") == len(uids())
        assert weir.total("weir_pods_refreshes_total", result="used") >= 1
        assert weir.total("weir_pods_bytes") > 0 and weir.total("weir_pods_not_kept_total") == 0
        assert 0 <= time.time() - weir.total("weir_pods_refreshed_seconds") < 3600
        assert set(mtcap.replay(weir, CAPTURE)) == {("/istio.mixer.v1.Mixer/Report", "OK")}
        assert_facts(weir)
        assert_labels(weir)
        assert weir.total("weir_workload_lookups_total", result="found") > 0
        assert weir.ledger_sum("mixer")["kept"] == mtcap.facts(CAPTURE)["attribute_sets"]


def test_one_wrong_workload_in_the_table_goes_red(tmp_path, kube):
    kube.add(*[pod_of(uid) for uid in uids()[1:]])
    with Weir(tmp_path / "weir", flags=kube.flags("kubelet")) as weir:
        mtcap.replay(weir, CAPTURE)
        assert facts.differences(want()[0], test_mixer.have(weir)[0])


def test_pods_of_other_nodes_are_looked_up_when_they_are_met(tmp_path, kube):
    kube.add(*[pod_of(uid, NODES[i % 2]) for i, uid in enumerate(uids())])
    peers = [uid for i, uid in enumerate(uids()) if i % 2 == 1]
    with Weir(tmp_path / "weir", flags=kube.flags("kubernetes")) as weir:
        assert weir.total("weir_pods") == len(uids()) - len(peers)
        report(weir, *[bag(source=uid) for uid in peers])
        until(lambda: weir.total("weir_pods_peers_total", result="found") >= len(peers), "the peers' answers")
        assert weir.total("weir_workload_asks_total", result="made") >= len(peers)
        assert weir.total("weir_workload_lookups_total", result="unknown") > 0
        known(weir, len(uids()))
        asked = kube.count("peer")
        mtcap.replay(weir, CAPTURE)
        wanted, had = want()[0], test_mixer.have(weir)[0]
        had = {k: v for k, v in had.items() if k[2] != "back.shop.svc.cluster.local"}
        assert not facts.differences(wanted, had)
        assert kube.count("peer") == asked, "a pod that is known is asked for again"


def test_without_a_node_every_pod_is_a_peer(tmp_path, kube):
    kube.add(pod("back-0", "shop", ("StatefulSet", "back"), {"app": "b"}))
    with Weir(tmp_path / "weir", flags=kube.flags("kubernetes", node=""), env={"NODE_NAME": ""}) as weir:
        report(weir, bag())
        known(weir, 1)
        report(weir, bag())
        assert weir.total("istio_requests_total", destination_app="b") == 1
        assert kube.count("list") == kube.count("watch") == 0


def test_the_node_comes_from_the_environment(tmp_path, kube):
    kube.add(pod("back-0", "shop", ("StatefulSet", "back"), {"app": "b"}, node="node-z"))
    flags = [f for f in kube.flags("kubernetes") if "identity.node" not in f]
    with Weir(tmp_path / "weir", flags=flags, env={"NODE_NAME": "node-z"}) as weir:
        assert weir.total("weir_pods") == 1
        assert "spec.nodeName%3Dnode-z" in kube.paths("list")[0]


# --- what changes ---

def test_a_watch_follows_what_comes_and_goes(tmp_path, kube):
    one = pod("back-0", "shop", ("StatefulSet", "back"), {"app": "one"}, ip="10.0.0.5")
    kube.add(one)
    with Weir(tmp_path / "weir", flags=kube.flags("kubernetes")) as weir:
        until(lambda: kube.watchers == 1, "the watch")
        source = {"source.ip": bytes([10, 0, 0, 9]), "source.namespace": "shop"}
        front = pod("front-0", "shop", ("StatefulSet", "front"), {"app": "front"}, ip="10.0.0.9")
        kube.add(front)
        known(weir, 2)
        report(weir, bag(**source))
        assert weir.total("istio_requests_total", source_workload="front", destination_app="one") == 1
        kube.bookmark()
        one["metadata"]["labels"]["app"] = "two"
        kube.modify(one)
        asked = lambda: (report(weir, bag(**source)), weir.total("istio_requests_total", destination_app="two"))[1]
        until(asked, "the new label")
        # The address goes to another pod. Records of before are the old one's, later ones the new one's.
        before = mixer.now()
        kube.delete(front)
        known(weir, 2)
        until(lambda: (report(weir, bag(**source)), weir.total("istio_requests_total", source_workload="unknown"))[1],
              "nobody at the address")
        kube.add(pod("next-0", "shop", ("StatefulSet", "next"), {"app": "next"}, ip="10.0.0.9", since=rfc3339()))
        known(weir, 3)
        later = mixer.now(2)
        until(lambda: (report(weir, bag(**source, **{"request.time": later})),
                       weir.total("istio_requests_total", source_workload="next"))[1], "the address's next pod")
        had = weir.total("istio_requests_total", source_workload="front")
        report(weir, bag(**source, **{"request.time": before}))
        assert weir.total("istio_requests_total", source_workload="front") == had + 1


def rfc3339():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_version_that_is_forgotten_lists_anew(tmp_path, kube):
    gone = pod("gone-0", "shop", ("StatefulSet", "gone"), {"app": "gone"}, ip="10.0.0.7")
    kube.add(gone)
    with Weir(tmp_path / "weir", flags=kube.flags("kubernetes")) as weir:
        until(lambda: kube.watchers == 1, "the watch")
        with kube.changed:  # what happens now is in no event
            kube.pods.clear()
            kube.pods["shop", "new-0"] = pod("new-0", "shop", ("StatefulSet", "new"), {"app": "new"}, ip="10.0.0.8")
        kube.forget()
        until(lambda: kube.count("list") == 2, "the second list")
        known(weir, 2)
        until(lambda: kube.watchers == 1, "the watch again")
        report(weir, bag(destination="kubernetes://new-0.shop"))
        assert weir.total("istio_requests_total", destination_app="new") == 1
        assert weir.total("weir_pods_refreshes_total", result="failed") == 0


def test_the_first_list_is_the_caches_and_later_ones_come_in_exact_pages(tmp_path, kube):
    kube.add(*[pod(f"back-{i}", "shop", ("StatefulSet", "back"), {"app": f"b{i}"}) for i in range(600)])
    with Weir(tmp_path / "weir", flags=kube.flags("kubernetes")) as weir:
        assert weir.total("weir_pods") == 600
        until(lambda: kube.watchers == 1, "the watch")
        assert kube.count("list") == 1 and kube.count("page") == 0 and kube.paths("list")[0].endswith("&resourceVersion=0")
        weir.process.send_signal(signal.SIGHUP)
        until(lambda: weir.total("weir_pods_refreshes_total", result="used") == 2, "the second list")
        assert "resourceVersion" not in kube.paths("list")[1] + "".join(kube.paths("page"))
        assert kube.count("page") == 2 and "continue=at%2B250%2F%3D" in kube.paths("page")[0]
        assert weir.total("weir_pods") == 600


def test_pages_that_grew_too_old_begin_anew_and_take_nobody_away(tmp_path, kube):
    kube.add(*[pod(f"back-{i}", "shop", ("StatefulSet", "back"), {"app": f"b{i}"}) for i in range(300)])
    with Weir(tmp_path / "weir", flags=kube.flags("kubernetes")) as weir:
        until(lambda: kube.watchers == 1, "the watch")
        kube.fault("page", 410)
        weir.process.send_signal(signal.SIGHUP)
        until(lambda: weir.total("weir_pods_refreshes_total", result="failed") >= 1, "the failure")
        kube.fault()
        until(lambda: weir.total("weir_pods_refreshes_total", result="used") == 2, "the whole list")
        assert kube.count("page") >= 2
        report(weir, bag(destination="kubernetes://back-299.shop"))
        assert weir.total("istio_requests_total", destination_app="b299") == 1 and weir.total("weir_pods") == 300


def test_a_watch_that_ends_goes_on_from_the_last_bookmark(tmp_path, kube):
    kube.add(pod("back-0", "shop", ("StatefulSet", "back"), {"app": "b"}))
    with Weir(tmp_path / "weir", flags=kube.flags("kubernetes")) as weir:
        until(lambda: kube.watchers == 1, "the watch")
        kube.add(pod("other-0", "shop", ("StatefulSet", "other"), {"app": "o"}, node="node-b"))  # not of this node
        kube.bookmark()
        at = kube.version
        kube.end_watches()
        until(lambda: kube.count("watch") == 2 and kube.watchers == 1, "the next watch")
        assert kube.paths("watch")[1].endswith(f"&resourceVersion={at}")
        kube.add(pod("back-1", "shop", ("StatefulSet", "back"), {"app": "b1"}))
        known(weir, 2)
        assert kube.count("list") == 1 and weir.total("weir_pods_refreshes_total", result="failed") == 0


def test_a_file_is_read_again_when_it_changes_and_on_sighup(tmp_path):
    path = tmp_path / "pods.json"

    def write(app):
        path.with_suffix(".new").write_text(json.dumps({"kind": "List", "items": [
            pod("back-0", "shop", ("StatefulSet", "back"), {"app": app})]}))
        path.with_suffix(".new").rename(path)

    write("one")
    flags = ["--identity.pods=file", f"--identity.pods_file={path}", "--identity.interval=1h"]
    with Weir(tmp_path / "weir", flags=flags) as weir:
        report(weir, bag())
        assert weir.total("istio_requests_total", destination_app="one") == 1
        write("two")
        weir.process.send_signal(signal.SIGHUP)
        until(lambda: weir.total("weir_pods_refreshes_total", result="used") == 2, "the file read again")
        report(weir, bag())
        assert weir.total("istio_requests_total", destination_app="two") == 1
        path.write_text('{"kind":"List","items":[{]}')
        weir.process.send_signal(signal.SIGHUP)
        until(lambda: weir.total("weir_pods_refreshes_total", result="failed") == 1, "the broken file")
        report(weir, bag())
        assert weir.total("istio_requests_total", destination_app="two") == 2
        assert "at byte 25" in weir.log()


def test_more_pods_than_there_is_room_for_are_counted(tmp_path):
    path, many = tmp_path / "pods.json", 70_000
    path.write_text(json.dumps({"kind": "List", "items": [
        {"metadata": {"name": f"back-{i}", "namespace": "shop", "labels": {"app": "b"}}} for i in range(many)]}))
    with Weir(tmp_path / "weir", flags=["--identity.pods=file", f"--identity.pods_file={path}"]) as weir:
        until(lambda: weir.total("weir_pods_refreshes_total", result="used") == 1, "the file")
        kept = weir.total("weir_pods")
        assert 20_000 < kept <= 65_536 and weir.total("weir_pods_not_kept_total") == many - kept
        assert weir.total("weir_pods_bytes") < 64 << 20
        report(weir, bag(destination="kubernetes://back-0.shop"), bag(destination="kubernetes://back-69999.shop"))
        assert weir.total("istio_requests_total", destination_app="b") == 1


def test_sighup_lists_anew_while_nothing_happens(tmp_path, kube):
    kube.add(pod("back-0", "shop", ("StatefulSet", "back"), {"app": "b"}))
    with Weir(tmp_path / "weir", flags=kube.flags("kubernetes")) as weir:
        until(lambda: kube.watchers == 1, "the watch")
        weir.process.send_signal(signal.SIGHUP)
        until(lambda: weir.total("weir_pods_refreshes_total", result="used") == 2, "the second list")
        assert kube.count("list") == 2


# --- what fails ---

@pytest.mark.parametrize("fault", [500, 401, 403, "garbage", "huge"])
@pytest.mark.parametrize("kind,what", [("kubelet", "kubelet"), ("kubernetes", "list")])
def test_a_source_that_fails_costs_names_and_comes_again(tmp_path, kube, fault, kind, what):
    kube.add(pod("back-0", "shop", ("StatefulSet", "back"), {"app": "b"}))
    kube.fault(what, fault)
    with Weir(tmp_path / "weir", flags=kube.flags(kind)) as weir:
        until(lambda: weir.total("weir_pods_refreshes_total", result="failed") >= 1, "the failure")
        report(weir, bag())
        assert weir.total("istio_requests_total", destination_workload="back") == 1  # by the uid's own spelling
        assert weir.total("istio_requests_total", destination_app="b") == 0
        kube.fault()
        until(lambda: weir.total("weir_pods_refreshes_total", result="used") >= 1, "the list")
        report(weir, bag())
        assert weir.total("istio_requests_total", destination_app="b") == 1


def test_a_server_that_has_too_much_to_do_is_left_alone_for_as_long_as_it_asks(tmp_path, kube):
    kube.add(pod("back-0", "shop", ("StatefulSet", "back"), {"app": "b"}))
    kube.fault("list", 429, Retry_After="2")
    with Weir(tmp_path / "weir", flags=kube.flags("kubernetes")) as weir:
        until(lambda: weir.total("weir_pods_refreshes_total", result="failed") >= 1, "the failure")
        kube.fault()
        known(weir, 1)
        first, second = kube.times("list")
        assert second - first >= 2


def test_a_server_that_takes_every_watch_back_is_asked_with_longer_and_longer_pauses(tmp_path, kube):
    kube.add(pod("back-0", "shop", ("StatefulSet", "back"), {"app": "b"}))
    kube.fault("watch", "gone")
    with Weir(tmp_path / "weir", flags=kube.flags("kubernetes")) as weir:
        until(lambda: kube.count("list") == 4, "four lists")
        first, second, third, fourth = kube.times("list")
        assert second - first >= 0.5 and third - second >= 1 and fourth - third >= 2
        kube.fault()
        until(lambda: kube.watchers == 1, "the watch")
        assert weir.total("weir_pods_refreshes_total", result="failed") == 0


def test_a_watch_that_is_refused_begins_with_a_list(tmp_path, kube):
    """What does not tell of the version's age may still be about it: after a restore the server has another count."""
    kube.add(pod("back-0", "shop", ("StatefulSet", "back"), {"app": "b"}))
    kube.fault("watch", 400)
    with Weir(tmp_path / "weir", flags=kube.flags("kubernetes")) as weir:
        until(lambda: kube.count("list") == 2, "the second list")
        kube.fault()
        until(lambda: kube.watchers == 1, "the watch")
        assert weir.total("weir_pods_refreshes_total", result="failed") >= 1


def test_a_redirect_is_not_followed(tmp_path, kube):
    """The token is for one server."""
    (tmp_path / "other").mkdir()
    with Kube(tmp_path / "other") as other:
        kube.fault("list", 302, Location=other.url + "/api/v1/pods")
        with Weir(tmp_path / "weir", flags=kube.flags("kubernetes")) as weir:
            until(lambda: weir.total("weir_pods_refreshes_total", result="failed") >= 1, "the failure")
            assert "the server answers 302" in weir.log() and other.requests == []


def test_a_token_is_not_told_in_the_clear(tmp_path):
    with Kube(tmp_path, has_tls=False) as kube:
        kube.add(pod("back-0", "shop", ("StatefulSet", "back"), {"app": "b"}))
        with Weir(tmp_path / "weir", flags=kube.flags("kubelet")) as weir:
            known(weir, 1)


def test_a_server_that_hangs_holds_nobody_up(tmp_path, kube):
    kube.add(pod("back-0", "shop", ("StatefulSet", "back"), {"app": "b"}))
    kube.fault("list", "hang")
    with Weir(tmp_path / "weir", flags=kube.flags("kubernetes")) as weir:
        assert kube.count("list") == 1
        report(weir, bag())
        assert weir.total("istio_requests_total", destination_workload="back") == 1
        kube.fault()
        known(weir, 1)


def test_what_was_known_stays_while_the_source_fails(tmp_path, kube):
    kube.add(pod("back-0", "shop", ("StatefulSet", "back"), {"app": "b"}))
    with Weir(tmp_path / "weir", flags=kube.flags("kubelet")) as weir:
        kube.fault("kubelet", "garbage")
        until(lambda: weir.total("weir_pods_refreshes_total", result="failed") >= 1, "the failure")
        report(weir, bag())
        assert weir.total("istio_requests_total", destination_app="b") == 1


def test_a_watch_that_breaks_goes_on_where_it_was(tmp_path, kube):
    kube.add(pod("back-0", "shop", ("StatefulSet", "back"), {"app": "b"}))
    with Weir(tmp_path / "weir", flags=kube.flags("kubernetes")) as weir:
        until(lambda: kube.watchers == 1, "the watch")
        kube.fault("watch", 500)
        until(lambda: weir.total("weir_pods_refreshes_total", result="failed") >= 1, "the failure")
        kube.add(pod("back-1", "shop", ("StatefulSet", "back"), {"app": "b1"}))
        kube.fault()
        known(weir, 2)
        assert kube.count("list") == 1


def test_a_token_that_rotates_is_read_again(tmp_path, kube):
    kube.add(pod("back-0", "shop", ("StatefulSet", "back"), {"app": "b"}))
    with Weir(tmp_path / "weir", flags=kube.flags("kubelet")) as weir:
        kube.token_give("second", is_file_too=False)
        until(lambda: weir.total("weir_pods_refreshes_total", result="failed") >= 1, "the old token's end")
        used = weir.total("weir_pods_refreshes_total", result="used")
        kube.token_give("second")
        until(lambda: weir.total("weir_pods_refreshes_total", result="used") > used, "the new token's answer")


def test_an_authority_that_changes_is_read_again(tmp_path, kube):
    kube.add(pod("back-0", "shop", ("StatefulSet", "back"), {"app": "b"}))
    with Weir(tmp_path / "weir", flags=kube.flags("kubelet")) as weir:
        kube.authority_change()
        asked = kube.count("kubelet")
        until(lambda: kube.count("kubelet") >= asked + 3, "answers over new connections")


def test_a_server_of_another_authority_is_not_believed(tmp_path, kube):
    kube.add(pod("back-0", "shop", ("StatefulSet", "back"), {"app": "b"}))
    (tmp_path / "kube-ca.pem").write_bytes(authority.Authority("other").pem)
    with Weir(tmp_path / "weir", flags=kube.flags("kubelet")) as weir:
        until(lambda: weir.total("weir_pods_refreshes_total", result="failed") >= 1, "the refusal")
        assert weir.total("weir_pods") == 0 and kube.count("kubelet") == 0  # the token was not sent either
    with Weir(tmp_path / "weir2", flags=[*kube.flags("kubelet"), "--identity.verify=false"]) as weir:
        known(weir, 1)


# --- who is nobody ---

def test_nobody_is_asked_for_once(tmp_path, kube):
    """The answer no is remembered: many records in a moment are one request of the API server."""
    with Weir(tmp_path / "weir", flags=kube.flags("kubernetes")) as weir:
        began = time.monotonic()
        for _ in range(50):
            report(weir, bag(source="kubernetes://ghost-1.shop", destination="kubernetes://ghost-2.shop"))
        until(lambda: weir.total("weir_pods_peers_total", result="nobody") >= 2, "two answers")
        for _ in range(50):
            report(weir, bag(source="kubernetes://ghost-1.shop", destination="kubernetes://ghost-2.shop"))
        rounds = 1 + (time.monotonic() - began) // 5  # each rests five seconds, however long this takes
        assert 2 <= kube.count("peer") <= 2 * rounds
        assert weir.total("istio_requests_total", source_workload="ghost") == 100


def test_names_that_no_pod_has_are_asked_of_nobody(tmp_path, kube):
    with Weir(tmp_path / "weir", flags=kube.flags("kubernetes")) as weir:
        bad = ["kubernetes://../../secrets.x", "kubernetes://a?b=c.shop", "kubernetes://A.shop", "kubernetes://" + "a" * 300 + ".x"]
        report(weir, *[bag(source=uid, destination="kubernetes://ok-1.shop") for uid in bad])
        until(lambda: weir.total("weir_pods_peers_total", result="nobody") == 1, "the one good name")
        assert kube.paths("peer") == ["/api/v1/namespaces/shop/pods/ok-1?resourceVersion=0"]


def test_while_looks_at_peers_fail_they_pause_and_what_waits_is_bounded(tmp_path, kube):
    kube.fault("peer", 403)
    with Weir(tmp_path / "weir", flags=kube.flags("kubernetes")) as weir:
        until(lambda: kube.watchers == 1, "the watch")
        report(weir, *[bag(source=f"kubernetes://ghost-{i}.shop") for i in range(700)])
        made, dropped = (weir.total("weir_workload_asks_total", result=r) for r in ("made", "dropped"))
        assert dropped > 0 and made <= 512 + kube.count("peer") and made + dropped >= 701
        until(lambda: kube.count("peer") >= 9, "the third try")
        times = kube.times("peer")
        assert times[-1] - times[0] >= 1.5 and weir.total("weir_pods_peers_total", result="failed") >= 4
        assert "peers cannot be looked up" in weir.log() and "the server answers 403" in weir.log()
        kube.fault()
        until(lambda: weir.total("weir_pods_peers_total", result="nobody") > 0, "an answer")


def test_the_address_of_a_node_is_asked_for_once(tmp_path, kube):
    """Not every five seconds: probes and whatever a node's proxy passes on come from there all the time."""
    kube.add(*[pod(f"agent-{i}", "infra", ("DaemonSet", "agent"), ip="192.168.1.2", node="node-b", host_network=True)
               for i in range(3)], pod("own-0", "infra", ("DaemonSet", "own"), ip="192.168.1.1", host_network=True))
    with Weir(tmp_path / "weir", flags=kube.flags("kubernetes")) as weir:
        until(lambda: kube.watchers == 1, "the watch")
        asked = lambda address: sum(f"podIP%3D{address}&" in p for p in kube.paths("peer"))
        some = [bag(**{"source.ip": bytes([*map(int, ip.split("."))])}) for ip in ("192.168.1.1", "192.168.1.2", "10.9.9.9")]
        until(lambda: (report(weir, *some), asked("10.9.9.9") == 2)[1], "nobody asked for again")
        assert asked("192.168.1.2") == 1 and asked("192.168.1.1") == 0
        assert weir.total("weir_pods") == 2
        assert weir.total("istio_requests_total", source_workload="unknown") == weir.total("istio_requests_total")


def test_an_address_of_the_host_is_nobody(tmp_path, kube):
    kube.add(pod("agent-0", "shop", ("DaemonSet", "agent"), {"app": "agent"}, ip="10.0.0.1", host_network=True),
             pod("proxy-0", "shop", ("DaemonSet", "proxy"), {"app": "proxy"}, ip="192.168.1.1"))
    with Weir(tmp_path / "weir", flags=kube.flags("kubelet")) as weir:
        for ip in ([10, 0, 0, 1], [192, 168, 1, 1]):
            report(weir, bag(**{"source.ip": bytes(ip)}))
        assert weir.total("istio_requests_total", source_workload="unknown") == 2
        report(weir, bag(source="kubernetes://agent-0.shop"))
        assert weir.total("istio_requests_total", source_workload="agent") == 1


def test_addresses_of_both_families_lead_to_pods(tmp_path, kube):
    """Of the own node also the second address of a pod; an IPv4 address may come as IPv6."""
    own = pod("own-0", "shop", ("StatefulSet", "own"), {"app": "own"}, ip="10.0.0.5")
    own["status"]["podIPs"].append({"ip": "fd00::5"})
    kube.add(own, pod("far-0", "shop", ("StatefulSet", "far"), {"app": "far"}, ip="fd00::6", node="node-b"))
    v6 = lambda last: bytes([0xfd, *[0] * 14, last])
    with Weir(tmp_path / "weir", flags=kube.flags("kubernetes")) as weir:
        known(weir, 1)
        for ip in (bytes([10, 0, 0, 5]), bytes([*[0] * 10, 255, 255, 10, 0, 0, 5]), v6(5)):
            report(weir, bag(**{"source.ip": ip}))
        assert weir.total("istio_requests_total", source_workload="own") == 3
        until(lambda: (report(weir, bag(**{"source.ip": v6(6)})), weir.total("istio_requests_total", source_app="far"))[1],
              "the peer")
        assert [p for p in kube.paths("peer") if "podIP" in p] == ["/api/v1/pods?fieldSelector=status.podIP%3Dfd00::6&resourceVersion=0"]


def test_the_configured_cluster_names_those_who_do_not(tmp_path, kube):
    kube.add(pod("back-0", "shop", ("StatefulSet", "back"), {"app": "b"}))
    with Weir(tmp_path / "weir", flags=[*kube.flags("kubelet"), "--identity.cluster=east"]) as weir:
        report(weir, bag())
        row = next(dict(l) for (n, l), _ in weir.samples().items() if n == "istio_requests_total")
        assert row["destination_cluster"] == "east"
        assert "source_cluster" not in row or row["source_cluster"] != "east"


@pytest.mark.parametrize("flags,why", [
    (["--identity.pods=file"], "identity.pods_file is missing"),
    (["--identity.pods=kubernetes"], "identity.api_url is missing"),
    (["--identity.pods=kubelet", "--identity.kubelet_url=10.0.0.1:10250"], "begins with https://"),
])
def test_what_is_missing_is_said_at_the_start(tmp_path, flags, why):
    weir = Weir(tmp_path / "weir", flags=flags, env={"KUBERNETES_SERVICE_HOST": ""})
    weir.spawn()
    assert not weir.wait_ready()
    assert weir.process.wait(30) == 1 and why in weir.log()


def test_check_says_what_is_missing(tmp_path):
    (tmp_path / "weir.yaml").write_text("identity:\n  pods: file\n")
    check = lambda: subprocess.run([PROGRAMS["weir"], "check", tmp_path / "weir.yaml"], capture_output=True, text=True)
    assert check().returncode == 1 and "identity.pods_file is missing" in check().stderr
    (tmp_path / "weir.yaml").write_text("identity:\n  pods: kubernetes\n")
    assert check().returncode == 0, "where it will run has its own environment"


RULES = """
apiVersion: config.istio.io/v1alpha2
kind: metric
metadata: {name: things, namespace: shop}
spec:
  value: "1"
  dimensions:
    workload: destination.workload.name | "unknown"
    key: destination.labels["KEY"] | "nobody"
---
apiVersion: config.istio.io/v1alpha2
kind: prometheus
metadata: {name: handler, namespace: shop}
spec:
  metrics:
  - {name: things_total, namespace: shop, instance_name: things.metric.shop, kind: COUNTER, label_names: [workload, key]}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: all, namespace: shop}
spec:
  match: context.protocol == "http"
  actions: [{handler: handler.prometheus.shop, instances: [things.metric.shop]}]
"""


def test_a_rule_reads_any_label_of_a_pod_also_one_it_reads_since_a_reload(tmp_path, kube):
    """Labels come from the table or from the report; only those that the rules of the moment read are kept."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES.replace("KEY", "team"))
    kube.add(pod("back-0", "shop", ("StatefulSet", "back"), {"app": "b", "team": "red", "example.com/tier": "gold"}))
    told = {"destination.labels": {"app": "b", "team": "blue"}, "destination.workload.name": "told"}
    with Weir(tmp_path / "weir", flags=[*kube.flags("kubelet"), f"--metrics.rules={rules}"]) as weir:
        report(weir, bag(), bag(**told), bag(destination="kubernetes://ghost-1.shop"))
        things = lambda: {(l["workload"], l["key"]): v for l, v in ((dict(l), v) for (n, l), v in weir.samples().items()
                                                                      if n.endswith("things_total"))}
        assert things() == {("back", "red"): 1, ("told", "blue"): 1, ("ghost", "nobody"): 1}
        rules.write_text(RULES.replace("KEY", "example.com/tier"))
        weir.process.send_signal(signal.SIGHUP)
        until(lambda: weir.total("weir_rules_reloads_total", result="used") == 1, "the new rules")
        report(weir, bag())
        assert things()["back", "gold"] == 1

"""The facts of a capture against what weir says of it.

The facts were counted by the load program itself, not from telemetry. Three
normalisations, and no other: a fault-injected answer (FI) chose no cluster, so
the facts name the service asked for and weir the authority without its port; an
unknown host has the route block_all (BlackHoleCluster); an unknown path at the
gateway (NR) has no destination (unknown)."""

import collections


def want_requests(facts):
    rows = collections.Counter()
    for e in facts["edges"]:
        flags = e["response_flags"] or "-"
        grpc = str(e.get("grpc_status", ""))
        if e["reporter"] == "source":
            service = e.get("destination_service", "")
            if "FI" in flags.split(","):
                service = service.split(".")[0]
            elif not service and "NR" in flags.split(","):
                service = "unknown"
            elif not service:
                service = "BlackHoleCluster"
            rows["source", e["source"], service, str(e["response_code"]), flags, grpc] += e["n"]
        else:
            rows["destination", e["source"], e["destination_workload"], str(e["response_code"]), flags, grpc] += e["n"]
    return +rows


def sorted_flags(flags):
    return ",".join(sorted(flags.split(",")))


def have_requests(samples):
    rows = collections.Counter()
    for (name, labels), value in samples.items():
        if name != "istio_requests_total":
            continue
        l = dict(labels)
        end = l["destination_service"] if l["reporter"] == "source" else l["destination_workload"]
        rows[l["reporter"], l["source_workload"], end, l["response_code"], sorted_flags(l["response_flags"]),
             l.get("grpc_response_status", "")] += int(value)
    return +rows


def want_tcp(facts):
    rows = {}
    for t in facts["tcp_connections"]:
        rows[t["source"], t["destination_service"]] = (t["connections"], t["bytes_sent_by_source"], t["bytes_sent_by_destination"])
    return rows


def have_tcp(samples, reporter):
    """By (source workload, destination service): connections closed, bytes received from and sent to the source."""
    rows = collections.defaultdict(lambda: [0, 0, 0])
    names = {"istio_tcp_connections_closed_total": 0, "istio_tcp_received_bytes_total": 1, "istio_tcp_sent_bytes_total": 2}
    for (name, labels), value in samples.items():
        l = dict(labels)
        if name in names and l["reporter"] == reporter:
            rows[l["source_workload"], l["destination_service"]][names[name]] += int(value)
    return {k: tuple(v) for k, v in rows.items()}


def want_mesh_spans(facts):
    """Spans by (service, kind) that a capture of the mesh must hold: one SERVER span per entry of the callee, one
    CLIENT span per entry of a calling sidecar; the gateway has a SERVER span per request and a CLIENT span per
    upstream request."""
    workloads = {w["Name"]: ".".join(w["Service"].split(".")[:2]) for w in facts["workloads"]}
    gateway = facts["workloads"][0]["Name"]
    rows = collections.Counter()
    for e in facts["edges"]:
        if e["reporter"] == "destination":
            rows[workloads[e["destination_workload"]], "SERVER"] += e["n"]
        elif e["source"] != gateway:
            rows[workloads[e["source"]], "CLIENT"] += e["n"]
        else:
            rows[workloads[gateway], "SERVER"] += e["n"]
            if e["response_flags"] != "NR":
                rows[workloads[gateway], "CLIENT"] += e["n"]
    return +rows


def want_mesh_links(facts):
    """Links by (calling service, called service): one for each request that a callee's proxy served for another's."""
    workloads = {w["Name"]: ".".join(w["Service"].split(".")[:2]) for w in facts["workloads"]}
    rows = collections.Counter()
    for e in facts["edges"]:
        if e["reporter"] == "destination" and e["source"] != "unknown":
            rows[workloads[e["source"]], workloads[e["destination_workload"]]] += e["n"]
    return dict(rows)


def want_sdk_spans(facts):
    rows = collections.Counter()
    for key, n in facts["spans"].items():
        service, kind = key.split("|")
        rows[service.lower(), kind] += n
    return +rows


def have_spans(weir):
    """Every stored span, asked for through the Zipkin API: by (local service, kind)."""
    rows, seen = collections.Counter(), set()
    for service in weir.get_json("/api/v2/services"):
        traces = weir.get_json("/api/v2/traces", serviceName=service, limit=10000, lookback=10 * 365 * 86400000)
        for trace in traces:
            for span in trace:
                key = (span["traceId"], span["id"], span.get("kind"), span.get("shared", False),
                       span.get("localEndpoint", {}).get("serviceName"))
                if key not in seen:
                    seen.add(key)
                    rows[key[4], span.get("kind", "")] += 1
    return +rows


def differences(want, have):
    """Readable: what differs, by key."""
    return {k: (want.get(k), have.get(k)) for k in set(want) | set(have) if want.get(k) != have.get(k)}

"""The facts of every capture of a mesh in one shape, and the same shape out of metrics: rows of requests and of TCP, so
that a query may be compared with what happened.

A row's key is (reporter, source workload, end, code, flags, protocol, gRPC status); `end` is the service for the
caller's side and the workload for the callee's. What a signal does not tell is blank in the rows of its capture."""

import collections
import dataclasses

import facts
import mtcap

MESH = ["envoy-als", "envoy-als-v2", "envoy-all", "envoy-otel-access-log", "mixer-sidecar"]
FULL = ["envoy-als", "envoy-als-v2", "envoy-all"]  # every proxy tells all that a log can
MESSAGES = ["envoy-als", "envoy-all"]  # gRPC messages are told


@dataclasses.dataclass
class Edge:
    reporter: str
    source: str
    source_namespace: str
    end: str  # as a caller names it: a service; as a callee: its workload
    workload: str  # of the destination; empty: none was reached
    namespace: str  # of the destination's workload, or of the service; empty: neither
    protocol: str
    code: str
    flags: str
    grpc: str
    service: str  # that was asked for; empty: the facts do not say
    n: int

    def key(self, blurred):
        source = "*" if blurred and self.reporter == "destination" else self.source
        return (self.reporter, source, self.end, self.code, facts.sorted_flags(self.flags),
                *(("", "") if blurred else (self.protocol, self.grpc)))


def is_blurred(name):
    """An access log over OTLP tells neither the caller's workload on the callee's side nor a gRPC call's status."""
    return name == "envoy-otel-access-log"


def workload_of(uid):
    """As Kubernetes names pods: <workload>-<hash>-<five>, or <workload>-<number>."""
    parts = uid.removeprefix("kubernetes://").split(".")[0].split("-")
    if not parts[-1].isdigit():
        parts.pop()
        if any(c.isdigit() for c in parts[-1]) and len(parts[-1]) >= 4 and set(parts[-1]) <= set("0123456789abcdef"):
            return "-".join(parts[:-1])
        return "-".join(parts) or "unknown"
    return "-".join(parts[:-1])


def namespace_of(service):
    return service.split(".")[1] if service.count(".") >= 2 else ""


def mixer_edge(e):
    source, destination = (workload_of(e[k]) if e[k] else "unknown" for k in ("source_uid", "destination_uid"))
    namespaces = [e[k].rsplit(".", 1)[1] if e[k] else "" for k in ("source_uid", "destination_uid")]
    service = e["destination_service_host"]
    return Edge(e["reporter"], source, namespaces[0], service if e["reporter"] == "source" else destination,
                "" if destination == "unknown" else destination, namespaces[1] or namespace_of(service),
                e["context_protocol"], str(e["response_code"]), e["response_flags"] or "-", "", service, e["n"])


def envoy_edge(e, namespaces, is_logged_over_otlp):
    flags, service = e["response_flags"] or "-", e.get("destination_service", "")
    parts = flags.split(",")
    end = e.get("destination_workload", "")
    if e["reporter"] == "source":
        end = service
        if "FI" in parts and not is_logged_over_otlp:
            end = service.split(".")[0]
        elif not end:
            end = "unknown" if "NR" in parts else "BlackHoleCluster"
    workload = e.get("destination_workload", "")
    return Edge(e["reporter"], e["source"], namespaces.get(e["source"], ""), end, workload,
                namespaces.get(workload) or namespace_of(end), e["protocol"], str(e["response_code"]), flags,
                str(e.get("grpc_status", "")), end if e["reporter"] == "source" else service, e["n"])


def requests(name):
    fact = mtcap.facts(name)
    if "workloads" not in fact:
        return [mixer_edge(e) for e in fact["edges"] if not e["context_protocol"].startswith("tcp")]
    namespaces = {w["Name"]: w["Namespace"] for w in fact["workloads"]}
    return [envoy_edge(e, namespaces, is_blurred(name)) for e in fact["edges"] if e["n"]]


def namespaces(name):
    """Those in which there was traffic."""
    return sorted({n for e in requests(name) for n in (e.source_namespace, e.namespace) if n})


def want(name, is_wanted=lambda edge: True):
    rows = collections.Counter()
    for e in requests(name):
        if is_wanted(e):
            rows[e.key(is_blurred(name))] += e.n
    return +rows


def have(name, rows):
    """The same rows out of [(labels, requests), …]. A Mixer client tells no gRPC status in its facts."""
    found = collections.Counter()
    for l, n in rows:
        end = l["destination_service"] if l["reporter"] == "source" else l["destination_workload"]
        is_short = is_blurred(name)
        source = "*" if is_short and l["reporter"] == "destination" else l["source_workload"]
        status = "" if name.startswith("mixer") else l.get("grpc_response_status", "")
        found[l["reporter"], source, end, l["response_code"], facts.sorted_flags(l["response_flags"]),
              *(("", "") if is_short else (l["request_protocol"], status))] += round(n)
    return +found


def tcp(name):
    """By (source workload, destination service), as callers see it: connections, bytes to and from the destination."""
    fact = mtcap.facts(name)
    if "workloads" in fact:
        return facts.want_tcp(fact)
    rows = collections.defaultdict(lambda: [0, 0, 0])
    for e in fact["edges"]:
        if e["context_protocol"].startswith("tcp"):
            row = rows[workload_of(e["source_uid"]), e["destination_service_host"]]
            row[0] += e["n"] if e["context_protocol"] == "tcp-close" else 0
            row[1] += e["request_size_sum"]
            row[2] += e["response_size_sum"]
    return {k: tuple(v) for k, v in rows.items()}

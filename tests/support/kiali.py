"""What Kiali asks Prometheus, as data: the labels by which it groups and the selectors of its graph, in the current
generation and in that of Mixer's time (1.8)."""

SERVICE = ["destination_service_namespace", "destination_service", "destination_service_name"]


def _ends(*labels):
    return [f"{end}_{label}" for end in ("source", "destination") for label in labels]


# A series that lacks one of these, or has it empty, is left out of the graph without a word.
NODES = SERVICE + _ends("workload_namespace", "workload", "canonical_service", "canonical_revision")
NODES_1_8 = SERVICE + _ends("workload_namespace", "workload", "app", "version")
OPTIONAL = ["source_cluster", "destination_cluster", "grpc_response_status"]

REQUESTS = "istio_requests_total"
TCP = {"istio_tcp_received_bytes_total": 1, "istio_tcp_sent_bytes_total": 2}  # and which of the facts' figures they are
MESSAGES = ["istio_request_messages_total", "istio_response_messages_total"]
HISTOGRAMS = ["istio_request_duration_milliseconds", "istio_request_bytes", "istio_response_bytes"]
LATENCIES_1_8 = ["istio_request_duration_seconds", "istio_request_duration_milliseconds"]


def required(metric, is_old=False):
    nodes = NODES_1_8 if is_old else NODES
    if metric == REQUESTS:
        return nodes + ["request_protocol", "response_code", "response_flags"]
    return nodes + ([] if metric in MESSAGES else ["response_flags"])


def groups(metric, is_old=False):
    return required(metric, is_old) + ([] if is_old else OPTIONAL)


def selectors(namespace):
    """The graph of a namespace, by what each query is for."""
    return {
        "from outside, to nobody known": f'reporter="source",source_workload_namespace!="{namespace}",'
                                         f'destination_workload_namespace="unknown",destination_workload="unknown",'
                                         f'destination_service=~"^.+\\\\.{namespace}\\\\..+$"',
        "served here": f'reporter="destination",destination_workload_namespace="{namespace}"',
        "asked from here": f'reporter="source",source_workload_namespace="{namespace}"',
        "from outside": f'reporter="source",source_workload_namespace!="{namespace}",'
                        f'destination_workload_namespace="{namespace}"',
        "ambient, from outside": f'reporter=~"waypoint|source",source_workload_namespace!="{namespace}",'
                                 f'destination_workload_namespace="{namespace}"',
        "ambient, served here": f'reporter=~"waypoint|destination",destination_workload_namespace="{namespace}"',
        "from nobody known (1.8)": f'reporter="destination",source_workload="unknown",'
                                   f'destination_workload_namespace="{namespace}"',
    }


def total(metric, selector, is_old=False):
    """The sum of which the graph takes the rate: as it stands, for counts. Kiali's labels, and the side."""
    by = ",".join(dict.fromkeys(groups(metric, is_old) + ["reporter"]))
    return f"sum({metric}{{{selector}}}) by ({by})"


def graph(metric, selector, is_old=False):
    by = ",".join(dict.fromkeys(groups(metric, is_old) + ["reporter"]))
    return f"sum(rate({metric}{{{selector}}}[I])) by ({by}) > 0"

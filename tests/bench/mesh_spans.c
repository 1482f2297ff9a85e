/* mesh_spans: hops of bookinfo as Istio deploys it; see the header. */
#include "tests/bench/mesh_spans.h"

enum { GATEWAY, PRODUCTPAGE, DETAILS, REVIEWS, RATINGS, MONGODB };

const struct weir_mesh_service weir_mesh_services[WEIR_MESH_SERVICES] = {
	{ "istio-ingressgateway", "10.244.1.20", 9080 },
	{ "productpage", "10.244.1.21", 9080 },
	{ "details", "10.244.1.22", 9080 },
	{ "reviews", "10.244.1.23", 9080 },
	{ "ratings", "10.244.1.24", 9080 },
	{ "mongodb", "10.244.1.25", 27017 },
};

static const char *const front_paths[] = { "/productpage", "/productpage", "/productpage", "/login",
	"/static/jquery.min.js" };
static const char *const agents[] = { "curl/8.5.0", "Go-http-client/1.1", "python-requests/2.31.0",
	"Mozilla/5.0 (X11; Linux x86_64)" };

struct draft { /* one trace being made */
	uint64_t *random, trace, clock_ns;
	const char *agent;
	struct weir_mesh_span *spans;
	uint32_t count, capacity;
};

static uint64_t next_random(uint64_t *random)
{
	uint64_t z = *random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint32_t pick(uint64_t *random, uint32_t n)
{
	return (uint32_t)(next_random(random) % n);
}

static uint64_t add_span(struct draft *draft, bool is_client, uint32_t service, uint32_t remote, uint64_t parent,
	const char *path, uint64_t ms)
{
	uint64_t id = next_random(draft->random) | 1;
	uint64_t duration_ns = ms * 1000000 + pick(draft->random, 4000000);
	bool is_bad = pick(draft->random, 40) == 0;

	if (draft->count < draft->capacity) {
		draft->spans[draft->count++] = (struct weir_mesh_span){
			.trace = draft->trace,
			.id = id,
			.parent = parent,
			.service = service,
			.remote = remote,
			.start_ns = draft->clock_ns,
			.end_ns = draft->clock_ns + duration_ns,
			.is_client = is_client,
			.status = is_bad ? 503 : 200,
			.path = path,
			.agent = draft->agent,
		};
	}
	draft->clock_ns += 300000 + pick(draft->random, 200000);
	return id;
}

static uint64_t add_hop(struct draft *draft, uint32_t from, uint32_t to, uint64_t parent, const char *path, uint64_t ms)
{
	uint64_t client = add_span(draft, true, from, to, parent, path, ms + 2);

	return add_span(draft, false, to, from, client, path, ms);
}

static uint32_t add_trace(uint64_t *random, struct weir_mesh_span *spans, uint32_t capacity)
{
	struct draft draft = { .random = random, .trace = next_random(random), .spans = spans, .capacity = capacity };
	uint32_t kind = pick(random, 4);
	uint64_t page, reviews, ratings;

	draft.clock_ns = pick(random, 900000000);
	draft.agent = agents[pick(random, 4)];
	page = add_hop(&draft, GATEWAY, PRODUCTPAGE, 0, front_paths[pick(random, 5)], 40);
	add_hop(&draft, PRODUCTPAGE, DETAILS, page, "/details/0", 6);
	if (kind == 3) { /* a retried call */
		add_hop(&draft, PRODUCTPAGE, DETAILS, page, "/details/0", 5);
	}
	reviews = add_hop(&draft, PRODUCTPAGE, REVIEWS, page, "/reviews/0", 20);
	ratings = add_hop(&draft, REVIEWS, RATINGS, reviews, "/ratings/0", 8);
	if (kind == 1) { /* a database without a sidecar */
		add_span(&draft, true, RATINGS, MONGODB, ratings, "/", 2);
	} else if (kind >= 2) {
		add_hop(&draft, RATINGS, MONGODB, ratings, "/", 2);
	}
	return draft.count;
}

void weir_mesh_spans_make(uint64_t *random, struct weir_mesh_span *spans, uint32_t count)
{
	for (uint32_t at = 0; at < count;) {
		at += add_trace(random, spans + at, count - at);
	}
}

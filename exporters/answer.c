/* answer: the common part of all routes; see the header.
 *
 * Threads: the query pool's. There is one weir_query for each of its threads;
 * a running route borrows any free one, so no query ever has two users and no
 * thread needs a memory of its own. The lock is held for a push or a pop. */
#include "exporters/answer.h"

#include <errno.h>
#include <stdio.h>

#include "base/err.h"

#define SCRATCH_CHUNK (64u << 10)
#define WEEK_S (7.0 * 24 * 3600)

static struct weir_query *borrow(struct weir_exporters *exporters)
{
	struct weir_query *query = NULL;

	pthread_mutex_lock(&exporters->lock);
	if (exporters->free_count > 0) {
		query = exporters->free_queries[--exporters->free_count];
	}
	pthread_mutex_unlock(&exporters->lock);
	return query;
}

static void give_back(struct weir_exporters *exporters, struct weir_query *query)
{
	pthread_mutex_lock(&exporters->lock);
	weir_assert(exporters->free_count < exporters->opts.query_threads);
	exporters->free_queries[exporters->free_count++] = query;
	pthread_mutex_unlock(&exporters->lock);
}

static void busy(struct weir_http_response *response, const char *text)
{
	weir_http_response_text(response, 503, text);
	response->retry_after_s = 1;
}

bool weir_answer_begin(struct weir_answer *answer, struct weir_exporters *exporters,
	const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_query *query = borrow(exporters);
	int result;

	if (query == NULL) {
		busy(response, "all queries are in use\n");
		return false;
	}
	result = weir_query_begin(query, weir_http_request_deadline_ns(request));
	if (weir_answer_refused(response, result)) {
		give_back(exporters, query);
		return false;
	}
	response->behind_ms = weir_query_behind_ms(query);
	answer->exporters = exporters;
	answer->query = query;
	weir_arena_init(&answer->arena, SCRATCH_CHUNK, exporters->opts.max_query_bytes);
	return true;
}

void weir_answer_end(struct weir_answer *answer)
{
	weir_query_end(answer->query);
	give_back(answer->exporters, answer->query);
	weir_arena_fini(&answer->arena);
}

bool weir_answer_refused(struct weir_http_response *response, int result)
{
	switch (result) {
	case 0:
		return false;
	case WEIR_QUERY_TIMEOUT:
		busy(response, "the query took longer than limits.query_s\n");
		return true;
	case WEIR_QUERY_TOO_LARGE:
		weir_http_response_text(response, 400, "the answer would be too large: ask for less\n");
		return true;
	case WEIR_QUERY_NOT_FOUND:
		weir_http_response_text(response, 404, "not found\n");
		return true;
	default:
		weir_http_response_text(response, 500, "the store could not be read\n");
		return true;
	}
}

const struct weir_snapshot *weir_answer_snapshot(
	struct weir_exporters *exporters, unsigned parts, struct weir_http_response *response)
{
	const struct weir_snapshot *snapshot = weir_run_snapshot(exporters->opts.run, parts, &response->behind_ms);

	if (snapshot == NULL) {
		busy(response, "stopping, or out of memory\n");
	}
	return snapshot;
}

void weir_answer_json(struct weir_http_response *response, struct weir_json_write *ret_json)
{
	response->content_type = "application/json";
	weir_json_write_init(ret_json, &response->body);
}

void weir_answer_json_end(struct weir_http_response *response)
{
	if (weir_buf_error(&response->body) != 0) {
		weir_buf_fini(&response->body);
		weir_http_response_text(response, 503, "out of memory\n");
	}
}

void weir_answer_names(struct weir_http_response *response, const struct weir_str *names, uint32_t count)
{
	struct weir_json_write json;

	weir_answer_json(response, &json);
	weir_json_write_open(&json, '[');
	for (uint32_t i = 0; i < count; i++) {
		weir_json_write_lower(&json, names[i]);
	}
	weir_json_write_close(&json, ']');
	weir_answer_json_end(response);
}

int weir_answer_number(
	const struct weir_http_request *request, const char *name, struct weir_http_response *response, int64_t *ret)
{
	struct weir_str text = weir_str_trim(weir_http_request_argument(request, name));
	char why[160];
	long long value;

	if (text.length == 0) {
		return 0;
	}
	if (weir_str_to_i64(text, &value) != 0) {
		snprintf(why, sizeof(why), "%s is not a number: %.*s\n", name,
			(int)(text.length < 64 ? text.length : 64), text.data);
		weir_http_response_text(response, 400, why);
		return -EINVAL;
	}
	*ret = value;
	return 0;
}

/* The seconds of one unit at the front of *text, which is cut off; 0: none. */
static double cut_unit(struct weir_str *text)
{
	static const struct {
		const char *name;
		double seconds;
	} units[] = { { "ns", 1e-9 }, { "us", 1e-6 }, { "\xc2\xb5s", 1e-6 }, { "\xce\xbcs", 1e-6 }, { "ms", 1e-3 },
		{ "s", 1 }, { "m", 60 }, { "h", 3600 } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (weir_str_starts_with(*text, units[i].name)) {
			size_t length = strlen(units[i].name);

			*text = weir_str_make(text->data + length, text->length - length);
			return units[i].seconds;
		}
	}
	return 0;
}

int weir_answer_duration(struct weir_str text, uint64_t *ret_ns)
{
	double total_s = 0;

	if (weir_str_is(text, "0")) {
		*ret_ns = 0;
		return 0;
	}
	if (text.length == 0 || text.length > 64) {
		return -EINVAL;
	}
	while (text.length > 0) {
		double value = 0, scale = 1, unit;
		size_t i = 0, digits = 0;
		bool has_point = false;

		for (; i < text.length && ((text.data[i] >= '0' && text.data[i] <= '9') || text.data[i] == '.'); i++) {
			if (text.data[i] == '.') {
				if (has_point) {
					return -EINVAL;
				}
				has_point = true;
				continue;
			}
			value = value * 10 + (text.data[i] - '0');
			scale = has_point ? scale * 10 : scale;
			digits++;
		}
		text = weir_str_make(text.data + i, text.length - i);
		unit = cut_unit(&text);
		if (digits == 0 || unit <= 0) {
			return -EINVAL;
		}
		total_s += value / scale * unit;
	}
	if (!(total_s <= WEEK_S)) {
		return -EINVAL;
	}
	*ret_ns = (uint64_t)(total_s * 1e9 + 0.5);
	return 0;
}

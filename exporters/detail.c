/* detail: what the routes of logs and of requests share; see the header.
 * Threads: the query pool's. */
#include "exporters/detail.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "exporters/traces/search.h"
#include "exporters/traces/tags.h"

#define LOOKBACK_MS 86400000
#define LIMIT 100
#define ATTRS_COMPARED 256u
#define REST_OF_MS UINT64_C(999999)

bool weir_detail_range(
	const struct weir_http_request *request, struct weir_http_response *response, struct weir_detail_range *ret)
{
	struct weir_search_numbers numbers = {
		.end_ms = (int64_t)(weir_clock_now_ns() / 1000000),
		.lookback_ms = LOOKBACK_MS,
		.limit = LIMIT,
	};
	struct weir_query_search search = { 0 };
	const char *why;

	if (weir_answer_number(request, "endTs", response, &numbers.end_ms) != 0 ||
		weir_answer_number(request, "lookback", response, &numbers.lookback_ms) != 0 ||
		weir_answer_number(request, "limit", response, &numbers.limit) != 0) {
		return false;
	}
	why = weir_search_numbers(&numbers, &search);
	if (why != NULL) {
		weir_http_response_text(response, 400, why);
		return false;
	}
	/* Times are nanoseconds: what happened in the last millisecond belongs to it. */
	if (search.end_ns <= UINT64_MAX - REST_OF_MS) {
		search.end_ns += REST_OF_MS;
		search.lookback_ns = search.lookback_ns <= UINT64_MAX - REST_OF_MS ? search.lookback_ns + REST_OF_MS
										   : search.lookback_ns;
	}
	*ret = (struct weir_detail_range){ search.end_ns, search.lookback_ns, search.limit };
	return true;
}

bool weir_detail_value(struct weir_json_write *json, struct weir_arena *arena, const struct weir_batch *batch,
	const struct weir_attr *attr)
{
	struct weir_str text;

	switch ((enum weir_attr_type)attr->type) {
	case WEIR_ATTR_BOOL:
		weir_json_write_bool(json, attr->value.number != 0);
		return true;
	case WEIR_ATTR_DOUBLE:
		weir_json_write_double(json, attr->value.real);
		return true;
	case WEIR_ATTR_EMPTY:
		weir_json_write_raw(json, weir_str_of("null"));
		return true;
	case WEIR_ATTR_STRING:
		weir_json_write_str(json, weir_batch_str(batch, attr->value.text));
		return true;
	case WEIR_ATTR_INT:
	case WEIR_ATTR_BYTES:
	case WEIR_ATTR_JSON:
		break;
	}
	text = weir_tags_text(arena, batch, attr);
	if (text.data == NULL) {
		return false;
	}
	if (attr->type == WEIR_ATTR_BYTES) {
		weir_json_write_str(json, text);
	} else {
		weir_json_write_raw(json, text);
	}
	return true;
}

/* Does the key of attribute `i` stand once more behind it? A list so long that this would cost a lot is written as it
 * is: no sender's library makes one. */
static bool stands_again(const struct weir_batch *batch, const struct weir_attr *attrs, uint32_t i, uint32_t count)
{
	struct weir_str key = weir_batch_str(batch, attrs[i].key);

	if (count > ATTRS_COMPARED) {
		return false;
	}
	for (uint32_t k = i + 1; k < count; k++) {
		if (attrs[k].key.length == key.length && weir_str_equal(weir_batch_str(batch, attrs[k].key), key)) {
			return true;
		}
	}
	return false;
}

bool weir_detail_attrs(struct weir_json_write *json, const char *key, struct weir_arena *arena,
	const struct weir_batch *batch, uint32_t first, uint32_t count)
{
	const struct weir_attr *attrs = weir_batch_attrs(batch) + first;
	bool is_written = true;

	weir_json_write_key(json, key);
	weir_json_write_open(json, '{');
	for (uint32_t i = 0; i < count && is_written; i++) {
		if (!stands_again(batch, attrs, i, count)) {
			weir_json_write_key_str(json, weir_batch_str(batch, attrs[i].key));
			is_written = weir_detail_value(json, arena, batch, &attrs[i]);
		}
	}
	weir_json_write_close(json, '}');
	return is_written;
}

void weir_detail_text(struct weir_json_write *json, const char *key, struct weir_str text)
{
	if (text.length > 0) {
		weir_json_write_key(json, key);
		weir_json_write_str(json, text);
	}
}

void weir_detail_ns(struct weir_json_write *json, const char *key, uint64_t ns)
{
	char text[24];

	if (ns != 0) {
		snprintf(text, sizeof(text), "%" PRIu64, ns);
		weir_json_write_key(json, key);
		weir_json_write_text(json, text);
	}
}

void weir_detail_end(struct weir_http_response *response, bool is_written)
{
	if (is_written) {
		weir_answer_json_end(response);
	} else {
		weir_buf_fini(&response->body);
		weir_answer_refused(response, WEIR_QUERY_TOO_LARGE);
	}
}

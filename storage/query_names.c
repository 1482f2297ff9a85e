/* query_names: who is called what: the names table and the held windows.
 *
 * The table holds what the segments brought (names.c); the held windows are
 * walked. Both go through one dictionary, lower-cased, then sorted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "storage/dictionary.h"
#include "storage/names.h"
#include "storage/view.h"

struct naming {
	struct weir_query *query;
	struct weir_dictionary names;
	char *lower; /* room for the name at hand */
	size_t lower_bytes;
	enum weir_names_what what;
	struct weir_str service; /* lower-cased */
};

static int lower(struct naming *naming, struct weir_str text, struct weir_str *ret_text)
{
	if (text.length > naming->lower_bytes) {
		char *grown = realloc(naming->lower, text.length);

		if (grown == NULL) {
			return WEIR_QUERY_TOO_LARGE;
		}
		naming->lower = grown;
		naming->lower_bytes = text.length;
	}
	weir_str_copy_lower(naming->lower, text);
	*ret_text = weir_str_make(naming->lower, text.length);
	return 0;
}

static int name_add(struct naming *naming, struct weir_str name)
{
	struct weir_str text = { "", 0 };
	bool is_new;
	int result = lower(naming, name, &text);

	if (result == 0) {
		weir_dictionary_add(&naming->names, text, &is_new);
		result = naming->names.is_full || naming->names.bytes.length > naming->query->opts.max_bytes / 4
				 ? WEIR_QUERY_TOO_LARGE
				 : 0;
	}
	return result;
}

static int table_read(struct naming *naming)
{
	sqlite3_stmt *statement = naming->query->names;
	int code, result = 0;

	sqlite3_bind_int(statement, 1, (int)naming->what);
	sqlite3_bind_text64(statement, 2, naming->service.length > 0 ? naming->service.data : "",
		naming->service.length, SQLITE_STATIC, SQLITE_UTF8);
	while ((code = sqlite3_step(statement)) == SQLITE_ROW && result == 0) {
		result = name_add(naming, weir_connection_blob(statement, 0));
	}
	sqlite3_reset(statement);
	return result != 0 ? result : weir_connection_fault(code);
}

static int batch_read(struct naming *naming, const struct weir_batch *batch)
{
	const struct weir_resource *resources = weir_batch_resources(batch);
	const struct weir_span *spans = weir_batch_spans(batch);
	uint32_t known = UINT32_MAX, resource = UINT32_MAX;
	struct weir_str text;
	bool is_wanted = false;
	int result = 0;

	for (uint32_t i = 0; i < batch->spans.count && result == 0; i++) {
		if (spans[i].resource != resource) {
			resource = spans[i].resource;
			if (naming->what == WEIR_NAMES_SERVICE) {
				result = resource == known
						 ? 0
						 : name_add(naming, weir_batch_str(batch, resources[resource].service));
				known = resource;
				continue;
			}
			result = lower(naming, weir_batch_str(batch, resources[resource].service), &text);
			is_wanted = result == 0 && weir_str_equal(text, naming->service);
		}
		if (is_wanted && result == 0) {
			result = name_add(naming,
				weir_batch_str(batch, naming->what == WEIR_NAMES_SPAN ? spans[i].name : spans[i].peer));
		}
	}
	return result;
}

static int by_text(const void *left, const void *right)
{
	const struct weir_str *a = left, *b = right;
	int order = memcmp(a->data, b->data, a->length < b->length ? a->length : b->length);

	if (order != 0) {
		return order;
	}
	return a->length < b->length ? -1 : a->length > b->length;
}

/* The dictionary, but for the empty name, copied and sorted. */
static int names_return(struct naming *naming, struct weir_str **ret_names, uint32_t *ret_count)
{
	uint32_t count = naming->names.count - 1;
	struct weir_str all = weir_arena_copy(&naming->query->arena, weir_buf_str(&naming->names.bytes));
	struct weir_str *names = weir_arena_alloc(&naming->query->arena, count * sizeof(*names) + 1);

	if (all.data == NULL || names == NULL) {
		return WEIR_QUERY_TOO_LARGE;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t offset = naming->names.offsets[i + 1];

		names[i] = weir_str_make(all.data + offset, naming->names.offsets[i + 2] - offset);
	}
	if (count > 1) {
		qsort(names, count, sizeof(*names), by_text);
	}
	*ret_names = names;
	*ret_count = count;
	return 0;
}

static int names_collect(struct weir_query *query, enum weir_names_what what, struct weir_str service,
	struct weir_str **ret_names, uint32_t *ret_count)
{
	struct naming naming = { .query = query, .what = what };
	struct weir_str text = { "", 0 };
	int result;

	*ret_names = NULL;
	*ret_count = 0;
	if (weir_dictionary_init(&naming.names, query->opts.store->found.hash_seed) < 0) {
		return WEIR_QUERY_TOO_LARGE;
	}
	result = lower(&naming, service, &text);
	if (result == 0) {
		naming.service = weir_arena_copy(&query->arena, text);
		result = naming.service.data != NULL ? table_read(&naming) : WEIR_QUERY_TOO_LARGE;
	}
	for (uint32_t i = 0; i < query->batch_count && result == 0; i++) {
		result = weir_view_tick(query);
		if (result == 0) {
			result = batch_read(&naming, query->batches[i]);
		}
	}
	if (result == 0) {
		result = names_return(&naming, ret_names, ret_count);
	}
	weir_dictionary_fini(&naming.names);
	free(naming.lower);
	return result;
}

int weir_query_services(struct weir_query *query, struct weir_str **ret_names, uint32_t *ret_count)
{
	return names_collect(query, WEIR_NAMES_SERVICE, (struct weir_str){ "", 0 }, ret_names, ret_count);
}

int weir_query_span_names(
	struct weir_query *query, struct weir_str service, struct weir_str **ret_names, uint32_t *ret_count)
{
	return names_collect(query, WEIR_NAMES_SPAN, service, ret_names, ret_count);
}

int weir_query_remote_services(
	struct weir_query *query, struct weir_str service, struct weir_str **ret_names, uint32_t *ret_count)
{
	return names_collect(query, WEIR_NAMES_REMOTE, service, ret_names, ret_count);
}

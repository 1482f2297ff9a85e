/* pod_read: see the header.
 *
 *   List   { "items": [ Pod … ], "metadata": { "resourceVersion", "continue" } }
 *   event  { "type": "ADDED" …, "object": a Pod, or a Status { "code" } }
 *
 * Members come in any order (kubectl sorts them, the API server does not). The
 * reader of base/json_read.h bounds the depth, the caller the length.
 *
 * Any thread; no state. */
#include "identity/pod_read.h"

#include <errno.h>
#include <stdlib.h>

#include "identity/pod_json.h"

/* ---- lists ------------------------------------------------------------------ */

struct list_reading {
	struct weir_pod_json *reading;
	weir_pod_fn *take;
	void *ctx;
	struct weir_pod_list *list;
	int fault;
};

/* False: malformed, or a fault. */
static bool item_read(struct list_reading *list)
{
	struct weir_pod *pod;
	int r;

	weir_pod_json_begin(list->reading, list->reading->json);
	if (!weir_pod_json_pod(list->reading)) {
		return false;
	}
	r = weir_pod_json_make(list->reading, &pod);
	if (r < 0) {
		list->fault = r;
		return false;
	}
	if (r == 0) {
		list->list->pods++;
		list->take(list->ctx, pod);
	}
	list->list->left_out += r == 1;
	return true;
}

static bool items_read(struct list_reading *list)
{
	bool is_array, is_first = true;
	int r;

	if (!weir_pod_json_opens(list->reading->json, WEIR_JSON_ARRAY, &is_array)) {
		return false;
	}
	while ((r = is_array ? weir_json_element(list->reading->json, &is_first) : WEIR_JSON_END) == 0) {
		if (!item_read(list)) {
			return false;
		}
	}
	return r == WEIR_JSON_END;
}

static void text_keep(char *to, size_t size, struct weir_str text)
{
	if (text.length < size) {
		memcpy(to, text.data != NULL ? text.data : "", text.length);
		to[text.length] = '\0';
	}
}

/* The list's own metadata; of a single Pod the whole is one item, so its members come by again. */
static bool list_metadata_read(struct list_reading *list)
{
	bool is_object, is_first = true, has_escapes, is_read = true;
	struct weir_str key, text;
	int r = WEIR_JSON_END;

	weir_pod_json_begin(list->reading, list->reading->json);
	if (!weir_pod_json_opens(list->reading->json, WEIR_JSON_OBJECT, &is_object)) {
		return false;
	}
	while (is_object && is_read &&
		(r = weir_json_member(list->reading->json, &is_first, &key, &has_escapes)) == 0) {
		if (weir_str_is(key, "resourceVersion")) {
			is_read = weir_pod_json_text(list->reading, &text);
			text_keep(list->list->resource_version, sizeof(list->list->resource_version), text);
		} else if (weir_str_is(key, "continue")) {
			is_read = weir_pod_json_text(list->reading, &text);
			text_keep(list->list->continue_token, sizeof(list->list->continue_token), text);
		} else {
			is_read = weir_json_skip(list->reading->json) == 0;
		}
	}
	return is_read && r == WEIR_JSON_END;
}

/* Kind and items; *ret_is_pod: it is a Pod instead. False: malformed, or a fault. */
static bool list_read(struct list_reading *list, bool *ret_is_pod, bool *ret_has_items)
{
	struct weir_json *json = list->reading->json;
	bool is_object, is_first = true, has_escapes, is_read = true;
	struct weir_str key, kind;
	int r = 0;

	*ret_is_pod = *ret_has_items = false;
	if (!weir_pod_json_opens(json, WEIR_JSON_OBJECT, &is_object) || !is_object) {
		return false;
	}
	while (is_read && (r = weir_json_member(json, &is_first, &key, &has_escapes)) == 0) {
		if (weir_str_is(key, "items")) {
			*ret_has_items = true;
			is_read = items_read(list);
		} else if (weir_str_is(key, "metadata")) {
			is_read = list_metadata_read(list);
		} else if (weir_str_is(key, "kind")) {
			weir_pod_json_begin(list->reading, json);
			is_read = weir_pod_json_text(list->reading, &kind);
			*ret_is_pod = weir_str_is(kind, "Pod");
		} else {
			is_read = weir_json_skip(list->reading->json) == 0;
		}
	}
	return is_read && r == WEIR_JSON_END && weir_json_finish(json) == 0;
}

static int malformed(struct weir_pod_list *list, const struct weir_json *json, const char *otherwise)
{
	list->error = json->error != NULL ? json->error : otherwise;
	list->error_offset = weir_json_offset(json);
	return WEIR_POD_READ_MALFORMED;
}

int weir_pod_read_list(struct weir_str body, weir_pod_fn *take, void *ctx, struct weir_pod_list *ret_list)
{
	struct weir_json json;
	struct list_reading list = { .take = take, .ctx = ctx, .list = ret_list };
	bool is_pod, has_items, is_read;
	int r = 0;

	*ret_list = (struct weir_pod_list){ 0 };
	list.reading = malloc(sizeof(*list.reading));
	if (list.reading == NULL) {
		return -ENOMEM;
	}
	list.reading->json = &json;
	weir_json_init(&json, body);
	is_read = list_read(&list, &is_pod, &has_items);
	if (is_read && is_pod && !has_items) {
		weir_json_init(&json, body);
		is_read = item_read(&list);
	}
	if (list.fault < 0) {
		r = list.fault;
	} else if (!is_read) {
		r = malformed(ret_list, &json, "no list of pods");
	} else if (!is_pod && !has_items) {
		r = malformed(ret_list, &json, "a list without items");
	}
	free(list.reading);
	return r;
}

/* ---- events ----------------------------------------------------------------- */

static enum weir_pod_event_type type_of(struct weir_str text)
{
	static const char *const names[] = { "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (weir_str_is(text, names[i])) {
			return (enum weir_pod_event_type)i;
		}
	}
	return WEIR_POD_OTHER;
}

/* The code of a Status. */
static bool status_read(struct weir_pod_json *reading, int64_t *ret_code)
{
	bool is_object, is_first = true, has_escapes;
	struct weir_json_value value;
	struct weir_str key;
	int r = 0;

	*ret_code = 0;
	if (!weir_pod_json_opens(reading->json, WEIR_JSON_OBJECT, &is_object)) {
		return false;
	}
	while (is_object && (r = weir_json_member(reading->json, &is_first, &key, &has_escapes)) == 0) {
		if (!weir_str_is(key, "code")) {
			if (weir_json_skip(reading->json) != 0) {
				return false;
			}
			continue;
		}
		if (weir_json_value(reading->json, &value) != 0 || weir_json_skip_rest(reading->json, &value) != 0) {
			return false;
		}
		if (value.kind == WEIR_JSON_NUMBER) {
			(void)weir_json_to_i64(value.text, ret_code); /* no whole number: no code */
		}
	}
	return !is_object || r == WEIR_JSON_END;
}

/* Where the object is, and the type, in whichever order. False: malformed. */
static bool event_survey(struct weir_pod_json *reading, struct weir_pod_event *ret_event, struct weir_str *ret_object)
{
	struct weir_json *json = reading->json;
	bool is_object, is_first = true, has_escapes;
	struct weir_str key, text;
	int r;

	if (!weir_pod_json_opens(json, WEIR_JSON_OBJECT, &is_object) || !is_object) {
		return false;
	}
	while ((r = weir_json_member(json, &is_first, &key, &has_escapes)) == 0) {
		if (weir_str_is(key, "type")) {
			if (!weir_pod_json_text(reading, &text)) {
				return false;
			}
			ret_event->type = type_of(text);
		} else {
			const char *begin = json->at;

			if (weir_json_skip(json) != 0) {
				return false;
			}
			if (weir_str_is(key, "object")) {
				*ret_object = weir_str_make(begin, (size_t)(json->at - begin));
			}
		}
	}
	return r == WEIR_JSON_END && weir_json_finish(json) == 0;
}

int weir_pod_read_event(struct weir_str line, struct weir_pod_event *ret_event)
{
	struct weir_pod_json *reading = malloc(sizeof(*reading));
	struct weir_str object = { NULL, 0 };
	struct weir_json json;
	bool is_read;
	int r = 0;

	*ret_event = (struct weir_pod_event){ .type = WEIR_POD_OTHER };
	if (reading == NULL) {
		return -ENOMEM;
	}
	weir_json_init(&json, line);
	weir_pod_json_begin(reading, &json);
	is_read = event_survey(reading, ret_event, &object);
	if (is_read && ret_event->type != WEIR_POD_OTHER) {
		weir_json_init(&json, object);
		weir_pod_json_begin(reading, &json);
		is_read =
			object.length > 0 && (ret_event->type == WEIR_POD_ERROR ? status_read(reading, &ret_event->code)
										: weir_pod_json_pod(reading));
		text_keep(ret_event->resource_version, sizeof(ret_event->resource_version), reading->version);
	}
	if (is_read && ret_event->type <= WEIR_POD_DELETED) {
		r = weir_pod_json_make(reading, &ret_event->pod);
		r = r == 1 ? 0 : r;
	}
	free(reading);
	return is_read ? r : WEIR_POD_READ_MALFORMED;
}

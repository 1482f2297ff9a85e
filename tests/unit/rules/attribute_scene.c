/* attribute_scene: see the header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attribute_scene.h"

void attribute_scene_begin(struct attribute_scene *scene, enum weir_signal signal)
{
	memset(&scene->maker, 0, sizeof(scene->maker));
	batch_maker_begin(&scene->maker, WEIR_PROTOCOL_ALS_V3, signal, "source", 99);
}

void attribute_scene_finish(struct attribute_scene *scene, bool is_request, uint32_t row)
{
	const struct weir_batch *batch = batch_maker_finish(&scene->maker);

	scene->record = (struct weir_rules_record){ .batch = batch };
	if (is_request) {
		scene->record.request = weir_batch_requests(batch) + row;
		scene->record.call = &scene->record.request->call;
	} else {
		scene->record.connection = weir_batch_connections(batch) + row;
		scene->record.call = &scene->record.connection->call;
	}
	weir_scratch_reset(&scene->scratch);
}

static enum weir_attribute named(const char *name)
{
	enum weir_attribute attribute = 0;

	if (!weir_attribute_find(weir_str_of(name), &attribute)) {
		fail_msg("no attribute %s", name);
	}
	return attribute;
}

void attribute_scene_is(struct attribute_scene *scene, const char *name, const char *expected)
{
	struct weir_str key = weir_str_of(name), text;
	struct weir_str map = weir_str_cut(&key, '[');
	char attribute[64];
	struct weir_value value;
	int r;

	(void)snprintf(attribute, sizeof(attribute), "%.*s", (int)map.length, map.data);
	r = key.length > 0 ? weir_attribute_get_entry(
				     &scene->record, named(attribute), weir_str_make(key.data, key.length - 1), &value)
			   : weir_attribute_get(&scene->record, named(attribute), &scene->scratch, &value);
	if (expected == NULL) {
		if (r != WEIR_VALUE_ABSENT) {
			fail_msg("%s is set", name);
		}
		return;
	}
	if (r != 0) {
		fail_msg("%s: outcome %d", name, r);
	}
	assert_int_equal(value.type, key.length > 0 ? WEIR_TYPE_STRING : weir_attribute_type(named(attribute)));
	text = weir_value_text(&value, &scene->scratch);
	if (!weir_str_is(text, expected)) {
		fail_msg("%s is %.*s, not %s", name, (int)text.length, text.data, expected);
	}
}

void attribute_scene_are(struct attribute_scene *scene, const struct attribute_row *rows)
{
	for (; rows->name != NULL; rows++) {
		attribute_scene_is(scene, rows->name, rows->expected);
	}
}

struct weir_ref attribute_scene_text(struct attribute_scene *scene, const char *bytes)
{
	return batch_maker_text(&scene->maker, bytes);
}

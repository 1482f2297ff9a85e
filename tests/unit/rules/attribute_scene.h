/* attribute_scene: a record made by hand, and what its attributes are. What is
 * otherwise fails the test. */
#ifndef WEIR_TESTS_ATTRIBUTE_SCENE_H
#define WEIR_TESTS_ATTRIBUTE_SCENE_H

#include "rules/attribute.h"
#include "support/batch_maker.h"

struct attribute_scene {
	struct batch_maker maker; /* batch_maker_fini() it */
	struct weir_rules_record record;
	struct weir_scratch scratch;
};

void attribute_scene_begin(struct attribute_scene *scene, enum weir_signal signal);
/* The record is row `row` of the requests, or of the connections. */
void attribute_scene_finish(struct attribute_scene *scene, bool is_request, uint32_t row);
struct weir_ref attribute_scene_text(struct attribute_scene *scene, const char *bytes);

struct attribute_row {
	const char *name;     /* or `map[key]`: an entry */
	const char *expected; /* as text; NULL: it is unset */
};

void attribute_scene_is(struct attribute_scene *scene, const char *name, const char *expected);
/* All rows, up to one without a name. */
void attribute_scene_are(struct attribute_scene *scene, const struct attribute_row *rows);

#endif

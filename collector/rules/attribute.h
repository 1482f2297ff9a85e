/* attribute: the one vocabulary (design.md §4, wire.md 1.3): what each known
 * attribute is called, its type, and where a record holds it. The table is
 * vocabulary.def: WEIR_ATTRIBUTE(ID, "name", TYPE, keyed). */
#ifndef WEIR_RULES_ATTRIBUTE_H
#define WEIR_RULES_ATTRIBUTE_H

#include "ring/record.h"
#include "rules/value.h"

enum weir_attribute {
#define WEIR_ATTRIBUTE(id, name, type, keyed) WEIR_ATTRIBUTE_##id,
#include "rules/vocabulary.def"
#undef WEIR_ATTRIBUTE
	WEIR_ATTRIBUTES
};

/* One record, as rules see it. */
struct weir_rules_record {
	const struct weir_batch *batch;
	const struct weir_call *call;             /* of the request or the connection */
	const struct weir_request *request;       /* NULL: a connection */
	const struct weir_connection *connection; /* NULL: a request */
	/* Of a connection, by what the fold knows of it: bytes since its last report; which event this is. */
	uint64_t sent_bytes, received_bytes;
	uint8_t event; /* enum weir_connection_state */
	bool is_both;  /* metrics.profile: both (weir.profile) */
	/* Not NULL: the attributes themselves, WEIR_ATTRIBUTES of them (type NONE: absent), and the maps' entries;
	 * then nothing above is looked at. `weir check --explain` makes these of JSON. */
	const struct weir_value *told;
	const struct weir_rules_pair *told_pairs;
	uint32_t told_pair_count;
};

struct weir_rules_pair { /* an entry of a told map */
	enum weir_attribute map;
	struct weir_str key, value;
};

enum { WEIR_VALUE_ABSENT = 1, WEIR_VALUE_FAILED = 2 }; /* outcomes: unset; ip("x"): not what it should be */

const char *weir_attribute_name(enum weir_attribute attribute);
enum weir_type weir_attribute_type(enum weir_attribute attribute);
/* Is its value all told by the base key of the fold's memo (aggregate/memo.c)? */
bool weir_attribute_is_keyed(enum weir_attribute attribute);
/* False: no such attribute. */
bool weir_attribute_find(struct weir_str name, enum weir_attribute *ret);
/* The name that somebody who wrote this one may have meant, or NULL. */
const char *weir_attribute_nearest(struct weir_str name);

/* 0 and the value, or ABSENT. Texts are the batch's, or in scratch. */
int weir_attribute_get(const struct weir_rules_record *record, enum weir_attribute attribute,
	struct weir_scratch *scratch, struct weir_value *ret);
/* An entry of a STRING_MAP attribute. 0 or ABSENT. */
int weir_attribute_get_entry(
	const struct weir_rules_record *record, enum weir_attribute map, struct weir_str key, struct weir_value *ret);

#endif

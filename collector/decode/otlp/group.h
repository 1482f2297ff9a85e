/* group: what OTLP's three requests have in common: items of a scope of a
 * resource, and who that is. Inside decode only.
 *
 *   request ─ resource_x* ─┬ resource: attributes → attrs, who it is
 *                          └ scope_x* ─┬ scope    → one row of resources
 *                                      └ x*       → the signal's own business
 *
 * All three have the same numbers for it. The loops are inline, so that each
 * signal's items are read in place and not through a pointer. */
#ifndef WEIR_DECODE_OTLP_GROUP_H
#define WEIR_DECODE_OTLP_GROUP_H

#include "decode/draft.h"
#include "decode/otlp/scope.h"
#include "decode/wire.h"

enum { /* tags */
	WEIR_OTLP_REQUEST_GROUP = 1 << 3 | WEIR_WIRE_BYTES,
	WEIR_OTLP_GROUP_RESOURCE = 1 << 3 | WEIR_WIRE_BYTES,
	WEIR_OTLP_GROUP_SCOPED = 2 << 3 | WEIR_WIRE_BYTES,
	WEIR_OTLP_GROUP_LIBRARY = 1000 << 3 | WEIR_WIRE_BYTES, /* versions 0.15 to 0.18, beside an absent field 2 */
	WEIR_OTLP_SCOPED_SCOPE = 1 << 3 | WEIR_WIRE_BYTES,
	WEIR_OTLP_SCOPED_ITEM = 2 << 3 | WEIR_WIRE_BYTES,
	WEIR_OTLP_SCOPE_NAME = 1 << 3 | WEIR_WIRE_BYTES,
	WEIR_OTLP_SCOPE_VERSION = 2 << 3 | WEIR_WIRE_BYTES,
};

struct weir_otlp_who {           /* what a resource's attributes say of the sender; unset parts are empty */
	struct weir_ref node_id; /* of an Envoy's access logger: node_name */
	struct weir_ref namespace_, service_namespace, account, pod, workload, cluster, cluster_name, log_name, sdk;
	bool is_envoy; /* telemetry.sdk.name says so: its tracer, or its stats sink */
};

struct weir_otlp_groups { /* a request while it is read */
	struct weir_draft *draft;
	struct weir_rows *items;         /* the signal's rows: a group that adds none leaves nothing behind */
	struct weir_ref unknown_service; /* made when first needed */
	uint32_t number;                 /* of the group at hand, from 1 */
	struct weir_resource common;     /* its row, but for the scope */
	struct weir_otlp_who who;
	uint32_t tag, first_item;                /* of its scopes; of its items */
	struct weir_otlp_access_log *access_log; /* of logs; made when first needed */
	bool keeps_scope;                        /* metrics: `scope` is what the scope at hand says of itself */
	struct weir_otlp_scope scope;
};

/* Reads one item into rows. False: malformed, or the arena is full. */
typedef bool weir_otlp_item_fn(struct weir_otlp_groups *groups, struct weir_str message, uint32_t resource);

/* Reads the resource of a ResourceSpans, ResourceMetrics or ResourceLogs. False: malformed. */
bool weir_otlp_group_open(struct weir_otlp_groups *groups, struct weir_str message);
/* Behind its last item: takes the resource's attributes back when nobody refers to them; else notes what it claims. */
void weir_otlp_group_close(struct weir_otlp_groups *groups);

/* An InstrumentationScope into the row. False: malformed. */
static inline bool weir_otlp_scope_read(
	struct weir_draft *draft, struct weir_str message, struct weir_resource *resource)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	while (weir_wire_next(&wire, &field)) {
		if (field.tag == WEIR_OTLP_SCOPE_NAME) {
			resource->scope_name = weir_draft_text(draft, field.bytes);
		} else if (field.tag == WEIR_OTLP_SCOPE_VERSION) {
			resource->scope_version = weir_draft_text(draft, field.bytes);
		}
	}
	return !wire.is_malformed;
}

/* Copies an id of exactly `size` bytes; false when it has another length or is all zero. */
static inline bool weir_otlp_id_take(struct weir_str bytes, uint8_t *id, size_t size)
{
	uint64_t bits = 0;

	if (bytes.length != size) {
		return false;
	}
	for (size_t i = 0; i < size; i += 8) {
		bits |= weir_wire_load64((const uint8_t *)bytes.data + i);
	}
	memcpy(id, bytes.data, size);
	return bits != 0;
}

/* A ScopeSpans and its like: one row of `resources`, like `common` but for the
 * scope; the row goes again when no item wants it. */
__attribute__((always_inline)) static inline bool weir_otlp_scoped_read(
	struct weir_otlp_groups *groups, struct weir_str message, weir_otlp_item_fn *item_read)
{
	struct weir_draft *draft = groups->draft;
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	struct weir_resource *resource = weir_draft_resource(draft);
	uint32_t row = draft->resources.count - 1, items = groups->items->count;

	if (resource == NULL || (groups->keeps_scope && !weir_otlp_scope_survey(draft, message, &groups->scope))) {
		return false;
	}
	*resource = groups->common;
	while (weir_wire_next(&wire, &field)) {
		if (field.tag == WEIR_OTLP_SCOPED_ITEM) {
			if (!item_read(groups, field.bytes, row)) {
				return false;
			}
		} else if (field.tag == WEIR_OTLP_SCOPED_SCOPE && !weir_otlp_scope_read(draft, field.bytes, resource)) {
			return false;
		}
	}
	if (groups->items->count == items) {
		draft->resources.count--;
		draft->attrs.count = groups->keeps_scope ? groups->scope.attr_first : draft->attrs.count;
	}
	return !wire.is_malformed;
}

/* The whole of draft->body. 0, WEIR_DECODE_TOO_LARGE, or WEIR_DECODE_MALFORMED with `error` as the sentence. */
__attribute__((always_inline)) static inline int weir_otlp_request_read(
	struct weir_otlp_groups *groups, weir_otlp_item_fn *item_read, const char *error)
{
	struct weir_draft *draft = groups->draft;
	struct weir_wire wire = weir_wire_of(draft->body), group;
	struct weir_wire_field field;
	bool is_sound = true;

	while (is_sound && !draft->is_exhausted && weir_wire_next(&wire, &field)) {
		if (field.tag != WEIR_OTLP_REQUEST_GROUP) {
			continue;
		}
		is_sound = weir_otlp_group_open(groups, field.bytes);
		group = weir_wire_of(field.bytes);
		while (is_sound && weir_wire_next(&group, &field)) {
			if (field.tag == groups->tag) {
				is_sound = weir_otlp_scoped_read(groups, field.bytes, item_read);
			}
		}
		if (is_sound) {
			weir_otlp_group_close(groups);
		}
	}
	if (draft->is_exhausted) {
		return WEIR_DECODE_TOO_LARGE;
	}
	if (!is_sound || wire.is_malformed) {
		draft->error = error;
		draft->error_offset = (size_t)((const char *)wire.at - draft->body.data);
		return WEIR_DECODE_MALFORMED;
	}
	return 0;
}

#endif

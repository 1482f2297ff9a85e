/* exemplar: the one request that stands for a count.
 *
 *   Exemplar { 1: repeated LabelPair { 1 name, 2 value }, 2: value, 3: Timestamp }
 *
 * Only one that names its trace is of use; client libraries call the labels
 * `trace_id` and `span_id`, in hex. Of several the newest is kept.
 *
 * Any thread; no state. */
#include "decode/envoy/exemplar.h"

#include "base/hex.h"
#include "decode/envoy/attrs.h"
#include "decode/envoy/cursor.h"

enum {
	LABEL = 1 << 3 | WEIR_WIRE_BYTES,
	VALUE = 2 << 3 | WEIR_WIRE_FIXED64,
	TIMESTAMP = 3 << 3 | WEIR_WIRE_BYTES,
	SECONDS = 1 << 3 | WEIR_WIRE_VARINT,
	NANOS = 2 << 3 | WEIR_WIRE_VARINT,
};

#define SECONDS_MAX (INT64_C(1) << 33) /* beyond it nanoseconds do not fit 64 bits for long */

bool weir_exemplar_read_time(struct weir_str message, uint64_t *ret_ns)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	int64_t seconds = 0;
	int32_t nanos = 0;

	while (weir_cursor_next(&wire, &field)) {
		if (field.tag == SECONDS) {
			seconds = (int64_t)field.value;
		} else if (field.tag == NANOS) {
			nanos = (int32_t)(uint32_t)field.value;
		}
	}
	*ret_ns = seconds < 0 || seconds > SECONDS_MAX || nanos < 0 || nanos > 999999999
			  ? 0
			  : (uint64_t)seconds * UINT64_C(1000000000) + (uint64_t)nanos;
	return !wire.is_malformed;
}

/* `size` bytes of hex, or half as many behind zeros. False: neither, or all zero. */
static bool read_id(struct weir_str hex, size_t size, uint8_t *ret)
{
	static const uint8_t zero[16];

	return (hex.length == 2 * size || (size == 16 && hex.length == 16)) && weir_hex_read(hex, ret, size) &&
	       memcmp(ret, zero, size) != 0;
}

bool weir_exemplar_read(struct weir_str message, struct weir_point *point)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	struct weir_str trace = { NULL, 0 }, span = { NULL, 0 };
	uint8_t trace_id[16], span_id[8];
	uint64_t bits = 0, time_ns = 0;
	bool is_ok = true;

	while (is_ok && weir_cursor_next(&wire, &field)) {
		struct weir_pair label;

		if (field.tag == LABEL) {
			is_ok = weir_pair_read(field.bytes, &label);
			if (is_ok && weir_str_is(label.key, "trace_id")) {
				trace = label.value;
			} else if (is_ok && weir_str_is(label.key, "span_id")) {
				span = label.value;
			}
		} else if (field.tag == VALUE) {
			bits = field.value;
		} else if (field.tag == TIMESTAMP) {
			is_ok = weir_exemplar_read_time(field.bytes, &time_ns);
		}
	}
	if (!is_ok || wire.is_malformed) {
		return false;
	}
	if (!read_id(trace, sizeof(trace_id), trace_id) ||
		((point->flags & WEIR_POINT_HAS_EXEMPLAR) != 0 && time_ns < point->exemplar_ns)) {
		return true;
	}
	point->flags |= WEIR_POINT_HAS_EXEMPLAR;
	memcpy(point->exemplar_trace, trace_id, sizeof(trace_id));
	memset(point->exemplar_span, 0, sizeof(point->exemplar_span));
	if (read_id(span, sizeof(span_id), span_id)) {
		memcpy(point->exemplar_span, span_id, sizeof(span_id));
	}
	memcpy(&point->exemplar_value, &bits, sizeof(bits));
	point->exemplar_ns = time_ns;
	return true;
}

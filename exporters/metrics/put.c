/* put: protobuf written forward, into room that was reserved before; see the header.
 *
 * Pure. */
#include "exporters/metrics/put.h"

char *weir_put_varint(char *at, uint64_t value)
{
	while (value >= 0x80) {
		*at++ = (char)(value | 0x80);
		value >>= 7;
	}
	*at++ = (char)value;
	return at;
}

size_t weir_put_varint_length(uint64_t value)
{
	size_t length = 1;

	while (value >= 0x80) {
		value >>= 7;
		length++;
	}
	return length;
}

char *weir_put_key(char *at, unsigned field, unsigned kind)
{
	return weir_put_varint(at, field << 3 | kind);
}

char *weir_put_number(char *at, unsigned field, uint64_t value)
{
	return weir_put_varint(weir_put_key(at, field, WEIR_PUT_VARINT), value);
}

char *weir_put_signed(char *at, unsigned field, int64_t value)
{
	return weir_put_number(at, field, (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0));
}

char *weir_put_double(char *at, unsigned field, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	at = weir_put_key(at, field, WEIR_PUT_DOUBLE);
	for (unsigned i = 0; i < 8; i++) {
		*at++ = (char)(bits >> 8 * i);
	}
	return at;
}

char *weir_put_bytes(char *at, unsigned field, const void *data, size_t length)
{
	at = weir_put_varint(weir_put_key(at, field, WEIR_PUT_BYTES), length);
	memcpy(at, data, length);
	return at + length;
}

char *weir_put_timestamp(char *at, unsigned field, uint64_t time_ns)
{
	char data[2 * WEIR_PUT_VARINT_MOST + 2], *end = weir_put_number(data, 1, time_ns / 1000000000);

	if (time_ns % 1000000000 != 0) {
		end = weir_put_number(end, 2, time_ns % 1000000000);
	}
	return weir_put_bytes(at, field, data, (size_t)(end - data));
}

/* ---- labels -------------------------------------------------------------- */

/* The quote that ends the value at `at`; counts its escapes. NULL: there is none. */
static const char *value_end(const char *at, const char *end, size_t *ret_escapes)
{
	const char *quote = memchr(at, '"', (size_t)(end - at));

	*ret_escapes = 0;
	if (quote == NULL || memchr(at, '\\', (size_t)(quote - at)) == NULL) {
		return quote;
	}
	for (; at < end && *at != '"'; at++) {
		if (*at == '\\') {
			++*ret_escapes;
			at++;
		}
	}
	return at < end ? at : NULL;
}

static char *put_unescaped(char *at, const char *from, const char *end)
{
	for (; from < end; from++) {
		char c = *from;

		if (c == '\\' && from + 1 < end) {
			c = *++from;
			c = c == 'n' ? '\n' : c;
		}
		*at++ = c;
	}
	return at;
}

/* Each label of `a="b",c="d"` as a LabelPair. The text is the rules' own: what
 * is not of this form ends it. */
char *weir_put_labels(char *at, struct weir_str labels)
{
	const char *from = labels.data, *end = labels.data + labels.length;

	while (from < end) {
		const char *equals = memchr(from, '=', (size_t)(end - from)), *value, *quote;
		size_t name, length, escapes;

		if (equals == NULL || equals + 1 >= end || equals[1] != '"') {
			return at;
		}
		value = equals + 2;
		quote = value_end(value, end, &escapes);
		if (quote == NULL) {
			return at;
		}
		name = (size_t)(equals - from);
		length = (size_t)(quote - value) - escapes;
		at = weir_put_key(at, 1, WEIR_PUT_BYTES);
		at = weir_put_varint(
			at, 2 + weir_put_varint_length(name) + name + weir_put_varint_length(length) + length);
		at = weir_put_bytes(at, 1, from, name);
		at = weir_put_varint(weir_put_key(at, 2, WEIR_PUT_BYTES), length);
		at = escapes == 0 ? (char *)memcpy(at, value, length) + length : put_unescaped(at, value, quote);
		from = quote + 2; /* behind the comma */
	}
	return at;
}

/* A label's keys and lengths take six bytes where the text has `=`, two quotes and a comma; a length that does not fit
 * into one byte stands for more than a hundred of text. */
size_t weir_put_labels_room(struct weir_str labels)
{
	return 2 * labels.length + 16;
}

/* ---- exemplars ----------------------------------------------------------- */

static char *put_label_hex(char *at, const char *name, const uint8_t *bytes, size_t length)
{
	static const char hex[] = "0123456789abcdef";
	char pair[64], *end = weir_put_bytes(pair, 1, name, strlen(name));

	end = weir_put_varint(weir_put_key(end, 2, WEIR_PUT_BYTES), 2 * length);
	for (size_t i = 0; i < length; i++) {
		*end++ = hex[bytes[i] >> 4];
		*end++ = hex[bytes[i] & 15];
	}
	return weir_put_bytes(at, 1, pair, (size_t)(end - pair));
}

char *weir_put_exemplar(char *at, unsigned field, const struct weir_exemplar_view *exemplar)
{
	static const uint8_t none[8];
	char data[WEIR_PUT_EXEMPLAR_MOST], *end;

	if (exemplar == NULL) {
		return at;
	}
	end = put_label_hex(data, "trace_id", exemplar->trace_id, sizeof(exemplar->trace_id));
	if (memcmp(exemplar->span_id, none, sizeof(none)) != 0) {
		end = put_label_hex(end, "span_id", exemplar->span_id, sizeof(exemplar->span_id));
	}
	end = weir_put_double(end, 2, exemplar->value);
	end = weir_put_timestamp(end, 3, exemplar->time_ns);
	return weir_put_bytes(at, field, data, (size_t)(end - data));
}

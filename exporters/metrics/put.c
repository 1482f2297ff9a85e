/* put: protobuf written forward, into room that was reserved before; see the header.
 *
 * Pure. */
#include "exporters/metrics/put.h"

#include "base/hex.h"

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

/* A pair of less than 128 bytes, as nearly all are: every key and length is one byte. */
static char *put_short_pair(char *at, struct weir_str name, const char *value, size_t length)
{
	*at++ = 1 << 3 | WEIR_PUT_BYTES;
	*at++ = (char)(4 + name.length + length);
	*at++ = 1 << 3 | WEIR_PUT_BYTES;
	*at++ = (char)name.length;
	memcpy(at, name.data, name.length);
	at += name.length;
	*at++ = 2 << 3 | WEIR_PUT_BYTES;
	*at++ = (char)length;
	memcpy(at, value, length);
	return at + length;
}

static char *put_pair(char *at, struct weir_str name, const char *value, const char *quote, size_t escapes)
{
	size_t length = (size_t)(quote - value) - escapes;
	size_t pair = 2 + weir_put_varint_length(name.length) + name.length + weir_put_varint_length(length) + length;

	at = weir_put_varint(weir_put_key(at, 1, WEIR_PUT_BYTES), pair);
	at = weir_put_bytes(at, 1, name.data, name.length);
	at = weir_put_varint(weir_put_key(at, 2, WEIR_PUT_BYTES), length);
	return put_unescaped(at, value, quote);
}

char *weir_put_labels(char *at, struct weir_str labels)
{
	const char *from = labels.data, *end = labels.data + labels.length;
	bool has_escapes = labels.length > 0 && memchr(labels.data, '\\', labels.length) != NULL;

	while (from < end) {
		const char *equals = memchr(from, '=', (size_t)(end - from)), *quote;
		struct weir_str name;
		size_t escapes = 0;

		if (equals == NULL || end - equals < 3 || equals[1] != '"') {
			return at;
		}
		quote = has_escapes ? value_end(equals + 2, end, &escapes)
				    : memchr(equals + 2, '"', (size_t)(end - equals) - 2);
		if (quote == NULL) {
			return at;
		}
		name = weir_str_make(from, (size_t)(equals - from));
		if (escapes == 0 && quote - from < 120) {
			at = put_short_pair(at, name, equals + 2, (size_t)(quote - equals) - 2);
		} else {
			at = put_pair(at, name, equals + 2, quote, escapes);
		}
		from = quote + 1 < end ? quote + 2 : end; /* behind the comma */
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
	char pair[64], *end = weir_put_bytes(pair, 1, name, strlen(name));

	end = weir_put_varint(weir_put_key(end, 2, WEIR_PUT_BYTES), 2 * length);
	end = weir_hex_write(end, bytes, length);
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

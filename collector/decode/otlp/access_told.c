/* access_told: what one access log record tells, by word.
 *
 * Envoy's format strings always give text, other loggers numbers as well; both
 * are read. Only text that lies in the body is taken: what had to be repaired
 * is no name that anyone else would spell the same way.
 *
 * One thread: the listener's. */
#include "decode/otlp/access_told.h"

#include "decode/address.h"
#include "decode/wire.h"

#define NS_PER_MS 1000000.0

void weir_access_told_init(struct weir_access_told *told, const struct weir_draft *draft, const struct weir_log *log)
{
	const struct weir_attr *attrs = draft->attrs.data;

	*told = (struct weir_access_told){ .draft = draft };
	for (uint32_t i = 0; i < log->attr_count; i++) {
		const struct weir_attr *attr = &attrs[log->attr_first + i];
		enum weir_access_word word = weir_access_word_of(weir_draft_str(draft, attr->key));

		if (word != WEIR_ACCESS_WORDS) {
			told->by[word] = attr;
		}
	}
}

struct weir_str weir_access_told_text(const struct weir_access_told *told, enum weir_access_word word)
{
	const struct weir_attr *attr = told->by[word];
	const struct weir_draft *draft = told->draft;
	struct weir_str text = { NULL, 0 };

	if (attr == NULL || attr->type != WEIR_ATTR_STRING) {
		return text;
	}
	text = weir_draft_str(draft, attr->value.text);
	if (weir_str_is(text, "-") || text.data < draft->body.data ||
		text.data >= draft->body.data + draft->body.length) {
		return weir_str_make(NULL, 0);
	}
	return text;
}

bool weir_access_told_number(const struct weir_access_told *told, enum weir_access_word word, uint64_t *ret)
{
	const struct weir_attr *attr = told->by[word];
	unsigned long long number;

	if (attr != NULL && attr->type == WEIR_ATTR_INT && attr->value.number >= 0) {
		*ret = (uint64_t)attr->value.number;
		return true;
	}
	if (weir_str_to_u64(weir_access_told_text(told, word), &number) != 0) {
		return false;
	}
	*ret = number;
	return true;
}

uint64_t weir_access_told_count(const struct weir_access_told *told, enum weir_access_word word)
{
	uint64_t number = 0;

	return weir_access_told_number(told, word, &number) ? number : 0;
}

/* Envoy counts milliseconds; "0.5s", "3.2ms" and "7us" say what they count. */
uint64_t weir_access_told_duration_ns(const struct weir_access_told *told)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "", NS_PER_MS }, { "ms", NS_PER_MS }, { "s", 1e9 }, { "us", 1e3 }, { "ns", 1 } };
	const struct weir_attr *attr = told->by[WEIR_ACCESS_DURATION];
	struct weir_str text = weir_access_told_text(told, WEIR_ACCESS_DURATION);
	double whole = 0, scale = 0;
	size_t at = 0;

	if (attr != NULL && (attr->type == WEIR_ATTR_INT || attr->type == WEIR_ATTR_DOUBLE)) {
		whole = attr->type == WEIR_ATTR_INT ? (double)attr->value.number : attr->value.real;
		return whole > 0 && whole < 1e12 ? (uint64_t)(whole * NS_PER_MS + 0.5) : 0;
	}
	for (; at < text.length && at < 24; at++) {
		if (text.data[at] >= '0' && text.data[at] <= '9') {
			whole = whole * 10 + (text.data[at] - '0');
			scale *= 10;
		} else if (text.data[at] == '.' && scale == 0) {
			scale = 1;
		} else {
			break;
		}
	}
	for (size_t i = 0; at > 0 && i < sizeof(units) / sizeof(units[0]); i++) {
		if (weir_str_is(weir_str_make(text.data + at, text.length - at), units[i].unit)) {
			whole = whole * units[i].ns / (scale > 0 ? scale : 1) + 0.5;
			return whole < 1e18 ? (uint64_t)whole : 0;
		}
	}
	return 0;
}

static size_t varint_put(char *at, uint64_t value)
{
	size_t length = 0;

	for (; value >= 0x80; value >>= 7) {
		at[length++] = (char)(value | 0x80);
	}
	at[length++] = (char)value;
	return length;
}

/* Address { 1 SocketAddress { 2 address, 3 port } }, which is how an entry holds them. */
struct weir_str weir_access_told_address_make(struct weir_draft *draft, struct weir_str host, uint32_t port)
{
	char inner[128], *at, *begin;
	size_t length = 0;

	if (host.length == 0 || host.length > 100) {
		return weir_str_make(NULL, 0);
	}
	inner[length++] = 2 << 3 | WEIR_WIRE_BYTES;
	length += varint_put(inner + length, host.length);
	memcpy(inner + length, host.data, host.length);
	length += host.length;
	inner[length++] = 3 << 3 | WEIR_WIRE_VARINT;
	length += varint_put(inner + length, port);
	begin = at = weir_arena_alloc(draft->arena, length + 4);
	if (at == NULL) {
		draft->is_exhausted = true;
		return weir_str_make(NULL, 0);
	}
	*at++ = 1 << 3 | WEIR_WIRE_BYTES;
	at += varint_put(at, length);
	memcpy(at, inner, length);
	return weir_str_make(begin, (size_t)(at - begin) + length);
}

/* "10.0.0.1:80" and "[::1]:80"; port 0 when there is none. */
struct weir_str weir_access_told_address(struct weir_draft *draft, struct weir_str text, uint32_t *ret_port)
{
	struct weir_address address = { 0 };
	size_t length = text.length;

	*ret_port = 0;
	if (length == 0 || !weir_address_parse(text, &address)) {
		return weir_str_make(NULL, 0);
	}
	*ret_port = address.port;
	while (address.port != 0 && text.data[--length] != ':') {
	}
	if (length > 2 && text.data[0] == '[' && text.data[length - 1] == ']') {
		return weir_access_told_address_make(draft, weir_str_make(text.data + 1, length - 2), address.port);
	}
	return weir_access_told_address_make(draft, weir_str_make(text.data, length), address.port);
}

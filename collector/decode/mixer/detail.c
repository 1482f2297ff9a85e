/* detail: the rest of a bag.
 *
 *   attribute                      becomes
 *   without a slot: string         <name>, STRING
 *   … int, bool, double            <name>, INT, BOOL, DOUBLE
 *   … timestamp, duration          <name>, INT, in nanoseconds (since 1970)
 *   … bytes of a name in `.ip`     <name>, STRING, the address as text
 *   … other bytes                  <name>, BYTES
 *   … map                          <name>.<key>, STRING, each of its pairs
 *   request.headers                request.headers.<key>, less what the request itself says
 *   response.headers               response.headers.<key>, less :status
 *   request.size, response.size    the same, INT, when the record has the total instead
 *   request.url_path               the same, when it is not the path's own beginning
 *   api.protocol                   the same
 *   source.ip or destination.ip    the same, STRING, the address as text, of the reporter's own end: the record
 *                                  has the peer's
 *   check.cache_hit, quota.…       the same, BOOL, when true
 *
 * Invariants
 *  1. What has a field in the record is no attribute beside it.
 *  2. The key of a header is made once a word, whatever the number of bags.
 *
 * One thread: the listener whose draft it is. */
#include "decode/mixer/detail.h"

#include "base/ip.h"
#include "base/utf8.h"

enum { REQUEST, RESPONSE };

enum { /* where the dictionary has the names */
	SOURCE_IP = 0,
	RESPONSE_SIZE = 27,
	REQUEST_SIZE = 23,
	DESTINATION_IP = 150,
	API_PROTOCOL = 162,
	CHECK_CACHE_HIT = 172,
	QUOTA_CACHE_HIT = 173,
	REQUESTED_SERVER_NAME = 202,
	REQUEST_URL_PATH = 203,
};

/* ---- rows --------------------------------------------------------------- */

static struct weir_attr *attr_add(struct weir_draft *draft, struct weir_ref key, enum weir_attr_type type)
{
	struct weir_attr *attr = weir_draft_row(draft, &draft->attrs);

	if (attr != NULL) {
		attr->key = key;
		attr->type = (uint32_t)type;
		attr->padding = 0;
	}
	return attr;
}

void weir_detail_string(struct weir_draft *draft, struct weir_ref key, struct weir_ref text)
{
	struct weir_attr *attr = attr_add(draft, key, WEIR_ATTR_STRING);

	if (attr != NULL) {
		attr->value.text = text;
	}
}

void weir_detail_int(struct weir_draft *draft, struct weir_ref key, int64_t number)
{
	struct weir_attr *attr = attr_add(draft, key, WEIR_ATTR_INT);

	if (attr != NULL) {
		attr->value.number = number;
	}
}

/* ---- keys --------------------------------------------------------------- */

/* `<name><key>`, the key made valid. */
static struct weir_ref key_make(struct weir_draft *draft, struct weir_str name, struct weir_str key)
{
	char *at = weir_draft_reserve(draft, name.length + 3 * key.length);
	size_t used = key.length;

	if (at == NULL) {
		return (struct weir_ref){ 0, 0 };
	}
	memcpy(at, name.data, name.length);
	if (key.length > 0 && weir_utf8_is_valid(key)) {
		memcpy(at + name.length, key.data, key.length);
	} else if (key.length > 0) {
		draft->replaced_utf8++;
		used = weir_utf8_repair(key, at + name.length);
	}
	return weir_draft_commit(draft, name.length + used);
}

static struct weir_ref header_key(struct weir_draft *draft, struct weir_word *word, unsigned which)
{
	static const struct weir_str prefixes[] = {
		[REQUEST] = { "request.headers.", 16 }, [RESPONSE] = { "response.headers.", 17 }
	};

	if (word->keys[which].length == 0) {
		word->keys[which] = key_make(draft, prefixes[which], word->text);
	}
	return word->keys[which];
}

/* The name of a known attribute: the dictionary has it, once. */
static struct weir_ref name_of(struct weir_bag_reader *reader, uint32_t global)
{
	return weir_bag_ref(reader->draft, &reader->globals[global]);
}

/* ---- headers ------------------------------------------------------------ */

static void headers_find(
	const struct weir_bag_reader *reader, enum weir_words_slot slot, struct weir_word *ret[WEIR_WORDS_HEADERS])
{
	const struct weir_bag_pair *pairs;
	uint32_t count;

	memset(ret, 0, WEIR_WORDS_HEADERS * sizeof(ret[0]));
	if (!weir_bag_has(&reader->bag, slot)) {
		return;
	}
	pairs = weir_bag_map(reader, &reader->bag.values[slot], &count);
	for (uint32_t i = 0; i < count; i++) {
		struct weir_word *key = pairs[i].key;

		if (__builtin_expect(key->header == WEIR_WORDS_HEADER_UNRESOLVED, 0)) {
			key->header = weir_words_header(key->text);
		}
		ret[key->header] = pairs[i].value;
	}
}

void weir_detail_find(const struct weir_bag_reader *reader, struct weir_detail_headers *ret)
{
	headers_find(reader, WEIR_WORDS_REQUEST_HEADERS, ret->requests);
	headers_find(reader, WEIR_WORDS_RESPONSE_HEADERS, ret->responses);
}

/* Is the header's value in the record already? The slot is the attribute that
 * went there; without the attribute the header itself did. */
static bool is_told(const struct weir_bag *bag, enum weir_words_slot slot, const struct weir_word *value)
{
	const struct weir_word *word = weir_bag_word(bag, slot);

	return word == NULL || word == value || weir_str_equal(word->text, value->text);
}

static bool is_request_header_told(const struct weir_bag *bag, const struct weir_bag_pair *pair)
{
	switch (pair->key->header) {
	case WEIR_WORDS_HEADER_OTHER:
		return false;
	case WEIR_WORDS_HEADER_METHOD:
		return is_told(bag, WEIR_WORDS_REQUEST_METHOD, pair->value);
	case WEIR_WORDS_HEADER_PATH:
		return is_told(bag, WEIR_WORDS_REQUEST_PATH, pair->value);
	case WEIR_WORDS_HEADER_AUTHORITY:
		return is_told(bag, WEIR_WORDS_REQUEST_HOST, pair->value);
	case WEIR_WORDS_HEADER_USER_AGENT:
		return is_told(bag, WEIR_WORDS_REQUEST_USER_AGENT, pair->value);
	case WEIR_WORDS_HEADER_REQUEST_ID:
		return is_told(bag, WEIR_WORDS_REQUEST_ID, pair->value);
	default:
		return false;
	}
}

static void add_headers(struct weir_bag_reader *reader, enum weir_words_slot slot, unsigned which)
{
	struct weir_draft *draft = reader->draft;
	const struct weir_bag *bag = &reader->bag;
	const struct weir_bag_pair *pairs;
	uint32_t count;

	if (!weir_bag_has(bag, slot)) {
		return;
	}
	pairs = weir_bag_map(reader, &bag->values[slot], &count);
	for (uint32_t i = 0; i < count; i++) {
		bool is_needless = which == REQUEST ? is_request_header_told(bag, &pairs[i])
						    : pairs[i].key->header == WEIR_WORDS_HEADER_STATUS;

		if (!is_needless) {
			weir_detail_string(
				draft, header_key(draft, pairs[i].key, which), weir_bag_ref(draft, pairs[i].value));
		}
	}
}

/* ---- the others --------------------------------------------------------- */

static char *octet_write(char *at, uint8_t octet)
{
	if (octet >= 100) {
		*at++ = (char)('0' + octet / 100);
	}
	if (octet >= 10) {
		*at++ = (char)('0' + octet / 10 % 10);
	}
	*at++ = (char)('0' + octet % 10);
	return at;
}

/* 4 or 16 bytes as text; else unset. IPv4 is in nearly every bag. */
static struct weir_ref address_text(struct weir_draft *draft, struct weir_str bytes)
{
	char text[WEIR_IP_TEXT_MAX], *at = text;
	struct weir_address address;

	if (bytes.length != 4 && bytes.length != 16) {
		return (struct weir_ref){ 0, 0 };
	}
	weir_bag_address(bytes, 0, &address);
	if (!weir_ip_is_v4(address.ip)) {
		weir_ip_write(address.ip, text);
		return weir_draft_copy(draft, weir_str_of(text));
	}
	for (unsigned i = 12; i < 16; i++) {
		at = octet_write(at, address.ip[i]);
		*at++ = '.';
	}
	return weir_draft_copy(draft, weir_str_make(text, (size_t)(at - text) - 1));
}

/* The reporter's own address. */
static void add_own_address(struct weir_bag_reader *reader)
{
	const struct weir_bag *bag = &reader->bag;
	bool is_source = weir_str_is(weir_bag_text(bag, WEIR_WORDS_REPORTER_KIND), "outbound");
	enum weir_words_slot slot = is_source ? WEIR_WORDS_SOURCE_IP : WEIR_WORDS_DESTINATION_IP;
	struct weir_ref text;

	if (weir_bag_has(bag, slot)) {
		text = address_text(reader->draft, bag->values[slot].bytes);
		if (text.length > 0) {
			weir_detail_string(
				reader->draft, name_of(reader, is_source ? SOURCE_IP : DESTINATION_IP), text);
		}
	}
}

static void add_bytes(struct weir_draft *draft, struct weir_ref name, struct weir_str bytes)
{
	struct weir_ref text = { 0, 0 };
	struct weir_attr *attr;

	if (weir_str_ends_with(weir_draft_str(draft, name), ".ip")) {
		text = address_text(draft, bytes);
	}
	if (text.length > 0) {
		weir_detail_string(draft, name, text);
		return;
	}
	attr = attr_add(draft, name, WEIR_ATTR_BYTES);
	if (attr != NULL) {
		attr->value.text = weir_draft_copy(draft, bytes);
	}
}

static void add_map(struct weir_bag_reader *reader, struct weir_ref name, const union weir_bag_value *value)
{
	struct weir_draft *draft = reader->draft;
	const struct weir_bag_pair *pairs;
	uint32_t count;

	pairs = weir_bag_map(reader, value, &count);
	for (uint32_t i = 0; i < count; i++) {
		/* The name and the dot may move with the pool: copied for each. */
		size_t length = name.length;
		char *at = weir_draft_reserve(draft, length + 1 + 3 * pairs[i].key->text.length);
		struct weir_str key = pairs[i].key->text;

		if (at == NULL) {
			return;
		}
		memcpy(at, weir_draft_str(draft, name).data, length);
		at[length] = '.';
		if (key.length > 0 && weir_utf8_is_valid(key)) {
			memcpy(at + length + 1, key.data, key.length);
			length += key.length;
		} else if (key.length > 0) {
			draft->replaced_utf8++;
			length += weir_utf8_repair(key, at + length + 1);
		}
		weir_detail_string(draft, weir_draft_commit(draft, length + 1), weir_bag_ref(draft, pairs[i].value));
	}
}

static void add_extra(struct weir_bag_reader *reader, uint32_t extra)
{
	struct weir_draft *draft = reader->draft;
	const union weir_bag_value *value = &reader->bag.values[WEIR_WORDS_EXTRA + extra];
	struct weir_ref name = reader->extra_names[extra];
	struct weir_attr *attr;

	switch ((enum weir_words_type)reader->bag.types[extra]) {
	case WEIR_WORDS_STRING:
		weir_detail_string(draft, name, weir_bag_ref(draft, value->word));
		break;
	case WEIR_WORDS_INT:
		weir_detail_int(draft, name, value->number);
		break;
	case WEIR_WORDS_BOOL:
		attr = attr_add(draft, name, WEIR_ATTR_BOOL);
		if (attr != NULL) {
			attr->value.number = value->number;
		}
		break;
	case WEIR_WORDS_DOUBLE:
		attr = attr_add(draft, name, WEIR_ATTR_DOUBLE);
		if (attr != NULL) {
			attr->value.real = value->real;
		}
		break;
	case WEIR_WORDS_TIME:
	case WEIR_WORDS_DURATION:
		weir_detail_int(draft, name, (int64_t)value->ns);
		break;
	case WEIR_WORDS_BYTES:
		add_bytes(draft, name, value->bytes);
		break;
	case WEIR_WORDS_MAP:
		add_map(reader, name, value);
		break;
	}
}

/* A true one of Mixer's own remarks; that nothing was remembered goes without saying. */
static void add_hit(struct weir_bag_reader *reader, enum weir_words_slot slot, uint32_t name)
{
	const struct weir_bag *bag = &reader->bag;
	struct weir_attr *attr;

	if (weir_bag_has(bag, slot) && bag->values[slot].number != 0) {
		attr = attr_add(reader->draft, name_of(reader, name), WEIR_ATTR_BOOL);
		if (attr != NULL) {
			attr->value.number = 1;
		}
	}
}

/* The body's size, where the record has it with its headers. */
static void add_size(
	struct weir_bag_reader *reader, enum weir_words_slot slot, enum weir_words_slot total, uint32_t name)
{
	const struct weir_bag *bag = &reader->bag;

	if (weir_bag_has(bag, slot) && weir_bag_has(bag, total) &&
		weir_bag_count(bag, slot) != weir_bag_count(bag, total)) {
		weir_detail_int(reader->draft, name_of(reader, name), (int64_t)weir_bag_count(bag, slot));
	}
}

/* The path without its query says nothing new. */
static bool is_path_told(const struct weir_bag *bag)
{
	struct weir_str path = weir_bag_text(bag, WEIR_WORDS_REQUEST_PATH);
	struct weir_str url_path = weir_bag_text(bag, WEIR_WORDS_REQUEST_URL_PATH);

	return url_path.length == 0 ||
	       (url_path.length <= path.length && memcmp(path.data, url_path.data, url_path.length) == 0 &&
		       (path.length == url_path.length || path.data[url_path.length] == '?' ||
			       path.data[url_path.length] == '#'));
}

void weir_detail_add(struct weir_bag_reader *reader, const struct weir_detail_headers *headers)
{
	const struct weir_bag *bag = &reader->bag;
	struct weir_draft *draft = reader->draft;

	if (headers != NULL) {
		add_headers(reader, WEIR_WORDS_REQUEST_HEADERS, REQUEST);
		add_headers(reader, WEIR_WORDS_RESPONSE_HEADERS, RESPONSE);
		add_size(reader, WEIR_WORDS_REQUEST_SIZE, WEIR_WORDS_REQUEST_TOTAL, REQUEST_SIZE);
		add_size(reader, WEIR_WORDS_RESPONSE_SIZE, WEIR_WORDS_RESPONSE_TOTAL, RESPONSE_SIZE);
		if (!is_path_told(bag)) {
			weir_detail_string(draft, name_of(reader, REQUEST_URL_PATH),
				weir_bag_text_ref(draft, bag, WEIR_WORDS_REQUEST_URL_PATH));
		}
		if (weir_bag_has(bag, WEIR_WORDS_CONNECTION_SNI)) {
			weir_detail_string(draft, name_of(reader, REQUESTED_SERVER_NAME),
				weir_bag_text_ref(draft, bag, WEIR_WORDS_CONNECTION_SNI));
		}
	}
	add_own_address(reader);
	if (weir_bag_has(bag, WEIR_WORDS_API_PROTOCOL)) {
		weir_detail_string(
			draft, name_of(reader, API_PROTOCOL), weir_bag_text_ref(draft, bag, WEIR_WORDS_API_PROTOCOL));
	}
	add_hit(reader, WEIR_WORDS_CHECK_CACHE_HIT, CHECK_CACHE_HIT);
	add_hit(reader, WEIR_WORDS_QUOTA_CACHE_HIT, QUOTA_CACHE_HIT);
	for (uint64_t left = bag->extra; left != 0; left &= left - 1) {
		add_extra(reader, (uint32_t)__builtin_ctzll(left));
	}
}

/* path_template: paths whose number a mesh can bear as label values.
 *
 *   /users/4711/orders?page=2                          /users/{id}/orders
 *   /v1/items/3f2c9a52-11aa-4c0e-9d7f-6f1f0a2b3c4d     /v1/items/{id}
 *   /blobs/9f86d081884c7d65                            /blobs/{id}
 *   /reports/2026-11-23                                /reports/{id}
 *   /reset/eyJhbGciOiJIUzI1NiIsInR5cCI6                /reset/{id}
 *
 * This is a guess by shape, and errs towards `{id}`: a route that is merged with
 * another costs less than a series for each customer. Words stay words, `v1` too.
 *
 * Invariants
 *  1. The result is at most WEIR_LABEL_VALUE_MAX bytes, of at most
 *     WEIR_PATH_SEGMENTS_MAX segments and one `…`, and valid UTF-8 if the path was.
 *  2. The template of a template is the template. */
#include "rules/ruleset/path_template.h"

#include "base/hex.h"
#include "rules/label.h"

static const char ellipsis[] = "\xe2\x80\xa6";

#define ELLIPSIS_BYTES 4u /* with its slash */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_uuid(struct weir_str segment)
{
	for (size_t i = 0; i < segment.length; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_dash ? segment.data[i] != '-' : weir_hex_digit(segment.data[i]) < 0) {
			return false;
		}
	}
	return segment.length == 36;
}

static bool is_id(struct weir_str segment)
{
	size_t digits = 0, hex = 0, between = 0;

	for (size_t i = 0; i < segment.length; i++) {
		char c = segment.data[i];

		digits += is_digit(c);
		hex += weir_hex_digit(c) >= 0;
		between += c == '-' || c == '_' || c == '.' || c == ':' || c == ',';
	}
	return digits > 0 &&
	       (digits + between == segment.length || is_uuid(segment) ||
		       (hex == segment.length && segment.length >= 16) || segment.length > WEIR_PATH_LONG_SEGMENT);
}

static struct weir_str without_query(struct weir_str path)
{
	for (size_t i = 0; i < path.length; i++) {
		if (path.data[i] == '?' || path.data[i] == '#') {
			return weir_str_make(path.data, i);
		}
	}
	return path;
}

struct weir_str weir_path_template(struct weir_str path, struct weir_scratch *scratch)
{
	struct weir_str rest = without_query(path);
	size_t length = 0;
	char *out;

	if (path.length == 0 || path.data[0] != '/') {
		return path;
	}
	out = weir_scratch_take(scratch, WEIR_LABEL_VALUE_MAX);
	if (out == NULL) {
		return weir_str_make(NULL, 0);
	}
	weir_str_cut(&rest, '/');
	/* cut leaves data NULL behind the last segment: `/a/` has an empty one at its end, which stays. */
	for (unsigned i = 0; i == 0 || rest.data != NULL; i++) {
		struct weir_str segment = weir_str_cut(&rest, '/');

		if (is_id(segment)) {
			segment = weir_str_of("{id}");
		}
		if (i == WEIR_PATH_SEGMENTS_MAX ||
			length + 1 + segment.length > WEIR_LABEL_VALUE_MAX - (rest.data != NULL ? ELLIPSIS_BYTES : 0)) {
			segment = weir_str_of(ellipsis);
			rest = weir_str_make(NULL, 0);
		}
		out[length++] = '/';
		memcpy(out + length, segment.length > 0 ? segment.data : "", segment.length);
		length += segment.length;
	}
	return weir_str_make(out, length);
}

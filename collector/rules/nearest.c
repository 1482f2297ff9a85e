/* nearest: which attribute somebody may have meant; see attribute.h. */
#include "rules/attribute.h"

#define NAME_MAX_BYTES 64u
#define FAR 4u /* more changes than that are another name */

/* How many characters must go, come or change between the two (Levenshtein's
 * distance), row by row; both are at most NAME_MAX_BYTES long. */
static unsigned distance(struct weir_str a, struct weir_str b)
{
	unsigned row[NAME_MAX_BYTES + 1];

	for (unsigned j = 0; j <= b.length; j++) {
		row[j] = j;
	}
	for (unsigned i = 1; i <= a.length; i++) {
		unsigned corner = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= b.length; j++) {
			unsigned changed = corner + (a.data[i - 1] != b.data[j - 1]);
			unsigned other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

			corner = row[j];
			row[j] = changed < other ? changed : other;
		}
	}
	return row[b.length];
}

const char *weir_attribute_nearest(struct weir_str name)
{
	size_t allowed = name.length / 5;
	const char *nearest = NULL;
	unsigned least;

	allowed = allowed < 1 ? 1 : allowed > FAR ? FAR : allowed;
	least = (unsigned)allowed + 1;
	for (unsigned i = 0; i < WEIR_ATTRIBUTES && name.length <= NAME_MAX_BYTES; i++) {
		struct weir_str other = weir_str_of(weir_attribute_name((enum weir_attribute)i));
		unsigned away = other.length <= NAME_MAX_BYTES ? distance(name, other) : least;

		if (away < least) {
			least = away;
			nearest = other.data;
		}
	}
	return nearest;
}

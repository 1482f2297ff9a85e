/* label: label texts and names of the Prometheus formats.
 *
 * Invariants
 *  1. What comes out needs no further escaping between the braces.
 *  2. A value is at most WEIR_LABEL_VALUE_MAX bytes before escaping: a sender
 *     does not decide how large a scrape is.
 *
 * Any thread; no state. */
#include "rules/label.h"

#include "base/utf8.h"

void weir_label_escape(struct weir_buf *text, struct weir_str value, bool has_quotes)
{
	size_t done = 0;

	for (size_t i = 0; i < value.length; i++) {
		char c = value.data[i];

		if (c != '\\' && c != '\n' && (c != '"' || !has_quotes)) {
			continue;
		}
		weir_buf_add(text, value.data + done, i - done);
		weir_buf_add_char(text, '\\');
		weir_buf_add_char(text, c == '\n' ? 'n' : c);
		done = i + 1;
	}
	if (done < value.length) {
		weir_buf_add(text, value.data + done, value.length - done);
	}
}

bool weir_label_add(struct weir_buf *text, struct weir_str name, struct weir_str value)
{
	if (text->length > 0) {
		weir_buf_add_char(text, ',');
	}
	weir_buf_add_str(text, name);
	weir_buf_add(text, "=\"", 2);
	weir_label_escape(text, weir_utf8_cut(value, WEIR_LABEL_VALUE_MAX), true);
	weir_buf_add_char(text, '"');
	return value.length > WEIR_LABEL_VALUE_MAX;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name(char c, bool keeps_colon)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || (keeps_colon && c == ':');
}

void weir_label_add_name(struct weir_buf *text, struct weir_str name, enum weir_label_style style, bool keeps_colon)
{
	bool was_filler = false;

	if (text->length == 0 && name.length > 0 && is_digit(name.data[0])) {
		weir_buf_add_char(text, '_');
	}
	for (size_t i = 0; i < name.length; i++) {
		bool is_filler = !is_name(name.data[i], keeps_colon);

		if (!is_filler) {
			weir_buf_add_char(text, name.data[i]);
		} else if (!was_filler || style == WEIR_LABEL_PLAIN) {
			weir_buf_add_char(text, '_');
		}
		was_filler = is_filler;
	}
}

/* label_text: the reading half of label.h: what stands between a line's
 * braces, and in a series' labels.
 *
 *   text  = [ label { "," label } ]      label = name "=" '"' value '"'
 *   value   escaped: `\\`, `\"`, `\n`
 *
 * Any thread; no state. */
#include "rules/label_text.h"

#include <errno.h>

/* The bytes before the closing quote; all, when there is none. */
static size_t quoted_length(struct weir_str text)
{
	const char *quote = memchr(text.data, '"', text.length);
	size_t length = 0;

	if (quote == NULL) {
		return text.length;
	}
	if (memchr(text.data, '\\', (size_t)(quote - text.data)) == NULL) {
		return (size_t)(quote - text.data);
	}
	while (length < text.length && text.data[length] != '"') {
		length += text.data[length] == '\\' ? 2 : 1;
	}
	return length < text.length ? length : text.length;
}

int weir_label_text_next(struct weir_str *text, struct weir_label_text *ret_label)
{
	struct weir_str rest = *text, name;
	size_t length;

	if (rest.length == 0 || rest.data[0] == '}') {
		return 0;
	}
	name = weir_str_cut(&rest, '=');
	if (name.length == 0 || rest.length < 2 || rest.data[0] != '"') {
		return -EINVAL;
	}
	rest = weir_str_make(rest.data + 1, rest.length - 1);
	length = quoted_length(rest);
	if (length == rest.length) {
		return -EINVAL;
	}
	*ret_label = (struct weir_label_text){ name, weir_str_make(rest.data, length) };
	length += length + 1 < rest.length && rest.data[length + 1] == ',' ? 2 : 1;
	*text = weir_str_make(rest.data + length, rest.length - length);
	return 1;
}

struct weir_str weir_label_text_unescape(struct weir_buf *room, struct weir_str value)
{
	size_t begin = room->length;

	if (value.length == 0 || memchr(value.data, '\\', value.length) == NULL) {
		return value;
	}
	for (size_t i = 0; i < value.length; i++) {
		char c = value.data[i];

		if (c == '\\' && i + 1 < value.length) {
			c = value.data[++i] == 'n' ? '\n' : value.data[i];
		}
		weir_buf_add_char(room, c);
	}
	return weir_buf_error(room) != 0 ? weir_str_make(NULL, 0)
					 : weir_str_make(room->data + begin, room->length - begin);
}

size_t weir_label_text_length(struct weir_str value)
{
	size_t length = 0;

	if (value.length == 0 || memchr(value.data, '\\', value.length) == NULL) {
		return value.length;
	}
	for (size_t i = 0; i < value.length; i++) {
		i += value.data[i] == '\\';
		length++;
	}
	return length;
}

/* yaml_read: libyaml's events, reduced to those that weir takes.
 *
 *   stream start, document start   passed over
 *   a second document start        MALFORMED; DOCUMENT, as the first, where several are taken
 *   alias; any anchor or tag       MALFORMED
 *   mapping or sequence start/end  MAP, LIST, CLOSE (depth counted)
 *   scalar                         TEXT
 *   document end                   passed over; what follows is the stream's end, or a document
 *   stream end                     END
 *
 * The event last handed out owns its text until the next call. One reader, one
 * thread. */
#include "base/yaml_read.h"

#include <errno.h>
#include <stdlib.h>

#include <yaml.h>

struct weir_yaml {
	yaml_parser_t parser;
	struct weir_str text; /* without a mark of the byte order */
	yaml_event_t event;   /* what the text last handed out points into */
	bool has_event, is_ended, has_document, takes_all;
	unsigned depth;
	const char *error;
	size_t error_line, error_column;
};

int weir_yaml_open(struct weir_str text, struct weir_yaml **ret)
{
	struct weir_yaml *yaml = calloc(1, sizeof(*yaml));

	if (yaml == NULL) {
		return -ENOMEM;
	}
	if (yaml_parser_initialize(&yaml->parser) == 0) {
		free(yaml);
		return -ENOMEM;
	}
	yaml->text = weir_str_starts_with(text, "\xef\xbb\xbf") ? weir_str_make(text.data + 3, text.length - 3) : text;
	yaml_parser_set_encoding(&yaml->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&yaml->parser,
		(const unsigned char *)(yaml->text.length > 0 ? yaml->text.data : ""), yaml->text.length);
	*ret = yaml;
	return 0;
}

int weir_yaml_open_all(struct weir_str text, struct weir_yaml **ret)
{
	int r = weir_yaml_open(text, ret);

	if (r == 0) {
		(*ret)->takes_all = true;
	}
	return r;
}

void weir_yaml_close(struct weir_yaml *yaml)
{
	if (yaml != NULL) {
		if (yaml->has_event) {
			yaml_event_delete(&yaml->event);
		}
		yaml_parser_delete(&yaml->parser);
		free(yaml);
	}
}

static int malformed(struct weir_yaml *yaml, const char *sentence, yaml_mark_t mark)
{
	yaml->error = sentence;
	yaml->error_line = mark.line + 1;
	yaml->error_column = mark.column + 1;
	return WEIR_YAML_MALFORMED;
}

/* Where the text's byte stands: libyaml's reader is ahead of its marks, and knows the byte only. */
static yaml_mark_t mark_of(struct weir_str text, size_t offset)
{
	yaml_mark_t mark = { 0 };

	for (size_t i = 0; i < offset && i < text.length; i++) {
		if (text.data[i] == '\n') {
			mark.line++;
			mark.column = 0;
		} else {
			mark.column += ((unsigned char)text.data[i] & 0xc0) != 0x80;
		}
	}
	return mark;
}

/* What libyaml found; its problem texts are static. */
static int parser_failed(struct weir_yaml *yaml)
{
	const yaml_parser_t *parser = &yaml->parser;

	switch (parser->error) {
	case YAML_MEMORY_ERROR:
		return -ENOMEM;
	case YAML_READER_ERROR:
		return malformed(yaml, parser->problem, mark_of(yaml->text, parser->problem_offset));
	default:
		return malformed(yaml, parser->problem, parser->problem_mark);
	}
}

static bool is_null_text(const yaml_event_t *event)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	struct weir_str text = { (const char *)event->data.scalar.value, event->data.scalar.length };

	if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
		return false;
	}
	for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++) {
		if (weir_str_is(text, nulls[i])) {
			return true;
		}
	}
	return false;
}

static int open_collection(struct weir_yaml *yaml, enum weir_yaml_kind kind, bool is_plain, struct weir_yaml_event *ret)
{
	if (!is_plain) {
		return malformed(yaml, "anchors and tags are not taken here", yaml->event.start_mark);
	}
	if (yaml->depth == WEIR_YAML_DEPTH) {
		return malformed(yaml, "nested too deeply", yaml->event.start_mark);
	}
	yaml->depth++;
	ret->kind = kind;
	return 0;
}

/* 0 and *ret_is_passed_over, when the caller has no use for the event. */
static int take_event(struct weir_yaml *yaml, struct weir_yaml_event *ret, bool *ret_is_passed_over)
{
	const yaml_event_t *event = &yaml->event;

	*ret_is_passed_over = false;
	switch (event->type) {
	case YAML_MAPPING_START_EVENT:
		return open_collection(yaml, WEIR_YAML_MAP,
			event->data.mapping_start.anchor == NULL && event->data.mapping_start.tag == NULL, ret);
	case YAML_SEQUENCE_START_EVENT:
		return open_collection(yaml, WEIR_YAML_LIST,
			event->data.sequence_start.anchor == NULL && event->data.sequence_start.tag == NULL, ret);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		yaml->depth--;
		ret->kind = WEIR_YAML_CLOSE;
		return 0;
	case YAML_SCALAR_EVENT:
		if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL) {
			return malformed(yaml, "anchors and tags are not taken here", event->start_mark);
		}
		ret->kind = WEIR_YAML_TEXT;
		ret->text = (struct weir_str){ (const char *)event->data.scalar.value, event->data.scalar.length };
		ret->is_null = is_null_text(event);
		return 0;
	case YAML_ALIAS_EVENT:
		return malformed(yaml, "aliases are not taken here", event->start_mark);
	case YAML_STREAM_END_EVENT:
		yaml->is_ended = true;
		ret->kind = WEIR_YAML_END;
		return 0;
	case YAML_DOCUMENT_START_EVENT:
		if (yaml->takes_all) {
			ret->kind = WEIR_YAML_DOCUMENT;
			return 0;
		}
		if (yaml->has_document) {
			return malformed(yaml, "only one document is taken here", event->start_mark);
		}
		yaml->has_document = true;
		break;
	default: /* the stream's start, a document's end */
		break;
	}
	*ret_is_passed_over = true;
	return 0;
}

int weir_yaml_next(struct weir_yaml *yaml, struct weir_yaml_event *ret)
{
	bool is_passed_over = true;
	int r = yaml->error != NULL ? WEIR_YAML_MALFORMED : 0;

	*ret = (struct weir_yaml_event){ .kind = WEIR_YAML_END };
	while (r == 0 && !yaml->is_ended && is_passed_over) {
		if (yaml->has_event) {
			yaml_event_delete(&yaml->event);
			yaml->has_event = false;
		}
		if (yaml_parser_parse(&yaml->parser, &yaml->event) == 0) {
			r = parser_failed(yaml);
			break;
		}
		yaml->has_event = true;
		ret->line = yaml->event.start_mark.line + 1;
		ret->column = yaml->event.start_mark.column + 1;
		r = take_event(yaml, ret, &is_passed_over);
	}
	if (r == WEIR_YAML_MALFORMED) {
		ret->text = weir_str_of(yaml->error);
		ret->line = yaml->error_line;
		ret->column = yaml->error_column;
	}
	return r;
}

/* ---- places within scalars ---------------------------------------------- */

static struct weir_str line_at(struct weir_str text, size_t line)
{
	struct weir_str found = weir_str_cut(&text, '\n');

	while (--line > 0) {
		found = weir_str_cut(&text, '\n');
	}
	return found;
}

/* The byte of the line's character `column` (from 1), or its end: libyaml counts characters. */
static size_t byte_of(struct weir_str line, size_t column)
{
	size_t at = 0;

	while (at < line.length && --column > 0) {
		do {
			at++;
		} while (at < line.length && ((unsigned char)line.data[at] & 0xc0) == 0x80);
	}
	return at;
}

/* How many characters of the source stand for the next one of a quoted value. */
static size_t quoted_length(struct weir_str rest, char quote)
{
	if (rest.length > 1 && quote == '\'' && rest.data[0] == '\'' && rest.data[1] == '\'') {
		return 2;
	}
	if (rest.length > 1 && quote == '"' && rest.data[0] == '\\') {
		size_t length = rest.data[1] == 'x' ? 4 : rest.data[1] == 'u' ? 6 : rest.data[1] == 'U' ? 10 : 2;

		return length <= rest.length ? length : rest.length;
	}
	return 1;
}

static struct weir_yaml_place find_in_block(
	struct weir_str text, struct weir_yaml_place scalar, struct weir_yaml_place within, bool is_literal)
{
	struct weir_yaml_place place = { scalar.line + (is_literal ? within.line : 1), 1 };
	struct weir_str line = line_at(text, place.line), first = line_at(text, scalar.line + 1);
	size_t indent = 0;

	while (indent < first.length && first.data[indent] == ' ') {
		indent++;
	}
	place.column = indent + (is_literal && line.length > indent ? within.column : 1);
	return place;
}

struct weir_yaml_place weir_yaml_find(
	struct weir_str text, struct weir_yaml_place scalar, struct weir_yaml_place within)
{
	struct weir_str line = line_at(text, scalar.line);
	size_t at = byte_of(line, scalar.column), column = scalar.column;
	char first = at < line.length ? line.data[at] : '\0';

	if (first == '|' || first == '>') {
		return find_in_block(text, scalar, within, first == '|');
	}
	if (first != '"' && first != '\'') {
		return (struct weir_yaml_place){ scalar.line,
			scalar.column + (within.line > 1 ? 0 : within.column - 1) };
	}
	at++;
	column++;
	for (size_t i = 1; i < within.column && within.line == 1 && at < line.length; i++) {
		struct weir_str rest = weir_str_make(line.data + at, line.length - at);
		size_t length = quoted_length(rest, first);

		at += length > 1 ? length : byte_of(rest, 2);
		column += length;
	}
	return (struct weir_yaml_place){ scalar.line, column };
}

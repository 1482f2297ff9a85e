/* conf_file: what a YAML file says about the keys.
 *
 *   END | nothing            an empty file
 *   map of                   sections, each known and at most once
 *     nothing | map of       keys, each known and at most once in the file
 *       text | list          the value
 *
 * Anything else is refused with its line and column. Main thread, at the start. */
#include "base/conf_load.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/yaml_read.h"

#define FILE_MAX_BYTES (1u << 20)

struct reading {
	struct weir_conf_loading *loading;
	const char *path;
	bool is_in_file[WEIR_CONF_ROWS], has_section[WEIR_CONF_ROWS]; /* has_section: at a section's first row */
};

/* The section's first row, or NULL. */
static const struct weir_conf_row *section_find(struct weir_str section)
{
	for (size_t i = 0; i < WEIR_CONF_ROWS; i++) {
		if (weir_str_is(section, weir_conf_rows[i].section)) {
			return &weir_conf_rows[i];
		}
	}
	return NULL;
}

static int file_bad(struct reading *reading, const struct weir_yaml_event *event, const char *section, const char *key,
	struct weir_str sentence)
{
	weir_buf_addf(reading->loading->why, "%s:%zu:%zu: ", reading->path, event->line, event->column);
	if (section != NULL) {
		weir_buf_addf(
			reading->loading->why, "%s%s%s: ", section, key != NULL ? "." : "", key != NULL ? key : "");
	}
	weir_buf_add_str(reading->loading->why, sentence);
	return WEIR_CONF_BAD;
}

/* The next event; what is not YAML is BAD. */
static int file_next(struct reading *reading, struct weir_yaml *yaml, struct weir_yaml_event *ret)
{
	int r = weir_yaml_next(yaml, ret);

	return r == WEIR_YAML_MALFORMED ? file_bad(reading, ret, NULL, NULL, ret->text) : r;
}

static int file_unknown(
	struct reading *reading, const struct weir_yaml_event *event, const char *section, const char *sentence)
{
	weir_buf_addf(reading->loading->why, "%s:%zu:%zu: ", reading->path, event->line, event->column);
	if (section != NULL) {
		weir_buf_addf(reading->loading->why, "%s.", section);
	}
	weir_conf_add_quoted(reading->loading->why, event->text);
	weir_buf_addf(reading->loading->why, ": %s", sentence);
	return WEIR_CONF_BAD;
}

static int file_list(
	struct reading *reading, struct weir_yaml *yaml, const struct weir_conf_row *row, struct weir_yaml_event *event)
{
	const char *items[WEIR_CONF_LIST_MAX];
	struct weir_conf_list list = { .items = items };
	struct weir_yaml_event opened = *event;
	int r;

	while ((r = file_next(reading, yaml, event)) == 0 && event->kind != WEIR_YAML_CLOSE) {
		struct weir_str item = event->text;

		if (event->kind != WEIR_YAML_TEXT || event->is_null || memchr(item.data, '\0', item.length) != NULL) {
			return file_bad(
				reading, event, row->section, row->key, weir_str_of("a list of texts stands here"));
		}
		if (list.count == WEIR_CONF_LIST_MAX) {
			return file_bad(reading, event, row->section, row->key, weir_str_of("more than 64 items"));
		}
		item = weir_arena_copy(reading->loading->arena, item);
		if (item.data == NULL) {
			return -ENOMEM;
		}
		items[list.count++] = item.data;
	}
	if (r != 0) {
		return r;
	}
	weir_buf_clear(&reading->loading->sentence);
	r = weir_conf_value_set_list(
		row, &list, reading->loading->arena, &reading->loading->conf, &reading->loading->sentence);
	return r == WEIR_CONF_BAD
		       ? file_bad(reading, &opened, row->section, row->key, weir_buf_str(&reading->loading->sentence))
		       : r;
}

static int file_value(struct reading *reading, struct weir_yaml *yaml, const struct weir_conf_row *row)
{
	struct weir_yaml_event event;
	int r = file_next(reading, yaml, &event);

	if (r != 0) {
		return r;
	}
	if (event.kind == WEIR_YAML_LIST && row->type == WEIR_CONF_IS_list) {
		return file_list(reading, yaml, row, &event);
	}
	if (event.kind != WEIR_YAML_TEXT) {
		return file_bad(reading, &event, row->section, row->key, weir_str_of("one value stands here"));
	}
	if (event.is_null) {
		return file_bad(reading, &event, row->section, row->key,
			weir_str_of("no value; leave the key out for its default"));
	}
	r = weir_conf_loading_set(reading->loading, row, event.text);
	return r == WEIR_CONF_BAD
		       ? file_bad(reading, &event, row->section, row->key, weir_buf_str(&reading->loading->sentence))
		       : r;
}

/* The keys of one section, whose name was just read. */
static int file_section(struct reading *reading, struct weir_yaml *yaml, const char *section)
{
	struct weir_yaml_event event;
	int r = file_next(reading, yaml, &event);

	if (r != 0 || (event.kind == WEIR_YAML_TEXT && event.is_null)) {
		return r; /* nothing in it, as in the sample file */
	}
	if (event.kind != WEIR_YAML_MAP) {
		return file_bad(reading, &event, section, NULL, weir_str_of("a section holds keys and their values"));
	}
	while ((r = file_next(reading, yaml, &event)) == 0 && event.kind != WEIR_YAML_CLOSE) {
		const struct weir_conf_row *row;

		if (event.kind != WEIR_YAML_TEXT) {
			return file_bad(reading, &event, section, NULL, weir_str_of("a key stands here"));
		}
		row = weir_conf_row_find(weir_str_of(section), event.text);
		if (row == NULL) {
			return file_unknown(reading, &event, section, "unknown key");
		}
		if (reading->is_in_file[row - weir_conf_rows]) {
			return file_unknown(reading, &event, section, "the key stands here twice");
		}
		reading->is_in_file[row - weir_conf_rows] = true;
		r = file_value(reading, yaml, row);
		if (r != 0) {
			return r;
		}
	}
	return r;
}

static int file_settings(struct reading *reading, struct weir_yaml *yaml)
{
	struct weir_yaml_event event;
	int r = file_next(reading, yaml, &event);

	if (r != 0 || event.kind == WEIR_YAML_END || (event.kind == WEIR_YAML_TEXT && event.is_null)) {
		return r != 0 || event.kind == WEIR_YAML_END ? r : file_next(reading, yaml, &event);
	}
	if (event.kind != WEIR_YAML_MAP) {
		return file_bad(
			reading, &event, NULL, NULL, weir_str_of("the file holds sections, each with its keys"));
	}
	while ((r = file_next(reading, yaml, &event)) == 0 && event.kind != WEIR_YAML_CLOSE) {
		const struct weir_conf_row *first;

		if (event.kind != WEIR_YAML_TEXT) {
			return file_bad(reading, &event, NULL, NULL, weir_str_of("a section's name stands here"));
		}
		first = section_find(event.text);
		if (first == NULL) {
			return file_unknown(reading, &event, NULL, "unknown section");
		}
		if (reading->has_section[first - weir_conf_rows]) {
			return file_unknown(reading, &event, NULL, "the section stands here twice");
		}
		reading->has_section[first - weir_conf_rows] = true;
		r = file_section(reading, yaml, first->section);
		if (r != 0) {
			return r;
		}
	}
	return r != 0 ? r : file_next(reading, yaml, &event); /* nothing follows, or it says what */
}

/* The whole file into `text`; 0, BAD or -ENOMEM. */
static int file_read(struct reading *reading, struct weir_buf *text)
{
	int fd = open(reading->path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : weir_file_read(fd, FILE_MAX_BYTES, text);

	if (fd >= 0) {
		close(fd);
	}
	if (r == 0 || r == -ENOMEM) {
		return r;
	}
	weir_buf_addf(reading->loading->why, "%s: %s", reading->path, r == -EFBIG ? "larger than 1 MiB" : strerror(-r));
	return WEIR_CONF_BAD;
}

int weir_conf_file_load(struct weir_conf_loading *loading, const char *path)
{
	struct reading reading = { .loading = loading, .path = path };
	struct weir_yaml *yaml = NULL;
	struct weir_buf text;
	int r;

	weir_buf_init(&text, 0);
	r = file_read(&reading, &text);
	if (r == 0) {
		r = weir_yaml_open(weir_buf_str(&text), &yaml);
	}
	if (r == 0) {
		r = file_settings(&reading, yaml);
	}
	weir_yaml_close(yaml);
	weir_buf_fini(&text);
	return r;
}

/* conf: one table of keys, four sources.
 *
 *   conf.def --> rows --> default --> file --> environment --> flags --> *ret_conf
 *
 * Every source hands (row, text, place) to one function; whatever is wrong is
 * said with its place and ends the loading:
 *
 *   weir.yaml:7:9: ring.size: out of range: from 1MiB to 16GiB
 *   WEIR_RING_SIZE: out of range: from 1MiB to 16GiB
 *   --ring.size: out of range: from 1MiB to 16GiB
 *
 * Invariants
 *  1. *ret_conf is written only when everything was right.
 *  2. A file names a key or a section at most once; of two equal flags the
 *     later one wins, so that a script can append.
 *  3. A name that looks like ours and means nothing is refused: a misspelt key
 *     must not silently keep its default. Variables for tests, and those that
 *     Kubernetes sets in a pod for a Service called `weir`, are passed over.
 *
 * Main thread, before any other runs (it reads the environment). */
#include "base/conf.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/conf_value.h"
#include "base/err.h"
#include "base/yaml_read.h"

#define FILE_MAX_BYTES (1u << 20)
#define NAME_MAX_BYTES 128u

#define WEIR_CONF(section, key, type, value, low, high, range, sentence)                                               \
	{ #section, #key, WEIR_CONF_IS_##type, value, low, high, range, sentence,                                      \
		offsetof(struct weir_conf, section##_##key) },
static const struct weir_conf_row rows[] = {
#include "base/conf.def"
};
#undef WEIR_CONF

#define ROWS (sizeof(rows) / sizeof(rows[0]))

struct loading {
	struct weir_arena *arena;
	struct weir_conf conf;
	struct weir_buf *why;
	struct weir_buf sentence; /* what is wrong with a value, before its place is known */
	const char *path;
	bool is_in_file[ROWS], has_section[ROWS]; /* has_section: at a section's first row */
};

/* ---- rows ---------------------------------------------------------------- */

static const struct weir_conf_row *section_find(struct weir_str section)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (weir_str_is(section, rows[i].section)) {
			return &rows[i];
		}
	}
	return NULL;
}

static const struct weir_conf_row *row_find(struct weir_str section, struct weir_str key)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (weir_str_is(section, rows[i].section) && weir_str_is(key, rows[i].key)) {
			return &rows[i];
		}
	}
	return NULL;
}

static void variable_name(const struct weir_conf_row *row, char name[NAME_MAX_BYTES])
{
	int n = snprintf(name, NAME_MAX_BYTES, "WEIR_%s_%s", row->section, row->key);

	weir_assert(n > 0 && (size_t)n < NAME_MAX_BYTES);
	for (; *name != '\0'; name++) {
		*name = (char)toupper((unsigned char)*name);
	}
}

/* ---- values and complaints ----------------------------------------------- */

/* What an operator wrote is shown, but not all of it, and on one line. */
static void add_quoted(struct weir_buf *why, struct weir_str text)
{
	size_t length = text.length < 64 ? text.length : 64;

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text.data[i];

		weir_buf_add_char(why, c < 0x20 || c == 0x7f ? '?' : (char)c);
	}
	if (length < text.length) {
		weir_buf_add_text(why, "...");
	}
}

static int value_set(struct loading *loading, const struct weir_conf_row *row, struct weir_str text)
{
	weir_buf_clear(&loading->sentence);
	return weir_conf_value_set(row, text, loading->arena, &loading->conf, &loading->sentence);
}

static int file_bad(struct loading *loading, const struct weir_yaml_event *event, const char *section, const char *key,
	struct weir_str sentence)
{
	weir_buf_addf(loading->why, "%s:%zu:%zu: ", loading->path, event->line, event->column);
	if (section != NULL) {
		weir_buf_addf(loading->why, "%s%s%s: ", section, key != NULL ? "." : "", key != NULL ? key : "");
	}
	weir_buf_add_str(loading->why, sentence);
	return WEIR_CONF_BAD;
}

/* ---- the file ------------------------------------------------------------ */

/* The next event; what is not YAML is BAD. */
static int file_next(struct loading *loading, struct weir_yaml *yaml, struct weir_yaml_event *ret)
{
	int r = weir_yaml_next(yaml, ret);

	return r == WEIR_YAML_MALFORMED ? file_bad(loading, ret, NULL, NULL, ret->text) : r;
}

static int file_unknown(
	struct loading *loading, const struct weir_yaml_event *event, const char *section, const char *sentence)
{
	weir_buf_addf(loading->why, "%s:%zu:%zu: ", loading->path, event->line, event->column);
	if (section != NULL) {
		weir_buf_addf(loading->why, "%s.", section);
	}
	add_quoted(loading->why, event->text);
	weir_buf_addf(loading->why, ": %s", sentence);
	return WEIR_CONF_BAD;
}

static int file_list(
	struct loading *loading, struct weir_yaml *yaml, const struct weir_conf_row *row, struct weir_yaml_event *event)
{
	const char *items[WEIR_CONF_LIST_MAX];
	struct weir_conf_list list = { .items = items };
	struct weir_yaml_event opened = *event;
	int r;

	while ((r = file_next(loading, yaml, event)) == 0 && event->kind != WEIR_YAML_CLOSE) {
		struct weir_str item = event->text;

		if (event->kind != WEIR_YAML_TEXT || event->is_null || memchr(item.data, '\0', item.length) != NULL) {
			return file_bad(
				loading, event, row->section, row->key, weir_str_of("a list of texts stands here"));
		}
		if (list.count == WEIR_CONF_LIST_MAX) {
			return file_bad(loading, event, row->section, row->key, weir_str_of("more than 64 items"));
		}
		item = weir_arena_copy(loading->arena, item);
		if (item.data == NULL) {
			return -ENOMEM;
		}
		items[list.count++] = item.data;
	}
	if (r != 0) {
		return r;
	}
	weir_buf_clear(&loading->sentence);
	r = weir_conf_value_set_list(row, &list, loading->arena, &loading->conf, &loading->sentence);
	return r == WEIR_CONF_BAD ? file_bad(loading, &opened, row->section, row->key, weir_buf_str(&loading->sentence))
				  : r;
}

static int file_value(struct loading *loading, struct weir_yaml *yaml, const struct weir_conf_row *row)
{
	struct weir_yaml_event event;
	int r = file_next(loading, yaml, &event);

	if (r != 0) {
		return r;
	}
	if (event.kind == WEIR_YAML_LIST && row->type == WEIR_CONF_IS_list) {
		return file_list(loading, yaml, row, &event);
	}
	if (event.kind != WEIR_YAML_TEXT) {
		return file_bad(loading, &event, row->section, row->key, weir_str_of("one value stands here"));
	}
	if (event.is_null) {
		return file_bad(loading, &event, row->section, row->key,
			weir_str_of("no value; leave the key out for its default"));
	}
	r = value_set(loading, row, event.text);
	return r == WEIR_CONF_BAD ? file_bad(loading, &event, row->section, row->key, weir_buf_str(&loading->sentence))
				  : r;
}

/* The keys of one section, whose name was just read. */
static int file_section(struct loading *loading, struct weir_yaml *yaml, const char *section)
{
	struct weir_yaml_event event;
	int r = file_next(loading, yaml, &event);

	if (r != 0 || (event.kind == WEIR_YAML_TEXT && event.is_null)) {
		return r; /* nothing in it, as in the sample file */
	}
	if (event.kind != WEIR_YAML_MAP) {
		return file_bad(loading, &event, section, NULL, weir_str_of("a section holds keys and their values"));
	}
	while ((r = file_next(loading, yaml, &event)) == 0 && event.kind != WEIR_YAML_CLOSE) {
		const struct weir_conf_row *row;

		if (event.kind != WEIR_YAML_TEXT) {
			return file_bad(loading, &event, section, NULL, weir_str_of("a key stands here"));
		}
		row = row_find(weir_str_of(section), event.text);
		if (row == NULL) {
			return file_unknown(loading, &event, section, "unknown key");
		}
		if (loading->is_in_file[row - rows]) {
			return file_unknown(loading, &event, section, "the key stands here twice");
		}
		loading->is_in_file[row - rows] = true;
		r = file_value(loading, yaml, row);
		if (r != 0) {
			return r;
		}
	}
	return r;
}

static int file_settings(struct loading *loading, struct weir_yaml *yaml)
{
	struct weir_yaml_event event;
	int r = file_next(loading, yaml, &event);

	if (r != 0 || event.kind == WEIR_YAML_END || (event.kind == WEIR_YAML_TEXT && event.is_null)) {
		return r != 0 || event.kind == WEIR_YAML_END ? r : file_next(loading, yaml, &event);
	}
	if (event.kind != WEIR_YAML_MAP) {
		return file_bad(
			loading, &event, NULL, NULL, weir_str_of("the file holds sections, each with its keys"));
	}
	while ((r = file_next(loading, yaml, &event)) == 0 && event.kind != WEIR_YAML_CLOSE) {
		const struct weir_conf_row *first;

		if (event.kind != WEIR_YAML_TEXT) {
			return file_bad(loading, &event, NULL, NULL, weir_str_of("a section's name stands here"));
		}
		first = section_find(event.text);
		if (first == NULL) {
			return file_unknown(loading, &event, NULL, "unknown section");
		}
		if (loading->has_section[first - rows]) {
			return file_unknown(loading, &event, NULL, "the section stands here twice");
		}
		loading->has_section[first - rows] = true;
		r = file_section(loading, yaml, first->section);
		if (r != 0) {
			return r;
		}
	}
	return r != 0 ? r : file_next(loading, yaml, &event); /* nothing follows, or it says what */
}

/* The whole file into `text`; 0, BAD or -ENOMEM. */
static int file_read(struct loading *loading, struct weir_buf *text)
{
	int fd = open(loading->path, O_RDONLY | O_CLOEXEC), r = 0;
	ssize_t n = fd < 0 ? -1 : 1;

	while (n > 0 && text->length <= FILE_MAX_BYTES) {
		char *at = weir_buf_reserve(text, 4096);

		if (at == NULL) {
			r = -ENOMEM;
			break;
		}
		n = read(fd, at, 4096);
		if (n > 0) {
			weir_buf_advance(text, (size_t)n);
		} else if (n < 0 && errno == EINTR) {
			n = 1;
		}
	}
	if (n < 0) {
		weir_buf_addf(loading->why, "%s: %s", loading->path, strerror(errno));
		r = WEIR_CONF_BAD;
	} else if (r == 0 && text->length > FILE_MAX_BYTES) {
		weir_buf_addf(loading->why, "%s: larger than 1 MiB", loading->path);
		r = WEIR_CONF_BAD;
	}
	if (fd >= 0) {
		close(fd);
	}
	return r;
}

static int load_file(struct loading *loading)
{
	struct weir_yaml *yaml = NULL;
	struct weir_buf text;
	int r;

	weir_buf_init(&text, 0);
	r = file_read(loading, &text);
	if (r == 0) {
		r = weir_yaml_open(weir_buf_str(&text), &yaml);
	}
	if (r == 0) {
		r = file_settings(loading, yaml);
	}
	weir_yaml_close(yaml);
	weir_buf_fini(&text);
	return r;
}

/* ---- the environment and the flags --------------------------------------- */

/* Does Kubernetes set this in each pod beside a Service whose name begins with
 * `weir` (WEIR_SERVICE_HOST, WEIR_PORT=tcp://…, WEIR_PORT_9411_TCP_ADDR)? */
static bool is_service_variable(struct weir_str name, const char *value)
{
	static const char *const schemes[] = { "tcp://", "udp://", "sctp://" };
	const char *at = memmem(name.data, name.length, "_PORT_", 6);

	if (weir_str_ends_with(name, "_SERVICE_HOST") || weir_str_ends_with(name, "_SERVICE_PORT") ||
		memmem(name.data, name.length, "_SERVICE_PORT_", 14) != NULL) {
		return true;
	}
	if (at != NULL && at + 6 < name.data + name.length && isdigit((unsigned char)at[6]) != 0) {
		return true;
	}
	for (size_t i = 0; weir_str_ends_with(name, "_PORT") && i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (weir_str_starts_with(weir_str_of(value), schemes[i])) {
			return true;
		}
	}
	return false;
}

static int load_variable(struct loading *loading, struct weir_str name, const char *value)
{
	char known[NAME_MAX_BYTES];
	int r;

	for (size_t i = 0; i < ROWS; i++) {
		variable_name(&rows[i], known);
		if (!weir_str_is(name, known)) {
			continue;
		}
		r = value_set(loading, &rows[i], weir_str_of(value));
		if (r == WEIR_CONF_BAD) {
			weir_buf_addf(loading->why, "%s: ", known);
			weir_buf_add_str(loading->why, weir_buf_str(&loading->sentence));
		}
		return r;
	}
	if (weir_str_starts_with(name, "WEIR_CRASH") || weir_str_starts_with(name, "WEIR_FAULT") ||
		weir_str_starts_with(name, "WEIR_TEST") || is_service_variable(name, value)) {
		return 0;
	}
	add_quoted(loading->why, name);
	weir_buf_add_text(loading->why, ": no key has this variable");
	return WEIR_CONF_BAD;
}

static int load_environment(struct loading *loading)
{
	int r = 0;

	for (char **at = environ; r == 0 && at != NULL && *at != NULL; at++) {
		const char *equals = strchr(*at, '=');

		if (equals != NULL && strncmp(*at, "WEIR_", 5) == 0) {
			r = load_variable(loading, weir_str_make(*at, (size_t)(equals - *at)), equals + 1);
		}
	}
	return r;
}

static int load_flag(struct loading *loading, const char *flag)
{
	struct weir_str value = weir_str_of(flag), name = weir_str_cut(&value, '='), key = name,
			section = weir_str_cut(&key, '.');
	const struct weir_conf_row *row = row_find(section, key);
	int r;

	if (row != NULL && value.data != NULL) {
		r = value_set(loading, row, value);
		if (r != WEIR_CONF_BAD) {
			return r;
		}
	}
	weir_buf_add_text(loading->why, "--");
	add_quoted(loading->why, name);
	weir_buf_add_text(loading->why, ": ");
	if (row == NULL) {
		weir_buf_add_text(loading->why, "unknown key");
	} else if (value.data == NULL) {
		weir_buf_add_text(loading->why, "no value; write --section.key=value");
	} else {
		weir_buf_add_str(loading->why, weir_buf_str(&loading->sentence));
	}
	return WEIR_CONF_BAD;
}

/* ---- all of it ----------------------------------------------------------- */

static int load_defaults(struct loading *loading)
{
	for (size_t i = 0; i < ROWS; i++) {
		int r = value_set(loading, &rows[i], weir_str_of(rows[i].value));

		weir_assert(r <= 0); /* the table is ours */
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

int weir_conf_load(struct weir_arena *arena, const char *path, const char *const *flags, size_t flag_count,
	struct weir_conf *ret_conf, struct weir_buf *ret_why)
{
	struct loading loading = { .arena = arena, .why = ret_why, .path = path };
	int r;

	weir_buf_init(&loading.sentence, 0);
	r = load_defaults(&loading);
	if (r == 0 && path != NULL) {
		r = load_file(&loading);
	}
	if (r == 0) {
		r = load_environment(&loading);
	}
	for (size_t i = 0; r == 0 && i < flag_count; i++) {
		r = load_flag(&loading, flags[i]);
	}
	weir_buf_fini(&loading.sentence);
	if (r == 0) {
		*ret_conf = loading.conf;
	}
	return r;
}

/* ---- what --help and the sample say -------------------------------------- */

void weir_conf_help(struct weir_buf *ret_text)
{
	static const char *const kinds[] = { "TEXT", "LIST", "SIZE", "TIME", "N", NULL };

	for (size_t i = 0; i < ROWS; i++) {
		const struct weir_conf_row *row = &rows[i];
		const char *kind = row->type == WEIR_CONF_IS_choice ? row->range : kinds[row->type];
		char flag[NAME_MAX_BYTES];

		snprintf(flag, sizeof(flag), "--%s.%s=%s", row->section, row->key, kind);
		weir_buf_addf(ret_text, "  %-30s  %s Default: %s.\n", flag, row->sentence,
			row->value[0] != '\0' ? row->value : "empty");
	}
}

static void sample_value(const struct weir_conf_row *row, struct weir_buf *text)
{
	struct weir_str rest = weir_str_of(row->value);

	if (row->type != WEIR_CONF_IS_list) {
		weir_buf_addf(text, row->type == WEIR_CONF_IS_text ? "\"%s\"" : "%s", row->value);
		return;
	}
	weir_buf_add_char(text, '[');
	while (rest.length > 0) {
		weir_buf_add_char(text, '"');
		weir_buf_add_str(text, weir_str_cut(&rest, ','));
		weir_buf_add_text(text, rest.length > 0 ? "\", " : "\"");
	}
	weir_buf_add_char(text, ']');
}

void weir_conf_sample(struct weir_buf *ret_text)
{
	weir_buf_add_text(ret_text, "# Every key with its default. A variable (WEIR_SECTION_KEY) wins over this\n"
				    "# file, a flag (--section.key=value) over both.\n");
	for (size_t i = 0; i < ROWS; i++) {
		const struct weir_conf_row *row = &rows[i];

		if (i == 0 || strcmp(row->section, rows[i - 1].section) != 0) {
			weir_buf_addf(ret_text, "\n%s:\n", row->section);
		}
		weir_buf_addf(ret_text, "  # %s", row->sentence);
		if (row->type == WEIR_CONF_IS_choice) {
			weir_buf_addf(ret_text, " One of %s.", row->range);
		} else if (row->type >= WEIR_CONF_IS_size && row->type <= WEIR_CONF_IS_count) {
			weir_buf_add_text(ret_text, " From ");
			weir_conf_value_write(row, row->low, ret_text);
			weir_buf_add_text(ret_text, " to ");
			weir_conf_value_write(row, row->high, ret_text);
			weir_buf_add_char(ret_text, '.');
		}
		weir_buf_addf(ret_text, "\n  #%s: ", row->key);
		sample_value(row, ret_text);
		weir_buf_add_char(ret_text, '\n');
	}
}

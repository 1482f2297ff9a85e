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
#include <stdio.h>
#include <unistd.h>

#include "base/conf_load.h"
#include "base/err.h"

#define NAME_MAX_BYTES 128u

static void variable_name(const struct weir_conf_row *row, char name[NAME_MAX_BYTES])
{
	int n = snprintf(name, NAME_MAX_BYTES, "WEIR_%s_%s", row->section, row->key);

	weir_assert(n > 0 && (size_t)n < NAME_MAX_BYTES);
	for (; *name != '\0'; name++) {
		*name = (char)toupper((unsigned char)*name);
	}
}

/* ---- values and complaints ----------------------------------------------- */

void weir_conf_add_quoted(struct weir_buf *why, struct weir_str text)
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

int weir_conf_loading_set(struct weir_conf_loading *loading, const struct weir_conf_row *row, struct weir_str text)
{
	weir_buf_clear(&loading->sentence);
	return weir_conf_value_set(row, text, loading->arena, &loading->conf, &loading->sentence);
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

static int load_variable(struct weir_conf_loading *loading, struct weir_str name, const char *value)
{
	char known[NAME_MAX_BYTES];
	int r;

	for (size_t i = 0; i < WEIR_CONF_ROWS; i++) {
		variable_name(&weir_conf_rows[i], known);
		if (!weir_str_is(name, known)) {
			continue;
		}
		r = weir_conf_loading_set(loading, &weir_conf_rows[i], weir_str_of(value));
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
	weir_conf_add_quoted(loading->why, name);
	weir_buf_add_text(loading->why, ": no key has this variable");
	return WEIR_CONF_BAD;
}

static int load_environment(struct weir_conf_loading *loading)
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

static int load_flag(struct weir_conf_loading *loading, const char *flag)
{
	struct weir_str value = weir_str_of(flag), name = weir_str_cut(&value, '='), key = name,
			section = weir_str_cut(&key, '.');
	const struct weir_conf_row *row = weir_conf_row_find(section, key);
	int r;

	if (row != NULL && value.data != NULL) {
		r = weir_conf_loading_set(loading, row, value);
		if (r != WEIR_CONF_BAD) {
			return r;
		}
	}
	weir_buf_add_text(loading->why, "--");
	weir_conf_add_quoted(loading->why, name);
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

static int load_defaults(struct weir_conf_loading *loading)
{
	for (size_t i = 0; i < WEIR_CONF_ROWS; i++) {
		int r = weir_conf_loading_set(loading, &weir_conf_rows[i], weir_str_of(weir_conf_rows[i].value));

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
	struct weir_conf_loading loading = { .arena = arena, .why = ret_why };
	int r;

	weir_buf_init(&loading.sentence, 0);
	r = load_defaults(&loading);
	if (r == 0 && path != NULL) {
		r = weir_conf_file_load(&loading, path);
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

	for (size_t i = 0; i < WEIR_CONF_ROWS; i++) {
		const struct weir_conf_row *row = &weir_conf_rows[i];
		const char *kind = row->type == WEIR_CONF_IS_choice ? row->range : kinds[row->type];
		char flag[NAME_MAX_BYTES];

		snprintf(flag, sizeof(flag), "--%s.%s=%s", row->section, row->key, kind);
		for (char *at = strchr(flag, ','); at != NULL; at = strchr(at, ',')) {
			*at = '|'; /* one of */
		}
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
	for (size_t i = 0; i < WEIR_CONF_ROWS; i++) {
		const struct weir_conf_row *row = &weir_conf_rows[i];

		if (i == 0 || strcmp(row->section, weir_conf_rows[i - 1].section) != 0) {
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

/* validate: the command; see the header.
 *
 *   weir check weir.yaml                     the configuration, certificates, the rules that it names
 *   weir check rules.yaml (or a folder)      a file whose first document has `kind` is rules: they, and flags
 *   weir check [FILE] --explain record.json  the same, and then what the rules make of the record
 */
#include "validate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "certificates.h"
#include "explain.h"
#include "pod_source.h"
#include "rules/ruleset.h"

#define CONF_CHUNK (16u << 10)
#define CONF_MAX (8u << 20)

static void print(FILE *stream, const struct weir_buf *text)
{
	if (text->length > 0) {
		fwrite(text->data, 1, text->length, stream);
	}
}

static int complain(const struct weir_buf *why, const char *otherwise)
{
	fprintf(stderr, "weir: %.*s\n", (int)why->length, why->length > 0 ? why->data : "");
	if (why->length == 0) {
		fprintf(stderr, "weir: %s\n", otherwise);
	}
	return EXIT_FAILURE;
}

static int rules_explain(const struct weir_ruleset *ruleset, const char *record)
{
	struct weir_buf text, why;
	int status = EXIT_SUCCESS;

	weir_buf_init(&text, 0);
	weir_buf_init(&why, 0);
	if (weir_explain(ruleset, record, &text, &why) != 0) {
		status = complain(&why, "the record cannot be read: out of memory");
	} else {
		print(stdout, &text);
	}
	weir_buf_fini(&text);
	weir_buf_fini(&why);
	return status;
}

static int rules_check(const struct weir_conf *conf, const char *rules_path, const char *record)
{
	const struct weir_ruleset_opts opts = { .paths = rules_path != NULL ? &rules_path : conf->metrics_rules.items,
		.path_count = rules_path != NULL ? 1 : conf->metrics_rules.count,
		.is_both = strcmp(conf->metrics_profile, "both") == 0 };
	const struct weir_ruleset *ruleset = NULL;
	struct weir_ruleset_error error;
	struct weir_str notes;
	int r = weir_ruleset_load(&opts, &ruleset, &error), status = EXIT_SUCCESS;

	if (r == WEIR_RULESET_WRONG) {
		fprintf(stderr, "weir: %s: %s\n", error.where, error.why);
		return EXIT_FAILURE;
	}
	if (r != 0) {
		fprintf(stderr, "weir: the rules cannot be loaded: %s\n", strerror(-r));
		return EXIT_FAILURE;
	}
	notes = weir_ruleset_notes(ruleset);
	if (notes.length > 0) {
		fwrite(notes.data, 1, notes.length, stdout);
	}
	if (record != NULL) {
		status = rules_explain(ruleset, record);
	}
	weir_ruleset_let_go(ruleset);
	return status;
}

int weir_validate(const struct weir_cli *cli)
{
	bool is_rules = cli->config != NULL && weir_ruleset_is_file_of_rules(cli->config);
	struct weir_arena arena;
	struct weir_conf conf;
	struct weir_buf why;
	int r, status;

	weir_arena_init(&arena, CONF_CHUNK, CONF_MAX);
	weir_buf_init(&why, 0);
	r = weir_conf_load(&arena, is_rules ? NULL : cli->config, cli->flags, cli->flag_count, &conf, &why);
	if (r == 0) {
		r = weir_certificates_check(&conf, &why);
		r = r != 0 ? r : weir_pod_source_check(&conf, &why);
	}
	status = r != 0 ? complain(&why, "the configuration cannot be read: out of memory")
			: rules_check(&conf, is_rules ? cli->config : NULL, cli->explain);
	if (status == EXIT_SUCCESS && cli->explain == NULL) {
		printf("%s: right\n", cli->config);
	}
	weir_buf_fini(&why);
	weir_arena_fini(&arena);
	return status;
}

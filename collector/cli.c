/* cli: reads argv; see the header. Keys are flags of one form, so a table of
 * options would only repeat conf.def. */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/conf.h"
#include "rules/attribute.h"

static int command_of(const char *text, enum weir_command *ret)
{
	static const char *const names[] = { "run", "check", "version", "sample", "attributes", "help" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum weir_command)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int complain(const char *what, const char *text)
{
	fprintf(stderr, "weir: %s: %s (see weir --help)\n", what, text);
	return -EINVAL;
}

static int flag_add(struct weir_cli *cli, char **flags, char *text)
{
	if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0) {
		cli->command = WEIR_COMMAND_HELP;
	} else if (strcmp(text, "--version") == 0) {
		cli->command = WEIR_COMMAND_VERSION;
	} else if (strncmp(text, "--config=", 9) == 0) {
		cli->config = text + 9;
	} else if (strncmp(text, "--explain=", 10) == 0 && cli->command == WEIR_COMMAND_CHECK) {
		cli->explain = text + 10;
	} else if (strncmp(text, "--", 2) == 0 && strchr(text, '=') != NULL) {
		flags[cli->flag_count++] = text + 2;
	} else {
		return complain("not an option", text);
	}
	return 0;
}

int weir_cli_parse(int argc, char **argv, struct weir_cli *ret)
{
	struct weir_cli cli = { .command = WEIR_COMMAND_RUN };
	char **flags = argv + 1; /* never ahead of what is being read */
	int at = 1;

	if (argc > 1 && argv[1][0] != '-') {
		if (command_of(argv[1], &cli.command) < 0) {
			return complain("not a command", argv[1]);
		}
		at = 2;
	}
	for (; at < argc; at++) {
		if (strcmp(argv[at], "--explain") == 0 && cli.command == WEIR_COMMAND_CHECK) {
			if (++at == argc) {
				return complain("which record?", "weir check --explain RECORD.json");
			}
			cli.explain = argv[at];
		} else if (argv[at][0] != '-' && cli.command == WEIR_COMMAND_CHECK && cli.config == NULL) {
			cli.config = argv[at];
		} else if (flag_add(&cli, flags, argv[at]) < 0) {
			return -EINVAL;
		}
	}
	if (cli.command == WEIR_COMMAND_CHECK && cli.config == NULL && cli.explain == NULL) {
		return complain("which file?", "weir check FILE");
	}
	cli.flags = (const char *const *)flags;
	*ret = cli;
	return 0;
}

void weir_cli_help(void)
{
	struct weir_buf text;

	weir_buf_init(&text, 0);
	weir_buf_add_text(&text,
		"weir: takes what a mesh's proxies say, keeps the newest of it, answers who asks.\n"
		"\n"
		"  weir [run] [--config=FILE] [--section.key=value …]   runs in the foreground (the default); SIGHUP reads rules,\n"
		"                                                       certificates and pods again\n"
		"  weir check FILE [--section.key=value …]              is this configuration right, and are its rules? A folder, or a file\n"
		"                                                       whose first document has `kind`, is rules (Mixer's). Ends with 0;\n"
		"                                                       with 1: it is wrong; with 2: the command line is\n"
		"  weir check [FILE] --explain RECORD.json [--…]        which rules match this record; which series count it, which lines it\n"
		"                                                       makes, and why not the others. A record is one object of attributes:\n"
		"                                                       {\"context.protocol\": \"http\", \"response.code\": 200,\n"
		"                                                       \"response.duration\": \"12ms\", \"source.labels\": {\"app\": \"shop\"}}\n"
		"  weir attributes                                      the attributes that rules and such a record may name, with their types\n"
		"  weir sample                                          a configuration file with every key and its default\n"
		"  weir version\n"
		"  weir --help\n"
		"\n"
		"Every key may stand in the file (section:, key:), in the environment\n"
		"(WEIR_SECTION_KEY) or as a flag (--section.key=value); the later of these wins.\n"
		"\n");
	weir_conf_help(&text);
	fwrite(text.data, 1, text.length, stdout);
	weir_buf_fini(&text);
}

void weir_cli_sample(void)
{
	struct weir_buf text;

	weir_buf_init(&text, 0);
	weir_conf_sample(&text);
	fwrite(text.data, 1, text.length, stdout);
	weir_buf_fini(&text);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(weir_attribute_name(*(const enum weir_attribute *)a),
		weir_attribute_name(*(const enum weir_attribute *)b));
}

void weir_cli_attributes(void)
{
	enum weir_attribute all[WEIR_ATTRIBUTES];

	for (unsigned i = 0; i < WEIR_ATTRIBUTES; i++) {
		all[i] = (enum weir_attribute)i;
	}
	qsort(all, WEIR_ATTRIBUTES, sizeof(all[0]), by_name);
	for (unsigned i = 0; i < WEIR_ATTRIBUTES; i++) {
		printf("%-40s %s\n", weir_attribute_name(all[i]), weir_type_name(weir_attribute_type(all[i])));
	}
}

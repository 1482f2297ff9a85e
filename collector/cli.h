/* cli: the command line: which command, which file, which flags. */
#ifndef WEIR_CLI_H
#define WEIR_CLI_H

#include <stddef.h>

enum weir_command {
	WEIR_COMMAND_RUN,
	WEIR_COMMAND_CHECK,
	WEIR_COMMAND_VERSION,
	WEIR_COMMAND_SAMPLE,
	WEIR_COMMAND_ATTRIBUTES,
	WEIR_COMMAND_HELP
};

struct weir_cli {
	enum weir_command command;
	const char *config;       /* the configuration file, or of `check` a file or folder of rules; NULL */
	const char *explain;      /* of `check`: the record to explain, or NULL */
	const char *const *flags; /* "section.key=value"; point into argv */
	size_t flag_count;
};

/* 0, or -EINVAL with one sentence on stderr. The result borrows argv, and
 * compacts the flags in it. */
int weir_cli_parse(int argc, char **argv, struct weir_cli *ret);

/* `--help`, `sample` and `attributes`, to stdout. */
void weir_cli_help(void);
void weir_cli_sample(void);
void weir_cli_attributes(void);

#endif

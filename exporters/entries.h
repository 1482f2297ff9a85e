/* entries: log entries that rules make (logentry instances with a stdio
 * handler), written to stdout, stderr or files. */
#ifndef WEIR_EXPORTERS_ENTRIES_H
#define WEIR_EXPORTERS_ENTRIES_H

#include "rules/ruleset.h"

struct weir_entries;

/* Opens the outputs of these rules and starts the thread that writes. -errno:
 * an output cannot be opened (*ret_which names it), no memory, no thread. */
int weir_entries_start(const struct weir_ruleset *ruleset, const char **ret_which, struct weir_entries **ret_entries);
/* Writes what was taken, then ends. NULL is nothing. */
void weir_entries_stop(struct weir_entries *entries);

/* Other rules: their outputs are opened, or the old ones go on (-errno, *ret_which). */
int weir_entries_rules(struct weir_entries *entries, const struct weir_ruleset *ruleset, const char **ret_which);

/* For weir_run_opts.watch: takes the lines that this record makes. Never waits
 * for an output: what does not fit the buffer is dropped and counted. */
void weir_entries_watch(void *entries, const struct weir_rules_record *record);

#endif

/* rule_files: the files that rules stand in: read whole, bounded, in a fixed order. */
#ifndef WEIR_RULES_RULE_FILES_H
#define WEIR_RULES_RULE_FILES_H

#include "rules/documents/document.h"

#define WEIR_RULE_FILE_MAX_BYTES (4u << 20)
#define WEIR_RULE_FILES_MAX 256u

extern const char weir_standard_yaml[]; /* standard.yaml, put into the binary at build time */
extern const size_t weir_standard_yaml_length;

/* The documents of all paths: `builtin`, files, and folders (their *.yaml, *.yml
 * and *.json, by name; not what lies in folders within, nor hidden ones).
 * 0; WEIR_RULESET_WRONG; -ENOMEM. */
int weir_rule_files_read(const char *const *paths, size_t path_count, struct weir_arena *arena,
	struct weir_documents *documents, struct weir_ruleset_error *ret_error);

#endif

/* ruleset: loads rule documents into what records are counted by.
 *
 *   files ─▶ documents ─▶ Mixer's parts ─▶ instances ─▶ rules ─▶ handlers: metrics, outputs ─▶ key
 *            document.c   mixer_yaml.c     ruleset_compile.c      ruleset_metrics.c            ruleset_key.c
 *                                                                 ruleset_outputs.c
 *
 * All of it lives in one arena that goes with the last reference. Loading either
 * gives a whole rule set or nothing and the first thing that is wrong; whoever
 * had an old one keeps it until then.
 *
 * Invariants
 *  1. A loaded rule set does not change: any thread may read it.
 *  2. Its size is bounded: the arena by ARENA_MAX, all else by the header's numbers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "rules/documents/rule_files.h"
#include "rules/ruleset/ruleset_inside.h"

#define ARENA_CHUNK (256u << 10)
#define ARENA_MAX (64u << 20)
#define NOTES_MAX (256u << 10)

static int load(struct weir_ruleset_loading *loading, const struct weir_ruleset_opts *opts)
{
	static const char *const builtin[] = { "builtin" };
	struct weir_ruleset *set = loading->set;
	struct weir_documents documents;
	int r;

	weir_documents_init(&documents);
	set->wanted_labels =
		weir_arena_zalloc(&set->arena, (WEIR_RULESET_WANTED_MAX + 1) * sizeof(*set->wanted_labels));
	if (set->wanted_labels == NULL) {
		return -ENOMEM;
	}
	r = weir_rule_files_read(opts->path_count > 0 ? opts->paths : builtin,
		opts->path_count > 0 ? opts->path_count : 1, &set->arena, &documents, loading->error);
	r = r != 0 ? r : weir_mixer_yaml_read(&documents, &set->arena, &set->notes, &loading->mixer, loading->error);
	r = r != 0 ? r : weir_ruleset_compile_instances(loading);
	r = r != 0 ? r : weir_ruleset_compile_rules(loading);
	r = r != 0 ? r : weir_ruleset_build_metrics(loading);
	r = r != 0 ? r : weir_ruleset_build_outputs(loading);
	if (r == 0 && set->schema.metric_count == 0 && set->log_count == 0) {
		weir_buf_addf(&set->notes, "%s: warning: no rule counts or logs anything\n",
			opts->path_count == 1 ? opts->paths[0] : "all files");
	}
	return r != 0 ? r : weir_ruleset_key_prepare(set);
}

int weir_ruleset_load(
	const struct weir_ruleset_opts *opts, const struct weir_ruleset **ret, struct weir_ruleset_error *ret_error)
{
	struct weir_ruleset *set = calloc(1, sizeof(*set));
	struct weir_ruleset_loading loading = { .set = set, .error = ret_error };
	int r;

	if (set == NULL) {
		return -ENOMEM;
	}
	*ret_error = (struct weir_ruleset_error){ 0 };
	atomic_init(&set->references, 1);
	set->is_both = opts->is_both;
	weir_arena_init(&set->arena, ARENA_CHUNK, ARENA_MAX);
	weir_buf_init(&set->notes, NOTES_MAX);
	r = load(&loading, opts);
	if (r != 0) {
		weir_ruleset_let_go(set);
		return r;
	}
	*ret = set;
	return 0;
}

const struct weir_ruleset *weir_ruleset_hold(const struct weir_ruleset *ruleset)
{
	atomic_fetch_add_explicit(&((struct weir_ruleset *)(uintptr_t)ruleset)->references, 1, memory_order_relaxed);
	return ruleset;
}

void weir_ruleset_let_go(const struct weir_ruleset *ruleset)
{
	struct weir_ruleset *set = (struct weir_ruleset *)(uintptr_t)ruleset;

	if (set != NULL && atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) == 1) {
		weir_buf_fini(&set->notes);
		weir_arena_fini(&set->arena);
		free(set);
	}
}

bool weir_ruleset_is_both(const struct weir_ruleset *ruleset)
{
	return ruleset->is_both;
}

const struct weir_schema *weir_ruleset_schema(const struct weir_ruleset *ruleset)
{
	return &ruleset->schema;
}

const char *weir_ruleset_wanted_label(const struct weir_ruleset *ruleset, uint32_t i)
{
	return i < ruleset->wanted_label_count ? ruleset->wanted_labels[i] : NULL;
}

uint64_t weir_ruleset_expiry_ns(const struct weir_ruleset *ruleset)
{
	return ruleset->expiry_ns;
}

struct weir_str weir_ruleset_notes(const struct weir_ruleset *ruleset)
{
	return weir_buf_str(&ruleset->notes);
}

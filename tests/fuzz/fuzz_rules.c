/* fuzz_rules: any bytes as a file of rules.
 *
 * Whatever comes is either refused with a place and a sentence, or taken; then
 * its schema keeps to its bounds, and records can be matched, labelled, logged
 * and explained by it without a fault, twice with the same result. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "rules/ruleset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct weir_scratch scratch;

static void check_schema(const struct weir_schema *schema)
{
	weir_assert(schema->metric_count <= WEIR_METRICS_MAX && schema->group_count <= WEIR_GROUPS_MAX);
	for (uint32_t i = 0; i < schema->metric_count; i++) {
		const struct weir_metric *metric = &schema->metrics[i];

		weir_assert(metric->group < schema->group_count && metric->place < WEIR_GROUP_METRICS_MAX);
		weir_assert(schema->groups[metric->group].metrics[metric->place] == metric);
		weir_assert(metric->bound_count <= WEIR_METRIC_BOUNDS_MAX);
		weir_assert((metric->kind == WEIR_METRIC_HISTOGRAM) == (metric->bound_count > 0));
		for (uint32_t j = 1; j < metric->bound_count; j++) {
			weir_assert(metric->bounds[j] > metric->bounds[j - 1]);
		}
		for (uint32_t j = 0; j < i; j++) {
			weir_assert(strcmp(metric->name, schema->metrics[j].name) != 0);
		}
	}
}

static void check_label_text(const struct weir_buf *text)
{
	weir_assert(weir_buf_error(text) == 0);
	weir_assert(text->length == 0 || memchr(text->data, '\n', text->length) == NULL);
}

static void check_record(const struct weir_ruleset *ruleset, const struct weir_rules_record *record)
{
	const struct weir_schema *schema = weir_ruleset_schema(ruleset);
	struct weir_ruleset_key first = weir_ruleset_key(ruleset, record, &scratch);
	struct weir_ruleset_key second = weir_ruleset_key(ruleset, record, &scratch);
	struct weir_ruleset_hit hits[WEIR_GROUPS_MAX];
	struct weir_observation observation;
	struct weir_buf text;
	uint32_t count = weir_ruleset_match(ruleset, record, &scratch, hits);

	weir_assert(first.low == second.low && first.high == second.high && count <= schema->group_count);
	weir_buf_init(&text, 0);
	for (uint32_t i = 0; i < count; i++) {
		weir_buf_clear(&text);
		weir_ruleset_labels(ruleset, hits[i].group, record, &scratch, &text);
		check_label_text(&text);
	}
	for (uint32_t i = 0; i < schema->metric_count; i++) {
		(void)weir_ruleset_value(ruleset, &schema->metrics[i], record, &scratch, &observation);
	}
	for (uint32_t i = 0; i < weir_ruleset_output_count(ruleset); i++) {
		uint32_t lines, ends = 0;

		weir_buf_clear(&text);
		lines = weir_ruleset_entries(ruleset, i, record, &scratch, &text);
		for (size_t j = 0; j < text.length; j++) {
			ends += text.data[j] == '\n';
		}
		weir_assert(ends == lines);
	}
	weir_buf_clear(&text);
	weir_ruleset_explain(ruleset, record, &text);
	weir_buf_fini(&text);
	weir_assert(scratch.used == 0);
}

/* A record in which every attribute is told. */
static void tell_all(struct weir_value *values)
{
	for (unsigned i = 0; i < WEIR_ATTRIBUTES; i++) {
		values[i].type = weir_attribute_type((enum weir_attribute)i);
		switch (values[i].type) {
		case WEIR_TYPE_STRING:
			values[i].text = weir_str_of("/a\"b\n\\/4711?x");
			break;
		case WEIR_TYPE_STRING_MAP:
			values[i].map = i;
			break;
		case WEIR_TYPE_IP_ADDRESS:
			memset(values[i].ip, 7, sizeof(values[i].ip));
			break;
		default:
			values[i].number = 1;
			break;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct weir_value nothing[WEIR_ATTRIBUTES], all[WEIR_ATTRIBUTES];
	const struct weir_ruleset *ruleset = NULL;
	struct weir_ruleset_error error;
	static int fd = -1;
	char path[64];
	const char *paths[] = { path };
	const struct weir_ruleset_opts opts = { .paths = paths, .path_count = 1 };
	int r;

	if (fd < 0) {
		fd = memfd_create("rules", MFD_CLOEXEC);
		weir_assert(fd >= 0);
		tell_all(all);
	}
	weir_assert(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	(void)weir_ruleset_is_file_of_rules(path);
	r = weir_ruleset_load(&opts, &ruleset, &error);
	weir_assert(r == 0 || r == WEIR_RULESET_WRONG || r == -ENOMEM);
	weir_assert(r != WEIR_RULESET_WRONG || (error.where[0] != '\0' && error.why[0] != '\0'));
	if (r == 0) {
		check_schema(weir_ruleset_schema(ruleset));
		check_record(ruleset, &(struct weir_rules_record){ .told = nothing });
		check_record(ruleset, &(struct weir_rules_record){ .told = all });
		weir_ruleset_let_go(ruleset);
	}
	return 0;
}

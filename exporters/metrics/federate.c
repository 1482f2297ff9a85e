/* federate: a filter over the text that /metrics answers.
 *
 *   # HELP istio_requests_total …          kept aside, until
 *   # TYPE istio_requests_total counter
 *   istio_requests_total{…} 17             a sample is chosen: then both go before it
 *
 * What Prometheus' own /federate answers is made of its database: every sample
 * untyped, with its time, families split by sample name. weir's is made of its
 * exposition: the same samples, and
 *
 *  - types stay: weir knows them, and a scraper keeps them as metadata. A part of
 *    a histogram stands under the histogram's TYPE, as text 0.0.4 allows;
 *  - no times: a sample is of now. With a time of its own a series that ends is
 *    not marked stale by who scrapes it, and would go on for five minutes;
 *  - no `instance=""`: Prometheus adds that since it speaks for others. What weir
 *    says is weir's own; without it the scraper's `instance` keeps apart what two
 *    weirs say. Labels that senders gave (`job`, `instance`) are there, and
 *    honor_labels keeps them.
 *
 * Selectors see samples by their names: x_bucket with `le`, x_sum, x_count.
 *
 * Invariants
 *  1. A family of which nothing is chosen leaves no line.
 *  2. Chosen lines are as /metrics has them, byte for byte, and in its order.
 *  3. Memory: a family's head, one name, one line's values.
 *
 * Thread: the request's. */
#include "exporters/metrics/federate.h"

#include <errno.h>

#include "rules/label_text.h"

void weir_federate_init(struct weir_federate *federate, const struct weir_selectors *selectors)
{
	*federate = (struct weir_federate){ .selectors = selectors };
	weir_buf_init(&federate->head, 0);
	weir_buf_init(&federate->name, 0);
	weir_buf_init(&federate->unescaped, 0);
}

void weir_federate_fini(struct weir_federate *federate)
{
	weir_buf_fini(&federate->head);
	weir_buf_fini(&federate->name);
	weir_buf_fini(&federate->unescaped);
}

/* A comment: HELP or TYPE begins a family, or goes on with its head. */
static void take_comment(struct weir_federate *federate, struct weir_str line)
{
	struct weir_str rest = line, word, name;

	weir_str_cut(&rest, ' ');
	word = weir_str_cut(&rest, ' ');
	name = weir_str_cut(&rest, ' ');
	if (!weir_str_is(word, "HELP") && !weir_str_is(word, "TYPE")) {
		return;
	}
	if (federate->head.length > 0) {
		struct weir_str kept = weir_buf_str(&federate->head), kept_name;

		weir_str_cut(&kept, ' ');
		weir_str_cut(&kept, ' ');
		kept_name = weir_str_cut(&kept, ' ');
		if (!weir_str_equal(kept_name, name)) {
			weir_buf_clear(&federate->head);
		}
	}
	weir_buf_add_str(&federate->head, line);
	weir_buf_add_char(&federate->head, '\n');
}

static void value_set(struct weir_federate *federate, struct weir_str label, struct weir_str value,
	struct weir_str values[WEIR_SELECTOR_LABELS_MAX])
{
	const struct weir_selectors *selectors = federate->selectors;

	for (uint32_t i = 1; i < selectors->label_count; i++) {
		if (weir_str_equal(selectors->labels[i], label)) {
			values[i] = weir_label_text_unescape(&federate->unescaped, value);
			return;
		}
	}
}

/* `name="value",…}`: the values that selectors ask for. 0 or a fault. */
static int read_labels(
	struct weir_federate *federate, struct weir_str text, struct weir_str values[WEIR_SELECTOR_LABELS_MAX])
{
	struct weir_label_text label;
	int result;

	weir_buf_clear(&federate->unescaped);
	if (weir_buf_reserve(&federate->unescaped, text.length + 1) ==
		NULL) { /* it does not move while values point to it */
		return -ENOMEM;
	}
	while ((result = weir_label_text_next(&text, &label)) == 1) {
		value_set(federate, label.name, label.value, values);
	}
	return result != 0 ? result : text.length > 0 ? 0 : -EINVAL;
}

/* The name at the line's front becomes federate->name, of which `mask` is. */
static int read_name(struct weir_federate *federate, struct weir_str line)
{
	size_t length = federate->name.length;

	if (length > 0 && length < line.length && memcmp(line.data, federate->name.data, length) == 0 &&
		(line.data[length] == '{' || line.data[length] == ' ')) {
		return 0; /* mostly it is the last line's */
	}
	for (length = 0; length < line.length && line.data[length] != '{' && line.data[length] != ' '; length++) {
	}
	if (length == 0 || length == line.length) {
		return -EINVAL;
	}
	weir_buf_clear(&federate->name);
	weir_buf_add(&federate->name, line.data, length);
	return weir_selectors_of_name(federate->selectors, weir_str_make(line.data, length), &federate->mask);
}

/* A sample: is it chosen? 1, 0 or a fault. */
static int is_chosen(struct weir_federate *federate, struct weir_str line)
{
	struct weir_str values[WEIR_SELECTOR_LABELS_MAX], rest;
	int result = read_name(federate, line);

	if (result != 0 || federate->mask == 0) {
		return result;
	}
	rest = weir_str_make(line.data + federate->name.length, line.length - federate->name.length);
	for (uint32_t i = 0; i < federate->selectors->label_count; i++) {
		values[i] = weir_str_of("");
	}
	if (rest.data[0] == '{' && federate->selectors->label_count > 1) {
		result = read_labels(federate, weir_str_make(rest.data + 1, rest.length - 1), values);
		if (result != 0) {
			return result;
		}
	}
	return weir_selectors_match(federate->selectors, federate->mask, values);
}

int weir_federate_take(struct weir_federate *federate, struct weir_str text, struct weir_buf *out)
{
	while (text.length > 0 && federate->fault == 0) {
		struct weir_str line = weir_str_cut(&text, '\n');
		int chosen;

		if (line.length == 0) {
			continue;
		}
		if (line.data[0] == '#') {
			take_comment(federate, line);
			continue;
		}
		chosen = is_chosen(federate, line);
		if (chosen < 0) {
			federate->fault = chosen;
		} else if (chosen == 1) {
			weir_buf_add_str(out, weir_buf_str(&federate->head));
			weir_buf_clear(&federate->head);
			weir_buf_add_str(out, line);
			weir_buf_add_char(out, '\n');
		}
	}
	if (federate->fault == 0) {
		federate->fault = weir_buf_error(&federate->head) != 0 ? weir_buf_error(&federate->head)
								       : weir_buf_error(&federate->name);
	}
	return federate->fault;
}

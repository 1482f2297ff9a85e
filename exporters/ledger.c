/* ledger: the sums of the fold as JSON; see the header.
 *
 * `closes` is computed here from the very rows that are shown, not copied from
 * anywhere: whoever reads the document can add up and must agree. */
#include "exporters/ledger.h"

static bool row_closes(const struct weir_ledger_view *row)
{
	uint64_t sum = row->kept + row->duplicates;

	for (unsigned r = 0; r < WEIR_THINS; r++) {
		sum += row->thinned[r];
	}
	for (unsigned r = 0; r < WEIR_DROPS; r++) {
		sum += row->dropped[r];
	}
	return sum == row->received;
}

bool weir_ledger_view_closes(const struct weir_snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->ledger_count; i++) {
		if (!row_closes(&snapshot->ledger[i])) {
			return false;
		}
	}
	return true;
}

typedef const char *reason_name_fn(unsigned reason);

/* {"reason":n}: reasons that did occur. */
static void render_reasons(
	struct weir_json_write *json, const char *key, const uint64_t *counts, unsigned count, reason_name_fn *name)
{
	weir_json_write_key(json, key);
	weir_json_write_open(json, '{');
	for (unsigned i = 0; i < count; i++) {
		if (counts[i] > 0) {
			weir_json_write_key(json, name(i));
			weir_json_write_u64(json, counts[i]);
		}
	}
	weir_json_write_close(json, '}');
}

static void render_row(struct weir_json_write *json, const struct weir_ledger_view *row, const char *protocol,
	const uint64_t *refused, unsigned refusals)
{
	weir_json_write_open(json, '{');
	weir_json_write_key(json, "source");
	weir_json_write_str(json, row->source);
	weir_json_write_key(json, "protocol");
	weir_json_write_text(json, protocol);
	weir_json_write_key(json, "signal");
	weir_json_write_text(json, weir_signal_name(row->signal));
	weir_json_write_key(json, "received");
	weir_json_write_u64(json, row->received);
	weir_json_write_key(json, "kept");
	weir_json_write_u64(json, row->kept);
	weir_json_write_key(json, "duplicates");
	weir_json_write_u64(json, row->duplicates);
	render_reasons(json, "thinned", row->thinned, WEIR_THINS, weir_thin_name);
	render_reasons(json, "dropped", row->dropped, WEIR_DROPS, weir_drop_name);
	render_reasons(json, "refused", refused, refusals, weir_refusal_name);
	weir_json_write_key(json, "mismatched");
	weir_json_write_u64(json, row->mismatched);
	weir_json_write_key(json, "principal");
	weir_json_write_str(json, row->principal);
	weir_json_write_key(json, "last_unix_ms");
	weir_json_write_u64(json, row->last_ns / 1000000);
	weir_json_write_close(json, '}');
}

static void render_refused(struct weir_json_write *json, unsigned signal, const uint64_t refused[WEIR_REFUSALS])
{
	struct weir_ledger_view nobody = { .signal = (uint8_t)signal };

	for (unsigned r = 0; r < WEIR_REFUSALS; r++) {
		if (refused[r] > 0) {
			render_row(json, &nobody, "", refused, WEIR_REFUSALS);
			return;
		}
	}
}

/* Of what a proxy had to tell (what it sent, and what it dropped itself), how much came. Without any there is no
 * ratio. */
static void render_completeness(struct weir_json_write *json, const struct weir_completeness_view *view)
{
	weir_json_write_open(json, '{');
	weir_json_write_key(json, "source");
	weir_json_write_str(json, view->source);
	weir_json_write_key(json, "signal");
	weir_json_write_text(json, weir_signal_name(view->signal));
	weir_json_write_key(json, "seen");
	weir_json_write_u64(json, view->seen);
	weir_json_write_key(json, "sent");
	weir_json_write_u64(json, view->sent);
	weir_json_write_key(json, "dropped");
	weir_json_write_u64(json, view->dropped);
	weir_json_write_key(json, "ratio");
	if (view->sent + view->dropped > 0) {
		weir_json_write_rounded(json, (double)view->seen / (double)(view->sent + view->dropped));
	} else {
		weir_json_write_raw(json, weir_str_of("null"));
	}
	weir_json_write_close(json, '}');
}

void weir_ledger_render(
	struct weir_json_write *json, const struct weir_snapshot *snapshot, const struct weir_ledger_refused *refused)
{
	weir_json_write_open(json, '{');
	weir_json_write_key(json, "closes");
	weir_json_write_bool(json, weir_ledger_view_closes(snapshot));
	weir_json_write_key(json, "rows");
	weir_json_write_open(json, '[');
	for (uint32_t i = 0; i < snapshot->ledger_count; i++) {
		const char *protocol = weir_protocol_name(snapshot->ledger[i].protocol);

		render_row(json, &snapshot->ledger[i], protocol != NULL ? protocol : "", NULL, 0);
	}
	for (unsigned s = 0; s < WEIR_SIGNALS; s++) {
		render_refused(json, s, refused->items[s]);
	}
	weir_json_write_close(json, ']');
	weir_json_write_key(json, "completeness");
	weir_json_write_open(json, '[');
	for (uint32_t i = 0; i < snapshot->completeness_count; i++) {
		render_completeness(json, &snapshot->completeness[i]);
	}
	weir_json_write_close(json, ']');
	weir_json_write_close(json, '}');
}

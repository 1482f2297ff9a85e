/* TEMPORARY: the standard set behind ruleset.h until documents are merged. */
#include <stdlib.h>
#include <string.h>
#include "rules/ruleset.h"
#include "rules/standard.h"

struct weir_ruleset { int unused; };
static struct weir_ruleset one;
static struct weir_metric metrics[WEIR_STANDARD_METRICS];
static const struct weir_metric *by_place[3][4];
static struct weir_metric_group groups[3];
static struct weir_schema schema;
static void make(void)
{
	static const int g[] = { 0, 0, 0, 0, 1, 1, 2, 2, 2, 2 };
	static const int pl[] = { 0, 1, 2, 3, 0, 1, 0, 1, 2, 3 };
	for (uint32_t i = 0; i < WEIR_STANDARD_METRICS; i++) {
		const struct weir_standard_family *f = &weir_standard_families[i];
		metrics[i] = (struct weir_metric){ f->name, f->help, f->is_histogram ? WEIR_METRIC_HISTOGRAM : WEIR_METRIC_COUNTER, WEIR_UNIT_WHOLE,
			f->is_histogram ? weir_standard_bounds : NULL, f->is_histogram ? WEIR_STANDARD_BOUNDS : 0, (uint32_t)g[i], (uint32_t)pl[i], 100 + i };
		by_place[g[i]][pl[i]] = &metrics[i];
	}
	for (uint32_t i = 0; i < 3; i++) {
		groups[i] = (struct weir_metric_group){ by_place[i], i == 1 ? 2 : 4, NULL, 0, 1000 + i };
	}
	schema = (struct weir_schema){ metrics, WEIR_STANDARD_METRICS, groups, 3 };
}
int weir_ruleset_load(const struct weir_ruleset_opts *opts, const struct weir_ruleset **ret, struct weir_ruleset_error *ret_error)
{ (void)opts; (void)ret_error; if (schema.metric_count == 0) { make(); } *ret = &one; return 0; }
const struct weir_ruleset *weir_ruleset_hold(const struct weir_ruleset *r) { return r; }
void weir_ruleset_let_go(const struct weir_ruleset *r) { (void)r; }
const struct weir_schema *weir_ruleset_schema(const struct weir_ruleset *r) { (void)r; return &schema; }
struct weir_ruleset_key weir_ruleset_key(const struct weir_ruleset *r, const struct weir_rules_record *record, struct weir_scratch *s)
{ (void)r; (void)s;
  return (struct weir_ruleset_key){ record->request ? (record->request->request_messages || record->request->response_messages) : record->event, 0 }; }
uint32_t weir_ruleset_match(const struct weir_ruleset *r, const struct weir_rules_record *record, struct weir_scratch *s, struct weir_ruleset_hit *h)
{ (void)r; (void)s;
  if (record->request == NULL) { h[0] = (struct weir_ruleset_hit){ 2, 12u | (record->event == WEIR_CONNECTION_OPEN ? 1u : 0) | (record->event == WEIR_CONNECTION_CLOSE ? 2u : 0) }; return 1; }
  if (record->call->is_probe) { return 0; }
  h[0] = (struct weir_ruleset_hit){ 0, 15 };
  h[1] = (struct weir_ruleset_hit){ 1, 3 };
  return record->request->request_messages || record->request->response_messages ? 2 : 1; }
uint32_t weir_ruleset_labels(const struct weir_ruleset *r, uint32_t group, const struct weir_rules_record *record, struct weir_scratch *s, struct weir_buf *t)
{ (void)r; (void)s; weir_standard_labels(record->batch, record->call, record->request, group == 1, t); return 0; }
bool weir_ruleset_value(const struct weir_ruleset *r, const struct weir_metric *m, const struct weir_rules_record *record, struct weir_scratch *s, struct weir_observation *ret)
{ (void)r; (void)s; ret->real = 0; 
  switch (m->id - 100) {
  case WEIR_REQUESTS_TOTAL: case WEIR_TCP_OPENED: case WEIR_TCP_CLOSED: ret->number = 1; break;
  case WEIR_REQUEST_DURATION: ret->number = record->request->duration_ns / 1000000; break;
  case WEIR_REQUEST_BYTES: ret->number = record->request->request_bytes; break;
  case WEIR_RESPONSE_BYTES: ret->number = record->request->response_bytes; break;
  case WEIR_REQUEST_MESSAGES: ret->number = record->request->request_messages; break;
  case WEIR_RESPONSE_MESSAGES: ret->number = record->request->response_messages; break;
  case WEIR_TCP_SENT: ret->number = record->sent_bytes; break;
  default: ret->number = record->received_bytes; break;
  } return true; }

/* access_entry: one access log record as a weir_entry. Inside decode only. */
#ifndef WEIR_DECODE_OTLP_ACCESS_ENTRY_H
#define WEIR_DECODE_OTLP_ACCESS_ENTRY_H

#include "decode/envoy/entry.h"
#include "decode/otlp/access_told.h"
#include "identity/source.h"

/* Requests have a method or a code; a connection has byte counts and neither. */
bool weir_access_entry_is_tcp(const struct weir_access_told *told);

/* What requests and connections have in common; `own` is the proxy that logged it. */
void weir_access_entry_fill(struct weir_draft *draft, const struct weir_access_told *told, const struct weir_log *log,
	const struct weir_identity *own, struct weir_entry *entry);

/* What only requests have. */
void weir_access_entry_fill_http(const struct weir_access_told *told, struct weir_entry *entry);

/* Is it Istio's answer for a host that the mesh does not know, where only that is allowed? */
bool weir_access_entry_is_blocked(
	const struct weir_access_told *told, const struct weir_identity *own, const struct weir_entry *entry);

#endif

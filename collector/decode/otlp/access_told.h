/* access_told: what one access log record tells, by word: texts, numbers,
 * durations, addresses. Inside decode only. */
#ifndef WEIR_DECODE_OTLP_ACCESS_TOLD_H
#define WEIR_DECODE_OTLP_ACCESS_TOLD_H

#include "decode/draft.h"
#include "decode/otlp/access_words.h"

struct weir_access_told {
	const struct weir_draft *draft;
	const struct weir_attr *by[WEIR_ACCESS_WORDS]; /* NULL: not told */
};

/* Looks through the attributes of a record. */
void weir_access_told_init(struct weir_access_told *told, const struct weir_draft *draft, const struct weir_log *log);

/* A text in the body; empty: not told, or "-", which is Envoy's nothing. */
struct weir_str weir_access_told_text(const struct weir_access_told *told, enum weir_access_word word);

/* A whole number, told as one or as its text. False: none. */
bool weir_access_told_number(const struct weir_access_told *told, enum weir_access_word word, uint64_t *ret);

/* The same; 0: none. */
uint64_t weir_access_told_count(const struct weir_access_told *told, enum weir_access_word word);

/* How long it took; 0: not told. */
uint64_t weir_access_told_duration_ns(const struct weir_access_told *told);

/* "10.0.0.1:80" as a serialized Address, which is how a weir_entry holds one, in the draft's arena; *ret_port is 0 when
 * there is none. Empty: no address. */
struct weir_str weir_access_told_address(struct weir_draft *draft, struct weir_str text, uint32_t *ret_port);

/* The same of its parts. */
struct weir_str weir_access_told_address_make(struct weir_draft *draft, struct weir_str host, uint32_t port);

#endif

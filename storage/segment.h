/* segment: up to 2048 rows of one kind, by column, with one dictionary; what
 * the database keeps of spans, requests, connections and logs. The format is the
 * essay of segment.c. */
#ifndef WEIR_STORAGE_SEGMENT_H
#define WEIR_STORAGE_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "storage/codec.h"
#include "storage/columns.h"

#define WEIR_SEGMENT_VERSION 2u /* version 1 is read as well */
#define WEIR_SEGMENT_ROWS 2048u
#define WEIR_SEGMENT_BYTES (8u << 20) /* of source batches: few large rows make a segment too */
#define WEIR_SEGMENT_FILTER_BYTES 128u

enum weir_segment_section {
	WEIR_SEGMENT_IDS,     /* of spans: trace ids, span ids, foreign parents, ids of links: not compressed */
	WEIR_SEGMENT_CORE,    /* columns that searches and links read */
	WEIR_SEGMENT_STRINGS, /* all strings but values of attributes: lengths, bytes */
	WEIR_SEGMENT_REST,    /* the other columns */
	WEIR_SEGMENT_ATTRS,   /* attrs.c */
	WEIR_SEGMENT_VALUES,  /* strings that are values of attributes: lengths, bytes */
	WEIR_SEGMENT_SECTIONS
};

struct weir_segment_head { /* little endian, as version 2 lies on disk */
	char magic[4];
	uint16_t version;
	uint8_t kind; /* enum weir_rows: weir_columns_is_detail() */
	uint8_t protocol;
	uint32_t rows[WEIR_ROWS_COUNT];
	uint32_t traces, foreign_parents, attrs, strings, values;
	uint32_t padding;
	uint64_t received_ns; /* the earliest arrival */
	struct weir_codec_section sections[WEIR_SEGMENT_SECTIONS];
	uint32_t padding2;
	uint32_t check; /* of all before */
};

struct weir_segment_pair { /* distinct (service, span name) or (service, remote service), lower-cased */
	struct weir_str service, name;
	bool is_remote;
};

struct weir_segment_info { /* what is known of a segment without reading it */
	enum weir_rows kind;
	uint32_t rows, trace_count;
	uint64_t min_time, max_time, min_arrival, max_arrival;
	uint8_t filter[WEIR_SEGMENT_FILTER_BYTES]; /* which names may occur */
	const uint32_t *traces;                    /* sorted distinct hashes of trace ids */
	const struct weir_segment_pair *pairs;
	uint32_t pair_count;
};

/* Checks the header and that the sections fill the rest. A header of version 1
 * keeps its number and has no logs. 0 or -EBADMSG. */
int weir_segment_head_read(struct weir_str bytes, struct weir_segment_head *ret_head);
/* Where a section's stored bytes lie. */
uint64_t weir_segment_offset(const struct weir_segment_head *head, enum weir_segment_section section);

/* The hash under which a trace is indexed: of its low 64 bits, so that a short
 * id finds the long ones that end in it. */
uint32_t weir_segment_trace_hash(const uint8_t trace_id[16], uint64_t seed);

/* The filter: a set of names that says "no" for sure. name may be empty: the
 * service alone. Texts are compared ignoring case. */
enum weir_segment_name { WEIR_SEGMENT_SPAN_NAME, WEIR_SEGMENT_REMOTE_NAME };
void weir_segment_filter_add(
	uint8_t *filter, enum weir_segment_name what, struct weir_str service, struct weir_str name);
bool weir_segment_filter_may_have(
	const uint8_t *filter, enum weir_segment_name what, struct weir_str service, struct weir_str name);

#endif

/* columns: which fields of record.h's rows a segment keeps, and how. */
#ifndef WEIR_STORAGE_COLUMNS_H
#define WEIR_STORAGE_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/record.h"

enum weir_rows { /* the tables of a segment; numbers are stored: new ones go to the end */
	WEIR_ROWS_SPANS,
	WEIR_ROWS_REQUESTS,
	WEIR_ROWS_CONNECTIONS,
	WEIR_ROWS_RESOURCES,
	WEIR_ROWS_WORKLOADS,
	WEIR_ROWS_EVENTS,
	WEIR_ROWS_LINKS,
	WEIR_ROWS_LOGS, /* since version 2 */
	WEIR_ROWS_COUNT
};

/* In this order they are written: what refers to rows before what it refers to. */
extern const enum weir_rows weir_columns_order[WEIR_ROWS_COUNT];

/* The tables that segments are made of. */
#define WEIR_COLUMNS_DETAILS 4u
extern const enum weir_rows weir_columns_details[WEIR_COLUMNS_DETAILS];
bool weir_columns_is_detail(uint64_t rows);

enum weir_column_kind {
	WEIR_COLUMN_U8,
	WEIR_COLUMN_U16,
	WEIR_COLUMN_U32,
	WEIR_COLUMN_U64,
	WEIR_COLUMN_SEEN,     /* a U64 of time; not known, it is the arrival of the batch */
	WEIR_COLUMN_REF,      /* number in the segment's strings */
	WEIR_COLUMN_ADDRESS,  /* the same, of the 18 bytes of ip and port; 0 = unset */
	WEIR_COLUMN_ID16,     /* the same, of 16 bytes; 0 = all zero */
	WEIR_COLUMN_ID8,      /* the same, of 8 bytes */
	WEIR_COLUMN_TRACE,    /* place in the list of distinct trace ids */
	WEIR_COLUMN_SPAN_ID,  /* 8 bytes as they are */
	WEIR_COLUMN_PARENT,   /* how many rows away the span with that id is, or the id itself */
	WEIR_COLUMN_START,    /* relative to the first span of the same trace */
	WEIR_COLUMN_BYTES16,  /* as they are */
	WEIR_COLUMN_BYTES8,   /* as they are */
	WEIR_COLUMN_RESOURCE, /* row of the segment's distinct resources */
	WEIR_COLUMN_WORKLOAD, /* row of the segment's distinct workloads */
	WEIR_COLUMN_ATTRS,    /* first, count: a list of the attribute section */
	WEIR_COLUMN_BODY,     /* a struct weir_attr without key: a list of one */
	WEIR_COLUMN_EVENTS,   /* first, count: as many rows of events, in order */
	WEIR_COLUMN_LINKS,    /* first, count: as many rows of links, in order */
};

struct weir_column {
	const char *name;
	uint16_t offset;
	uint8_t kind;
	bool is_core;  /* in the core section: read by searches and links */
	uint8_t since; /* the version that has it first */
};

struct weir_column_list {
	const struct weir_column *columns;
	uint32_t count;
	uint32_t row_bytes;
	uint32_t batch_table; /* offset of the table in struct weir_batch */
};

extern const struct weir_column_list weir_columns[WEIR_ROWS_COUNT];

/* When a log was written: by itself, else when it was seen, else when it came. */
static inline uint64_t weir_columns_log_time(const struct weir_batch *batch, const struct weir_log *log)
{
	uint64_t seen = log->observed_ns != 0 ? log->observed_ns : batch->received_ns;

	return log->time_ns != 0 ? log->time_ns : seen;
}

static inline struct weir_table *weir_columns_table(struct weir_batch *batch, enum weir_rows rows)
{
	return (struct weir_table *)((char *)batch + weir_columns[rows].batch_table);
}

static inline const struct weir_table *weir_columns_table_of(const struct weir_batch *batch, enum weir_rows rows)
{
	return (const struct weir_table *)((const char *)batch + weir_columns[rows].batch_table);
}

/* What a row of the batch takes; workloads were shorter in batches of version 2. */
static inline uint32_t weir_columns_stride(const struct weir_batch *batch, enum weir_rows rows)
{
	return rows == WEIR_ROWS_WORKLOADS ? weir_batch_workload_bytes(batch) : weir_columns[rows].row_bytes;
}

#endif

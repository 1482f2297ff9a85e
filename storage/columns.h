/* columns: which fields of record.h's rows a segment keeps, and how. */
#ifndef WEIR_STORAGE_COLUMNS_H
#define WEIR_STORAGE_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/record.h"

enum weir_rows { /* the tables of a segment, in the order in which they are written */
	WEIR_ROWS_SPANS,
	WEIR_ROWS_REQUESTS,
	WEIR_ROWS_CONNECTIONS,
	WEIR_ROWS_RESOURCES,
	WEIR_ROWS_WORKLOADS,
	WEIR_ROWS_EVENTS,
	WEIR_ROWS_LINKS,
	WEIR_ROWS_COUNT
};

enum weir_column_kind {
	WEIR_COLUMN_U8,
	WEIR_COLUMN_U16,
	WEIR_COLUMN_U32,
	WEIR_COLUMN_U64,
	WEIR_COLUMN_REF,      /* number in the segment's strings */
	WEIR_COLUMN_ADDRESS,  /* the same, of the 18 bytes of ip and port; 0 = unset */
	WEIR_COLUMN_TRACE,    /* place in the list of distinct trace ids */
	WEIR_COLUMN_SPAN_ID,  /* 8 bytes as they are */
	WEIR_COLUMN_PARENT,   /* how many rows away the span with that id is, or the id itself */
	WEIR_COLUMN_START,    /* relative to the first span of the same trace */
	WEIR_COLUMN_BYTES16,  /* as they are */
	WEIR_COLUMN_BYTES8,   /* as they are */
	WEIR_COLUMN_RESOURCE, /* row of the segment's distinct resources */
	WEIR_COLUMN_WORKLOAD, /* row of the segment's distinct workloads */
	WEIR_COLUMN_ATTRS,    /* first, count: a list of the attribute section */
	WEIR_COLUMN_EVENTS,   /* first, count: as many rows of events, in order */
	WEIR_COLUMN_LINKS,    /* first, count: as many rows of links, in order */
};

struct weir_column {
	const char *name;
	uint16_t offset;
	uint8_t kind;
	bool is_core; /* in the core section: read by searches and links */
};

struct weir_column_list {
	const struct weir_column *columns;
	uint32_t count;
	uint32_t row_bytes;
	uint32_t batch_table; /* offset of the table in struct weir_batch */
};

extern const struct weir_column_list weir_columns[WEIR_ROWS_COUNT];

static inline struct weir_table *weir_columns_table(struct weir_batch *batch, enum weir_rows rows)
{
	return (struct weir_table *)((char *)batch + weir_columns[rows].batch_table);
}

static inline const struct weir_table *weir_columns_table_of(const struct weir_batch *batch, enum weir_rows rows)
{
	return (const struct weir_table *)((const char *)batch + weir_columns[rows].batch_table);
}

#endif

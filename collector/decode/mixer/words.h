/* words: Mixer's vocabulary. The dictionary that every proxy knows by heart,
 * and which attribute and which header a name means. Private to this folder. */
#ifndef WEIR_DECODE_MIXER_WORDS_H
#define WEIR_DECODE_MIXER_WORDS_H

#include <stdint.h>

#include "base/str.h"
#include "ring/record.h"

#define WEIR_WORDS_GLOBAL 222u /* Istio 1.3 to 1.7; the older lists are its beginning */

enum weir_words_type { /* of an attribute: the number of its map in CompressedAttributes */
	WEIR_WORDS_STRING = 2,
	WEIR_WORDS_INT,
	WEIR_WORDS_DOUBLE,
	WEIR_WORDS_BOOL,
	WEIR_WORDS_TIME,
	WEIR_WORDS_DURATION,
	WEIR_WORDS_BYTES,
	WEIR_WORDS_MAP,
};

/* An attribute that a record has a place for. Its older names mean the same
 * one. All others are told apart while a report is read, from WEIR_WORDS_EXTRA. */
enum weir_words_slot {
	WEIR_WORDS_UNRESOLVED,
	WEIR_WORDS_SOURCE_UID,
	WEIR_WORDS_SOURCE_NAME,
	WEIR_WORDS_SOURCE_NAMESPACE,
	WEIR_WORDS_SOURCE_PRINCIPAL,
	WEIR_WORDS_SOURCE_USER,
	WEIR_WORDS_SOURCE_OWNER,
	WEIR_WORDS_SOURCE_WORKLOAD_NAME,
	WEIR_WORDS_SOURCE_WORKLOAD_NAMESPACE,
	WEIR_WORDS_SOURCE_IP,
	WEIR_WORDS_SOURCE_PORT,
	WEIR_WORDS_SOURCE_LABELS,
	/* In the order of the source's: what one end has, the other one has as well. */
	WEIR_WORDS_DESTINATION_UID,
	WEIR_WORDS_DESTINATION_NAME,
	WEIR_WORDS_DESTINATION_NAMESPACE,
	WEIR_WORDS_DESTINATION_PRINCIPAL,
	WEIR_WORDS_DESTINATION_USER,
	WEIR_WORDS_DESTINATION_OWNER,
	WEIR_WORDS_DESTINATION_WORKLOAD_NAME,
	WEIR_WORDS_DESTINATION_WORKLOAD_NAMESPACE,
	WEIR_WORDS_DESTINATION_IP,
	WEIR_WORDS_DESTINATION_PORT,
	WEIR_WORDS_DESTINATION_LABELS,
	WEIR_WORDS_SERVICE_HOST,
	WEIR_WORDS_SERVICE_NAME,
	WEIR_WORDS_SERVICE_NAMESPACE,
	WEIR_WORDS_OLD_SERVICE, /* destination.service, target.service */
	WEIR_WORDS_REPORTER_KIND,
	WEIR_WORDS_REPORTER_UID,
	WEIR_WORDS_PROTOCOL,
	WEIR_WORDS_API_PROTOCOL,
	WEIR_WORDS_PROXY_ERROR_CODE,
	WEIR_WORDS_CONTEXT_TIME,
	WEIR_WORDS_CONNECTION_ID,
	WEIR_WORDS_CONNECTION_EVENT,
	WEIR_WORDS_CONNECTION_MTLS,
	WEIR_WORDS_CONNECTION_SNI,
	WEIR_WORDS_CONNECTION_DURATION,
	WEIR_WORDS_RECEIVED_BYTES,
	WEIR_WORDS_RECEIVED_TOTAL,
	WEIR_WORDS_SENT_BYTES,
	WEIR_WORDS_SENT_TOTAL,
	WEIR_WORDS_REQUEST_METHOD,
	WEIR_WORDS_REQUEST_PATH,
	WEIR_WORDS_REQUEST_URL_PATH,
	WEIR_WORDS_REQUEST_HOST,
	WEIR_WORDS_REQUEST_USER_AGENT,
	WEIR_WORDS_REQUEST_ID,
	WEIR_WORDS_REQUEST_HEADERS,
	WEIR_WORDS_REQUEST_TIME,
	WEIR_WORDS_REQUEST_SIZE,
	WEIR_WORDS_REQUEST_TOTAL,
	WEIR_WORDS_RESPONSE_CODE,
	WEIR_WORDS_RESPONSE_HEADERS,
	WEIR_WORDS_RESPONSE_TIME,
	WEIR_WORDS_RESPONSE_DURATION,
	WEIR_WORDS_RESPONSE_SIZE,
	WEIR_WORDS_RESPONSE_TOTAL,
	WEIR_WORDS_GRPC_STATUS,
	WEIR_WORDS_CHECK_CACHE_HIT,
	WEIR_WORDS_QUOTA_CACHE_HIT,
	WEIR_WORDS_KNOWN, /* their number */
	WEIR_WORDS_EXTRA = 64,
	WEIR_WORDS_SLOTS = 128,
	WEIR_WORDS_NOWHERE = 255, /* an attribute beyond those that are told apart */
};

_Static_assert(WEIR_WORDS_KNOWN <= WEIR_WORDS_EXTRA, "a bit each");

enum weir_words_header { /* a header that a record has a place for */
	WEIR_WORDS_HEADER_UNRESOLVED,
	WEIR_WORDS_HEADER_OTHER,
	WEIR_WORDS_HEADER_METHOD,
	WEIR_WORDS_HEADER_PATH,
	WEIR_WORDS_HEADER_AUTHORITY,
	WEIR_WORDS_HEADER_STATUS,
	WEIR_WORDS_HEADER_USER_AGENT,
	WEIR_WORDS_HEADER_REQUEST_ID,
	WEIR_WORDS_HEADER_TRACE_ID,
	WEIR_WORDS_HEADER_SPAN_ID,
	WEIR_WORDS_HEADER_PARENT_ID,
	WEIR_WORDS_HEADER_SAMPLED,
	WEIR_WORDS_HEADER_TRACEPARENT,
	WEIR_WORDS_HEADERS,
};

struct weir_word { /* of a dictionary, and what was found out about it while a report is read */
	struct weir_str text;
	struct weir_ref ref;     /* in the batch; empty: not asked for yet */
	struct weir_ref keys[2]; /* request.headers.<text>, response.headers.<text>; likewise */
	uint32_t map, at;        /* the last map that had it as a key, and where */
	uint8_t slot, header;    /* as the name of an attribute, of a header */
	uint8_t padding[14];     /* to 64 bytes: an index is a shift */
};

_Static_assert(sizeof(struct weir_word) == 64, "an index is a shift");

extern const struct weir_word weir_words_global[WEIR_WORDS_GLOBAL];

/* The slot of an attribute's name; WEIR_WORDS_UNRESOLVED when it has none. */
uint8_t weir_words_slot(struct weir_str name);

/* enum weir_words_header; OTHER for what is not looked for. */
uint8_t weir_words_header(struct weir_str name);

/* The type that a known slot has, enum weir_words_type; 0 of all others. */
extern const uint8_t weir_words_types[256];

#endif

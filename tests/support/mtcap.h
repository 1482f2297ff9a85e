/* mtcap: reads captures of real senders: a line of JSON, `len` raw bytes, a
 * newline; again. Kinds: capture, conn, open, msg, close (gRPC) and http. */
#ifndef WEIR_TESTS_MTCAP_H
#define WEIR_TESTS_MTCAP_H

#include <stdint.h>

#include "base/str.h"

struct weir_mtcap;

struct weir_mtcap_record {        /* texts and payload live as long as the capture is open */
	struct weir_str kind;     /* "msg" */
	struct weir_str method;   /* "/package.Service/Method", or "POST /path" */
	struct weir_str encoding; /* msg, open: `enc`; http: content-encoding */
	struct weir_str content_type;
	struct weir_str payload;
	int64_t t_ns;     /* since the start of the capture */
	int64_t start_ns; /* of a `capture` record: wall clock of t = 0 */
	uint32_t conn, stream, seq;
};

enum { WEIR_MTCAP_END = 1 };

int weir_mtcap_open(const char *path, struct weir_mtcap **ret_mtcap);
void weir_mtcap_close(struct weir_mtcap *mtcap);
/* 0, WEIR_MTCAP_END, or -EBADMSG. */
int weir_mtcap_next(struct weir_mtcap *mtcap, struct weir_mtcap_record *ret_record);
void weir_mtcap_rewind(struct weir_mtcap *mtcap);

#endif

/* coding: gzip in and out with zlib; see the header.
 *
 * A reader is in one of three states: between members (`is_ended`, or at the
 * very beginning `is_empty`), inside a member, or closed. Bytes behind a member
 * begin the next one; a text may end only between members, and not empty.
 *
 * Invariants: 1. out->length <= limit after every call, whatever comes in.
 * 2. At most one step of STEP_BYTES is reserved beyond what is kept. */
#include "serve/coding.h"

#include <errno.h>

#define STEP_BYTES 32768u
#define ANY_HEADER (15 + 32) /* zlib's spelling of "gzip or zlib, look yourself" */
#define GZIP_HEADER (15 + 16)

int weir_coding_open(struct weir_coding *coding)
{
	if (coding->is_open) {
		inflateReset(&coding->stream);
	} else {
		coding->stream = (z_stream){ 0 };
		if (inflateInit2(&coding->stream, ANY_HEADER) != Z_OK) {
			return -ENOMEM;
		}
		coding->is_open = true;
	}
	coding->is_ended = false;
	coding->is_empty = true;
	return 0;
}

void weir_coding_close(struct weir_coding *coding)
{
	if (coding->is_open) {
		inflateEnd(&coding->stream);
		coding->is_open = false;
	}
}

/* One turn of inflate: at most STEP_BYTES out, never beyond the limit but for
 * the one byte that proves there is more. */
static int step(struct weir_coding *coding, size_t limit, struct weir_buf *out)
{
	size_t room = limit - out->length + 1;
	char *at;
	int code;

	if (room > STEP_BYTES) {
		room = STEP_BYTES;
	}
	at = weir_buf_reserve(out, room);
	if (at == NULL) {
		return weir_buf_error(out) == -EFBIG ? WEIR_CODING_TOO_LARGE : weir_buf_error(out);
	}
	coding->stream.next_out = (Bytef *)at;
	coding->stream.avail_out = (uInt)room;
	code = inflate(&coding->stream, Z_NO_FLUSH);
	if (room - coding->stream.avail_out > limit - out->length) {
		return WEIR_CODING_TOO_LARGE;
	}
	weir_buf_advance(out, room - coding->stream.avail_out);
	coding->is_ended = code == Z_STREAM_END;
	if (code == Z_MEM_ERROR) {
		return -ENOMEM;
	}
	return code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR ? 0 : WEIR_CODING_MALFORMED;
}

int weir_coding_read(struct weir_coding *coding, struct weir_str piece, size_t limit, struct weir_buf *out)
{
	coding->stream.next_in = (const Bytef *)piece.data;
	coding->stream.avail_in = (uInt)piece.length;
	while (coding->stream.avail_in > 0 ||
		(coding->stream.avail_out == 0 && !coding->is_empty && !coding->is_ended)) {
		uInt before = coding->stream.avail_in;
		int outcome;

		if (coding->is_ended) {
			inflateReset(&coding->stream);
		}
		coding->is_empty = false;
		outcome = step(coding, limit, out);
		if (outcome != 0) {
			return outcome;
		}
		/* Input left, room left, no progress. (Without input it is only asked whether more comes of what it had.) */
		if (before > 0 && coding->stream.avail_in == before && coding->stream.avail_out > 0 &&
			!coding->is_ended) {
			return WEIR_CODING_MALFORMED;
		}
	}
	return 0;
}

int weir_coding_finish(const struct weir_coding *coding)
{
	return coding->is_ended ? 0 : WEIR_CODING_MALFORMED;
}

int weir_coding_gzip(struct weir_str text, struct weir_buf *out)
{
	z_stream stream = { 0 };
	size_t bound;
	char *at;
	int code;

	if (deflateInit2(&stream, 1, Z_DEFLATED, GZIP_HEADER, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		return -ENOMEM;
	}
	bound = deflateBound(&stream, (uLong)text.length);
	at = weir_buf_reserve(out, bound);
	if (at == NULL) {
		deflateEnd(&stream);
		return weir_buf_error(out);
	}
	stream.next_in = (const Bytef *)text.data;
	stream.avail_in = (uInt)text.length;
	stream.next_out = (Bytef *)at;
	stream.avail_out = (uInt)bound;
	code = deflate(&stream, Z_FINISH);
	weir_buf_advance(out, bound - stream.avail_out);
	deflateEnd(&stream);
	return code == Z_STREAM_END ? 0 : -EFBIG;
}

/* "gzip;q=0" and "*;q=0.000" say no. */
static bool is_refused(struct weir_str parameters)
{
	struct weir_str name = weir_str_trim(weir_str_cut(&parameters, '='));
	struct weir_str value = weir_str_trim(parameters);

	if (!weir_str_equal_ignoring_case(name, "q") || value.length == 0) {
		return false;
	}
	for (size_t i = 0; i < value.length; i++) {
		if (value.data[i] != '0' && value.data[i] != '.') {
			return false;
		}
	}
	return true;
}

bool weir_coding_accepts_gzip(struct weir_str accept_encoding)
{
	bool is_any_accepted = false;

	while (accept_encoding.length > 0) {
		struct weir_str parameters = weir_str_cut(&accept_encoding, ',');
		struct weir_str name = weir_str_trim(weir_str_cut(&parameters, ';'));

		if (weir_str_equal_ignoring_case(name, "gzip") || weir_str_equal_ignoring_case(name, "x-gzip")) {
			return !is_refused(parameters);
		}
		if (weir_str_is(name, "*")) {
			is_any_accepted = !is_refused(parameters);
		}
	}
	return is_any_accepted;
}

/* http_pack: a body of hundreds of megabytes in the memory of its gzip.
 *
 *   handler ── 8 MiB and more in `body` ──▶ deflate ─▶ packed->out, `body` empty again
 *   answer  ── the rest ─────────────────▶ Z_FINISH
 *      client takes gzip ─▶ out, as it is
 *      else              ─▶ inflated again while it is sent, a block at a time
 *
 * A scrape of full tables is half a gigabyte of text, of which nineteen parts in
 * twenty are what the line before said too: packed it is small enough to wait
 * for a slow client, and nobody renders on the listener's thread.
 *
 * Invariants
 *  1. What was packed and then what is in `body` is the whole answer so far.
 *  2. out never exceeds PACKED_MOST: beyond, the body's fault says so and the
 *     answer is refused as one that does not fit.
 *
 * The handler's thread packs; libmicrohttpd's inflates. Never both at once. */
#include "serve/http_request.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "serve/coding.h"

#define PACK_FROM_BYTES (8u << 20) /* less is faster sent as it is */
#define PACKED_MOST (32u << 20)
#define BLOCK_BYTES (64u << 10)
#define GZIP_WINDOW 31 /* 15 bits, with gzip's header */

struct weir_http_packed {
	z_stream deflating, inflating;
	struct weir_buf out;
	uint64_t plain_bytes;
	bool is_finished, is_inflating;
};

static struct weir_http_packed *packed_create(void)
{
	struct weir_http_packed *packed = calloc(1, sizeof(*packed));

	if (packed != NULL &&
		deflateInit2(&packed->deflating, 1, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(packed);
		packed = NULL;
	}
	if (packed != NULL) {
		weir_buf_init(&packed->out, PACKED_MOST);
	}
	return packed;
}

void weir_http_packed_destroy(struct weir_http_packed *packed)
{
	if (packed != NULL) {
		if (!packed->is_finished) {
			deflateEnd(&packed->deflating);
		}
		if (packed->is_inflating) {
			inflateEnd(&packed->inflating);
		}
		weir_buf_fini(&packed->out);
		free(packed);
	}
}

/* Deflates the body and empties it. 0 or a fault. */
static int pack(struct weir_http_packed *packed, struct weir_buf *body, int flush)
{
	z_stream *stream = &packed->deflating;
	int code = Z_OK;

	packed->plain_bytes += body->length;
	stream->next_in = (const Bytef *)body->data;
	stream->avail_in = (uInt)body->length;
	do {
		char *at = weir_buf_reserve(&packed->out, BLOCK_BYTES);

		if (at == NULL) {
			return weir_buf_error(&packed->out);
		}
		stream->next_out = (Bytef *)at;
		stream->avail_out = BLOCK_BYTES;
		code = deflate(stream, flush);
		weir_assert(code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR);
		weir_buf_advance(&packed->out, BLOCK_BYTES - stream->avail_out);
	} while (stream->avail_out == 0 || (flush == Z_FINISH && code != Z_STREAM_END));
	weir_buf_clear(body);
	return 0;
}

void weir_http_response_pack(struct weir_http_response *response)
{
	if (response->body.length < PACK_FROM_BYTES || weir_buf_error(&response->body) != 0) {
		return;
	}
	if (response->packed == NULL) {
		response->packed = packed_create();
	}
	if (response->packed == NULL || pack(response->packed, &response->body, Z_NO_FLUSH) != 0) {
		response->body.error = -EFBIG; /* sticky: nothing more is taken, and the answer is refused */
	}
}

/* ---- sending -------------------------------------------------------------- */

static ssize_t block_read(void *ctx, uint64_t position, char *block, size_t size)
{
	struct weir_http_packed *packed = ctx;
	z_stream *stream = &packed->inflating;
	int code;

	(void)position; /* blocks are asked for in their order */
	stream->next_out = (Bytef *)block;
	stream->avail_out = (uInt)size;
	code = inflate(stream, Z_NO_FLUSH);
	if (code != Z_OK && code != Z_STREAM_END) {
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	return size == stream->avail_out ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t)(size - stream->avail_out);
}

static void block_end(void *ctx)
{
	weir_http_packed_destroy(ctx);
}

struct MHD_Response *weir_http_packed_answer(struct weir_http_response *response, bool is_gzip)
{
	struct weir_http_packed *packed = response->packed;
	struct MHD_Response *ready;

	if (pack(packed, &response->body, Z_FINISH) != 0) {
		return NULL;
	}
	deflateEnd(&packed->deflating);
	packed->is_finished = true;
	if (is_gzip) {
		ready = MHD_create_response_from_buffer(packed->out.length, packed->out.data, MHD_RESPMEM_MUST_FREE);
		if (ready != NULL) {
			weir_buf_init(&packed->out, 0); /* its bytes are libmicrohttpd's now */
			weir_http_packed_destroy(packed);
			response->packed = NULL;
		}
		return ready;
	}
	packed->inflating.next_in = (const Bytef *)packed->out.data;
	packed->inflating.avail_in = (uInt)packed->out.length;
	if (inflateInit2(&packed->inflating, GZIP_WINDOW) != Z_OK) {
		return NULL;
	}
	packed->is_inflating = true;
	ready = MHD_create_response_from_callback(packed->plain_bytes, BLOCK_BYTES, block_read, packed, block_end);
	if (ready != NULL) {
		response->packed = NULL;
	}
	return ready;
}

/* grpc_message: between the core's slices and our contiguous bytes.
 *
 * In: a message comes in slices of some kilobytes. One plain slice is used
 * where it lies; more are copied once into a buffer that the polling thread
 * reuses. A compressed message is inflated here and not by the core: the core
 * (1.51) inflates first and looks at the limit afterwards, so that 4 MB could
 * become 4 GB; ours stops at the limit.
 *
 * Out: status, trailers (google.rpc.Status with a RetryInfo) and body. */
#include "serve/grpc_call.h"

#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>

#include "base/stat.h"

#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

#define DETAILS_BYTES 512u
#define COMPRESS_BYTES 1024u
#define INLINE_BYTES 256u /* shorter bodies are cheaper copied than handed over */

static struct weir_str str_of_slice(const grpc_slice *slice)
{
	return weir_str_make((const char *)GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice));
}

static int inflate_all(struct weir_grpc_calls *calls, const grpc_slice_buffer *slices)
{
	int outcome = weir_coding_open(&calls->coding);

	for (size_t i = 0; i < slices->count && outcome == 0; i++) {
		outcome = weir_coding_read(
			&calls->coding, str_of_slice(&slices->slices[i]), calls->max_message_bytes, &calls->message);
	}
	if (outcome == 0) {
		outcome = weir_coding_finish(&calls->coding);
	}
	if (outcome == WEIR_CODING_TOO_LARGE) {
		return WEIR_GRPC_MESSAGE_TOO_LARGE;
	}
	if (outcome == WEIR_CODING_MALFORMED) {
		weir_stat_add(WEIR_STAT_MALFORMED_GZIP, 1);
		return WEIR_GRPC_MESSAGE_MALFORMED;
	}
	return outcome;
}

int weir_grpc_message_read(struct weir_grpc_calls *calls, const grpc_byte_buffer *payload, struct weir_str *ret_message)
{
	const grpc_slice_buffer *slices = &payload->data.raw.slice_buffer;
	bool is_plain = payload->data.raw.compression == GRPC_COMPRESS_NONE;
	int outcome;

	if (slices->length > calls->max_message_bytes) {
		return WEIR_GRPC_MESSAGE_TOO_LARGE;
	}
	if (is_plain && slices->count == 0) {
		*ret_message = weir_str_of("");
		return 0;
	}
	if (is_plain && slices->count == 1) {
		*ret_message = str_of_slice(&slices->slices[0]);
		return 0;
	}
	weir_buf_clear(&calls->message);
	if (!is_plain) {
		outcome = inflate_all(calls, slices);
		if (outcome != 0) {
			return outcome;
		}
	} else {
		weir_buf_reserve(&calls->message, slices->length);
		for (size_t i = 0; i < slices->count; i++) {
			weir_buf_add_str(&calls->message, str_of_slice(&slices->slices[i]));
		}
	}
	if (weir_buf_error(&calls->message) != 0) {
		return weir_buf_error(&calls->message);
	}
	*ret_message = weir_str_make(calls->message.data != NULL ? calls->message.data : "", calls->message.length);
	return 0;
}

/* google.rpc.Status { code, message, details: [RetryInfo] }, written into a slice. */
static grpc_slice details_of(const struct weir_grpc_answer *answer)
{
	char type[] = "type.googleapis.com/google.rpc.RetryInfo", message[256] = "";
	Google__Protobuf__Duration delay;
	Google__Protobuf__Any any, *details[1] = { &any };
	Google__Rpc__RetryInfo info;
	Google__Rpc__Status status;
	uint8_t packed[64], out[DETAILS_BYTES];

	google__protobuf__duration__init(&delay);
	google__protobuf__any__init(&any);
	google__rpc__retry_info__init(&info);
	google__rpc__status__init(&status);
	delay.seconds = answer->retry_delay_ms / 1000;
	delay.nanos = (int32_t)(answer->retry_delay_ms % 1000) * 1000000;
	info.retry_delay = &delay;
	any.type_url = type;
	any.value.len = google__rpc__retry_info__pack(&info, packed);
	any.value.data = packed;
	if (answer->message != NULL) {
		strncpy(message, answer->message, sizeof(message) - 1);
	}
	status.code = (int32_t)answer->code;
	status.message = message;
	status.n_details = 1;
	status.details = details;
	return grpc_slice_from_copied_buffer((const char *)out, google__rpc__status__pack(&status, out));
}

grpc_byte_buffer *weir_grpc_message_of(struct weir_buf *body)
{
	grpc_byte_buffer *buffer;
	grpc_slice slice;

	if (body->length <= INLINE_BYTES) {
		slice = grpc_slice_from_copied_buffer(body->data != NULL ? body->data : "", body->length);
		weir_buf_fini(body);
	} else {
		slice = grpc_slice_new(body->data, body->length, free);
		weir_buf_init(body, 0);
	}
	buffer = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	return buffer;
}

uint32_t weir_grpc_message_flags(size_t bytes)
{
	return bytes < COMPRESS_BYTES ? GRPC_WRITE_NO_COMPRESS : 0;
}

grpc_op weir_grpc_message_begin(void)
{
	grpc_op op = { .op = GRPC_OP_SEND_INITIAL_METADATA };

	op.data.send_initial_metadata.maybe_compression_level.is_set = 1;
	op.data.send_initial_metadata.maybe_compression_level.level = GRPC_COMPRESS_LEVEL_MED; /* gzip, if it may */
	return op;
}

void weir_grpc_reply_init(struct weir_grpc_reply *ret_reply, struct weir_grpc_answer *answer)
{
	struct weir_grpc_reply reply = { .code = (grpc_status_code)answer->code, .message = grpc_empty_slice() };

	if (answer->code == WEIR_GRPC_OK) {
		reply.body = weir_grpc_message_of(&answer->body);
	} else {
		weir_buf_fini(&answer->body);
		if (answer->message != NULL) {
			reply.message = grpc_slice_from_copied_string(answer->message);
		}
	}
	if (answer->retry_delay_ms > 0) {
		reply.details.key = grpc_slice_from_static_string("grpc-status-details-bin");
		reply.details.value = details_of(answer);
		reply.details_count = 1;
	}
	*ret_reply = reply;
}

void weir_grpc_reply_fini(struct weir_grpc_reply *reply)
{
	if (reply->body != NULL) {
		grpc_byte_buffer_destroy(reply->body);
	}
	grpc_slice_unref(reply->message);
	if (reply->details_count > 0) {
		grpc_slice_unref(reply->details.value);
	}
	*reply = (struct weir_grpc_reply){ 0 };
}

/* als_bench: CPU time per access log entry of decode, of decode + finish, and
 * of the same with the pool packed, and thinned; and how large the batch is.
 *
 *   als_bench CAPTURE [MESSAGES]
 *
 * The entries of the busiest sender of a capture, 50 to a message as Envoy sends
 * them under load, decoded over and over; best of five. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cpu.h"
#include "decode/envoy/als.h"
#include "decode/envoy/thin.h"
#include "decode/wire.h"
#include "tests/support/mtcap.h"

#define ENTRIES 50u
#define MESSAGES 16u
#define STREAMS 256u
#define ROUNDS 5

struct stream {
	struct weir_buf entries; /* HTTP entries, each with its tag and length */
	uint32_t count;
	struct weir_str first; /* the message with the identifier */
};

static void die(const char *what)
{
	fprintf(stderr, "als_bench: %s\n", what);
	exit(1);
}

static void add_varint(struct weir_buf *buf, uint64_t value)
{
	for (; value >= 0x80; value >>= 7) {
		weir_buf_add_char(buf, (char)(value | 0x80));
	}
	weir_buf_add_char(buf, (char)value);
}

static void collect(struct stream *stream, struct weir_str message)
{
	struct weir_wire wire = weir_wire_of(message), logs;
	struct weir_wire_field field, entry;

	if (!stream->first.data) {
		stream->first = message;
	}
	while (weir_wire_next(&wire, &field)) {
		if (field.tag != (2 << 3 | WEIR_WIRE_BYTES)) {
			continue;
		}
		logs = weir_wire_of(field.bytes);
		while (weir_wire_next(&logs, &entry)) {
			add_varint(&stream->entries, 1 << 3 | WEIR_WIRE_BYTES);
			add_varint(&stream->entries, entry.bytes.length);
			weir_buf_add_str(&stream->entries, entry.bytes);
			stream->count++;
		}
	}
}

/* Cuts the sender's entries, over and over, into messages of ENTRIES. */
static void make_messages(const struct stream *stream, struct weir_buf *messages)
{
	struct weir_wire wire = weir_wire_of(weir_buf_str(&stream->entries));
	struct weir_wire_field entry;

	for (unsigned m = 0; m < MESSAGES; m++) {
		struct weir_buf logs;

		weir_buf_init(&logs, 0);
		for (unsigned i = 0; i < ENTRIES; i++) {
			if (!weir_wire_next(&wire, &entry)) {
				wire = weir_wire_of(weir_buf_str(&stream->entries));
				weir_wire_next(&wire, &entry);
			}
			add_varint(&logs, 1 << 3 | WEIR_WIRE_BYTES);
			add_varint(&logs, entry.bytes.length);
			weir_buf_add_str(&logs, entry.bytes);
		}
		weir_buf_init(&messages[m], 0);
		add_varint(&messages[m], 2 << 3 | WEIR_WIRE_BYTES);
		add_varint(&messages[m], logs.length);
		weir_buf_add_str(&messages[m], weir_buf_str(&logs));
		weir_buf_fini(&logs);
	}
}

enum mode { DECODE, FINISH, PACK, THIN, MODES };

static const char *const mode_names[] = { "decode", "decode + finish", "decode + pack + finish",
	"decode + thin + finish" };

static double run(struct weir_buf *messages, struct weir_envoy_sender *sender, struct weir_arena *arena, unsigned count,
	enum mode mode, uint32_t *ret_bytes)
{
	const struct weir_draft_head head = {
		.protocol = WEIR_PROTOCOL_ALS_V3, .signal = WEIR_SIGNAL_ACCESS_LOG, .source = sender->identity.node_id
	};
	double begin = cpu_ns();

	for (unsigned i = 0; i < count; i++) {
		const struct weir_batch *batch;
		struct weir_draft draft;

		weir_arena_reset(arena);
		weir_draft_init(&draft, arena, weir_buf_str(&messages[i % MESSAGES]));
		if (weir_als_decode(&draft, sender) != 0 || draft.offered != ENTRIES) {
			die("a message cannot be decoded");
		}
		if (mode == DECODE) {
			continue;
		}
		if (mode != FINISH) {
			(mode == PACK ? weir_als_pack : weir_als_thin)(&draft);
		}
		batch = weir_draft_finish(&draft, &head);
		if (!batch) {
			die("a message does not fit");
		}
		*ret_bytes = batch->size_bytes / ENTRIES;
	}
	return (cpu_ns() - begin) / ((double)count * ENTRIES);
}

int main(int argc, char **argv)
{
	static struct stream streams[STREAMS];
	static struct weir_buf messages[MESSAGES];
	unsigned count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 4000;
	struct weir_mtcap_record record;
	struct weir_envoy_sender sender;
	struct weir_mtcap *mtcap;
	struct weir_arena arena;
	struct weir_draft draft;
	size_t busiest = 0;

	if (argc < 2 || weir_mtcap_open(argv[1], &mtcap) != 0) {
		die("usage: als_bench CAPTURE [MESSAGES]");
	}
	while (weir_mtcap_next(mtcap, &record) == 0) {
		if (weir_str_is(record.kind, "msg") && record.stream < STREAMS) {
			collect(&streams[record.stream], record.payload);
		}
	}
	for (size_t i = 0; i < STREAMS; i++) {
		busiest = streams[i].count > streams[busiest].count ? i : busiest;
	}
	if (streams[busiest].count == 0) {
		die("no HTTP entry in the capture");
	}
	make_messages(&streams[busiest], messages);
	weir_arena_init(&arena, 4 << 20, 64 << 20);
	weir_envoy_sender_init(&sender);
	weir_draft_init(&draft, &arena, streams[busiest].first);
	if (weir_als_decode(&draft, &sender) != 0) {
		die("the first message cannot be decoded");
	}
	printf("%.*s: %u entries of the capture, %zu bytes each\n", (int)sender.identity.workload.length,
		sender.identity.workload.data, streams[busiest].count, messages[0].length / ENTRIES);
	for (enum mode mode = DECODE; mode < MODES; mode++) {
		uint32_t bytes = 0;
		double best = 0;

		for (int round = 0; round < ROUNDS; round++) {
			double ns = run(messages, &sender, &arena, count, mode, &bytes);

			best = round == 0 || ns < best ? ns : best;
		}
		printf("%s: %.0f ns an entry, %u bytes in the batch\n", mode_names[mode], best, bytes);
	}
	weir_envoy_sender_fini(&sender);
	weir_arena_fini(&arena);
	for (unsigned m = 0; m < MESSAGES; m++) {
		weir_buf_fini(&messages[m]);
	}
	for (size_t i = 0; i < STREAMS; i++) {
		weir_buf_fini(&streams[i].entries);
	}
	weir_mtcap_close(mtcap);
	return 0;
}

/* image: the fold's tables as bytes: an image holds all, a delta what changed
 * since the last cut.
 *
 *   blob:     head | section …            (sections: the essay in blob.c)
 *   head:     magic u32 | version u16 | kind u16 (0 delta, 1 image) | number u64 | length u64 | check u64
 *   sections: FOLD NAME SERI EDGE PAIR FLOW DIGE LEDG OWNE KNOW POIN LOGS TRAC, each once, in this order
 *
 * Each table writes its own payload; its format is in its essay. Values are
 * written as they are, not as differences. Texts are written once: a delta has
 * the new ones, everything else is numbers.
 *
 * Invariants
 *  1. Cuts are numbered; a delta applies to the state of the cut before it and
 *     to no other. An image applies to anything.
 *  2. Every byte is under a check, and all checks are verified before the
 *     first byte is applied.
 *  3. image, delta, delta … loaded in order give the tables of the last cut,
 *     and from there on the same behaviour: same digest, same future.
 *  4. At every cut the ledger closes.
 *  5. An image and its deltas are of the same metrics: with other rules the next
 *     cut is an image.
 *
 * Changing a payload: VERSION, and tests/golden. The versions before are read:
 * version 1 ends with LEDG, whose counts by reason were two and two, and its
 * FOLD has no flows' beginning; OWNE of version 2 does not say what was heard
 * when, and streams of deltas in its POIN remember their last time only; series
 * of versions before 4 were of fixed metrics and begin anew, and there is no
 * TRAC. What a version does not have is empty. */
#include "aggregate/fold.h"

#include <errno.h>
#include <string.h>

#include "aggregate/state.h"
#include "base/err.h"

#define MAGIC 0x464f4c44u /* "DLOF" as bytes */
#define VERSION 4u
#define VERSION_THIRD 3u
#define VERSION_SECOND 2u
#define VERSION_FIRST 1u
#define DELTAS_MAX 512u            /* so that a start never reads more */
#define IMAGE_BYTES_MIN (1u << 20) /* smaller images are not worth avoiding */

struct blob_head {
	uint32_t magic;
	uint16_t version, kind;
	uint64_t number, length, check;
};

_Static_assert(sizeof(struct blob_head) == 32, "the head has no holes");

enum section {
	FOLD,
	NAMES,
	SERIES,
	EDGES,
	PAIRS,
	FLOWS,
	DIGESTS,
	LEDGER,
	OWNERS,
	KNOWN,
	POINTS,
	LOGS,
	TRACES,
	SECTIONS
};

#define SECTIONS_FIRST OWNERS
#define SECTIONS_THIRD TRACES

static const char tags[SECTIONS][5] = { "FOLD", "NAME", "SERI", "EDGE", "PAIR", "FLOW", "DIGE", "LEDG", "OWNE", "KNOW",
	"POIN", "LOGS", "TRAC" };

static uint32_t tag_of(unsigned section)
{
	uint32_t tag;

	memcpy(&tag, tags[section], sizeof(tag));
	return tag;
}

static uint64_t head_check(const struct blob_head *head)
{
	struct blob_head bare = *head;

	bare.check = 0;
	return XXH3_64bits(&bare, sizeof(bare));
}

static void section_save(struct weir_fold *fold, unsigned section, bool all, struct weir_buf *buf)
{
	switch (section) {
	case FOLD:
		weir_blob_add_u64(buf, fold->opts.hash_seed);
		weir_blob_add_varint(buf, fold->watermark_ns);
		weir_blob_add_varint(buf, fold->replaced_utf8);
		weir_blob_add_varint(buf, fold->counters_since_ns);
		weir_blob_add_varint(buf, fold->flows.complete_since_ns);
		weir_blob_add_varint(buf, fold->flows.shortfall_bytes);
		weir_blob_add_varint(buf, fold->flows.shortfall_connections);
		break;
	case NAMES:
		weir_text_save(&fold->names, all, buf);
		break;
	case SERIES:
		weir_series_save(&fold->series, all, buf);
		break;
	case EDGES:
		weir_edges_save(&fold->edges, all, buf);
		break;
	case PAIRS:
		weir_slots_save(&fold->pairs.slots, all, buf);
		break;
	case FLOWS:
		weir_slots_save(&fold->flows.slots, all, buf);
		break;
	case DIGESTS:
		weir_slots_save(&fold->digests.slots, all, buf);
		break;
	case LEDGER:
		weir_ledger_save(&fold->ledger, all, buf);
		break;
	case OWNERS:
		weir_owners_save(&fold->owners, all, buf);
		break;
	case KNOWN:
		weir_slots_save(&fold->owners.slots, all, buf);
		break;
	case POINTS:
		weir_points_save(&fold->points, all, buf);
		break;
	case LOGS:
		weir_logs_save(&fold->logs, all, buf);
		break;
	default:
		weir_series_save(&fold->traces, all, buf);
		break;
	}
}

int weir_fold_cut(struct weir_fold *fold, bool as_image, struct weir_buf *ret_bytes)
{
	struct blob_head head = { .magic = MAGIC, .version = VERSION };
	size_t start = ret_bytes->length;

	weir_assert(weir_ledger_closes(&fold->ledger));
	as_image = as_image || fold->must_image;
	weir_buf_add(ret_bytes, &head, sizeof(head));
	for (unsigned i = 0; i < SECTIONS; i++) {
		size_t section = weir_blob_begin(ret_bytes, tag_of(i));

		section_save(fold, i, as_image, ret_bytes);
		weir_blob_end(ret_bytes, section);
	}
	fold->cut_number++;
	if (weir_buf_error(ret_bytes) != 0) {
		/* The tables think that they are saved: only an image can say what they hold. */
		fold->must_image = true;
		return weir_buf_error(ret_bytes);
	}
	head.kind = as_image;
	head.number = fold->cut_number;
	head.length = ret_bytes->length - start;
	head.check = head_check(&head);
	memcpy(ret_bytes->data + start, &head, sizeof(head));
	fold->image_bytes = as_image ? head.length : fold->image_bytes;
	fold->delta_bytes = as_image ? 0 : fold->delta_bytes + head.length;
	fold->delta_count = as_image ? 0 : fold->delta_count + 1;
	fold->must_image = false;
	return 0;
}

bool weir_fold_wants_image(const struct weir_fold *fold)
{
	uint64_t outweighs = fold->image_bytes > IMAGE_BYTES_MIN ? fold->image_bytes : IMAGE_BYTES_MIN;

	return fold->must_image || fold->delta_count >= DELTAS_MAX || fold->delta_bytes > outweighs;
}

static int fold_load(struct weir_fold *fold, struct weir_blob_reader *reader, unsigned version)
{
	uint64_t seed = weir_blob_u64(reader);

	if (seed != fold->opts.hash_seed && !reader->is_bad) {
		/* Nothing is in the tables but under the seed that they were made with. */
		if (fold->cut_number != 0 || fold->watermark_ns != 0) {
			return -EBADMSG;
		}
		fold->opts.hash_seed = seed;
		weir_fold_clear(fold);
	}
	fold->watermark_ns = weir_blob_varint(reader);
	fold->replaced_utf8 = weir_blob_varint(reader);
	fold->counters_since_ns = weir_blob_varint(reader);
	if (version == VERSION_FIRST) {
		weir_flows_begin(&fold->flows, fold->watermark_ns); /* what it forgot is not known */
		return 0;
	}
	fold->flows.complete_since_ns = weir_blob_varint(reader);
	fold->flows.shortfall_bytes = weir_blob_varint(reader);
	fold->flows.shortfall_connections = weir_blob_varint(reader);
	return 0;
}

static int section_load(struct weir_fold *fold, unsigned section, struct weir_blob_reader *reader, unsigned version)
{
	int error;

	switch (section) {
	case FOLD:
		error = fold_load(fold, reader, version);
		break;
	case NAMES:
		error = weir_text_load(&fold->names, reader);
		break;
	case SERIES:
		error = weir_series_load(&fold->series, reader);
		break;
	case EDGES:
		error = weir_edges_load(&fold->edges, reader);
		break;
	case PAIRS:
		error = weir_slots_load(&fold->pairs.slots, reader);
		weir_pairs_recount(&fold->pairs);
		break;
	case FLOWS:
		error = weir_slots_load(&fold->flows.slots, reader);
		break;
	case DIGESTS:
		error = weir_slots_load(&fold->digests.slots, reader);
		break;
	case LEDGER:
		error = weir_ledger_load(&fold->ledger, reader, version == VERSION_FIRST);
		break;
	case OWNERS:
		error = weir_owners_load(&fold->owners, reader, version > VERSION_SECOND, fold->watermark_ns);
		break;
	case KNOWN:
		error = weir_slots_load(&fold->owners.slots, reader);
		break;
	case POINTS:
		error = weir_points_load(&fold->points, reader);
		break;
	case LOGS:
		error = weir_logs_load(&fold->logs, reader);
		break;
	default:
		error = weir_series_load(&fold->traces, reader);
		break;
	}
	return error == 0 && (reader->is_bad || reader->at != reader->end) ? -EBADMSG : error;
}

static unsigned sections_of(const struct blob_head *head)
{
	return head->version == VERSION_FIRST   ? SECTIONS_FIRST
	       : head->version <= VERSION_THIRD ? SECTIONS_THIRD
						: SECTIONS;
}

/* Head and all sections are whole; fills where their payloads are. */
static bool is_whole(struct weir_str bytes, struct blob_head *ret_head, struct weir_blob_reader payloads[SECTIONS])
{
	struct weir_blob_reader reader = { .at = (const unsigned char *)bytes.data };
	uint32_t tag;

	if (bytes.length < sizeof(*ret_head)) {
		return false;
	}
	memcpy(ret_head, bytes.data, sizeof(*ret_head));
	if (ret_head->magic != MAGIC || ret_head->version > VERSION || ret_head->version < VERSION_FIRST ||
		ret_head->kind > 1 || ret_head->length != bytes.length || ret_head->check != head_check(ret_head)) {
		return false;
	}
	reader.end = reader.at + bytes.length;
	reader.at += sizeof(*ret_head);
	for (unsigned i = 0; i < sections_of(ret_head); i++) {
		if (!weir_blob_section(&reader, &tag, &payloads[i]) || tag != tag_of(i)) {
			return false;
		}
	}
	return reader.at == reader.end;
}

int weir_fold_load(struct weir_fold *fold, struct weir_str bytes)
{
	struct weir_blob_reader payloads[SECTIONS];
	struct blob_head head;
	int error = 0;

	if (!is_whole(bytes, &head, payloads) || (head.kind == 0 && head.number != fold->cut_number + 1)) {
		weir_fold_clear(fold);
		return -EBADMSG;
	}
	if (head.kind == 1) {
		weir_fold_clear(fold);
	}
	for (unsigned i = 0; i < sections_of(&head) && error == 0; i++) {
		payloads[i].version = head.version;
		error = section_load(fold, i, &payloads[i], head.version);
	}
	if (error != 0) {
		weir_fold_clear(fold);
		return error;
	}
	fold->cut_number = head.number;
	fold->image_bytes = head.kind == 1 ? head.length : fold->image_bytes;
	fold->delta_bytes = head.kind == 1 ? 0 : fold->delta_bytes + head.length;
	fold->delta_count = head.kind == 1 ? 0 : fold->delta_count + 1;
	return 0;
}

void weir_fold_load_end(struct weir_fold *fold)
{
	fold->must_image = weir_series_begin(&fold->series, weir_fold_since(fold)) || fold->must_image;
	fold->must_image = weir_series_begin(&fold->traces, weir_fold_since(fold)) || fold->must_image;
}

void weir_fold_digest(const struct weir_fold *fold, uint8_t ret_digest[16])
{
	const uint64_t own[6] = { fold->watermark_ns, fold->replaced_utf8, fold->counters_since_ns,
		fold->flows.complete_since_ns, fold->flows.shortfall_bytes, fold->flows.shortfall_connections };
	XXH3_state_t *state = XXH3_createState();
	XXH128_canonical_t canonical;

	weir_assert(state != NULL);
	XXH3_128bits_reset(state);
	XXH3_128bits_update(state, own, sizeof(own));
	weir_text_digest(&fold->names, state);
	weir_series_digest(&fold->series, state);
	weir_edges_digest(&fold->edges, state);
	weir_slots_digest(&fold->pairs.slots, state);
	weir_slots_digest(&fold->flows.slots, state);
	weir_slots_digest(&fold->digests.slots, state);
	weir_ledger_digest(&fold->ledger, state);
	weir_owners_digest(&fold->owners, state);
	weir_slots_digest(&fold->owners.slots, state);
	weir_points_digest(&fold->points, state);
	weir_logs_digest(&fold->logs, state);
	weir_series_digest(&fold->traces, state);
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
	XXH3_freeState(state);
	memcpy(ret_digest, canonical.digest, 16);
}

/* template_als: access log messages out of captured entries, with fresh times
 * and request ids. The entries are as a real Envoy wrote them; only start_time's
 * seconds and the request's and stream's ids (36 characters each) are marks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decode/wire.h"
#include "tests/bench/template.h"
#include "tests/support/mtcap.h"

#define ENTRIES_MAX 1024u

struct entries {
	struct weir_str identifier; /* the bytes of the first message's field 1 */
	struct weir_str items[ENTRIES_MAX];
	uint32_t count;
};

/* The finished HTTP entries of one stream of the capture. */
static void entries_add(struct entries *entries, struct weir_str message)
{
	struct weir_wire wire = weir_wire_of(message), inner;
	struct weir_wire_field field, entry;

	while (weir_wire_next(&wire, &field)) {
		if (field.number == 1) {
			entries->identifier = field.bytes;
		}
		if (field.number != 2) {
			continue;
		}
		inner = weir_wire_of(field.bytes);
		while (weir_wire_next(&inner, &entry)) {
			if (entry.number == 1 && entries->count < ENTRIES_MAX) {
				entries->items[entries->count++] = entry.bytes;
			}
		}
	}
}

static int entries_read(struct weir_mtcap *mtcap, struct entries *entries)
{
	struct weir_mtcap_record record;
	uint32_t stream = 0;
	int r;

	while ((r = weir_mtcap_next(mtcap, &record)) == 0) {
		if (!weir_str_is(record.kind, "msg") || (stream != 0 && record.stream != stream)) {
			continue;
		}
		if (stream == 0) { /* the first stream whose first message has HTTP entries */
			entries_add(entries, record.payload);
			stream = entries->count > 0 ? record.stream : 0;
		} else {
			entries_add(entries, record.payload);
		}
	}
	return r == WEIR_MTCAP_END && entries->count > 0 ? 0 : -EBADMSG;
}

/* Finds the places of one entry that already lies in the template's body. */
static void entry_mark(struct weir_template *template, struct weir_str entry, uint64_t n)
{
	const char *base = template->body.data;
	struct weir_wire wire = weir_wire_of(entry), inner, time;
	struct weir_wire_field field, part, seconds;

	while (weir_wire_next(&wire, &field)) {
		if (field.number != 1 && field.number != 3) {
			continue;
		}
		inner = weir_wire_of(field.bytes);
		while (weir_wire_next(&inner, &part)) {
			bool is_id =
				(field.number == 1 && part.number == 26) || (field.number == 3 && part.number == 9);

			if (is_id && part.bytes.length == 36) {
				weir_template_mark(template, (uint32_t)(part.bytes.data - base), WEIR_MARK_UUID, n);
			}
			if (field.number == 1 && part.number == 5) {
				time = weir_wire_of(part.bytes);
				if (weir_wire_next(&time, &seconds) && seconds.number == 1 &&
					time.at - (const uint8_t *)part.bytes.data == 6) {
					weir_template_mark(
						template, (uint32_t)(part.bytes.data + 1 - base), WEIR_MARK_SECONDS, n);
				}
			}
		}
	}
}

static void encode(const struct entries *entries, uint32_t first, uint32_t batch, struct weir_template *template)
{
	struct weir_buf list;
	struct weir_wire wire;
	struct weir_wire_field field;
	uint64_t n = 0;

	weir_buf_init(&list, 0);
	for (uint32_t i = 0; i < batch; i++) {
		struct weir_str entry = entries->items[(first + i) % entries->count];

		weir_template_head(&list, 1, entry.length);
		weir_buf_add_str(&list, entry);
	}
	weir_template_head(&template->body, 2, list.length);
	weir_buf_add_str(&template->body, weir_buf_str(&list));
	wire = weir_wire_of(weir_str_make(template->body.data + template->body.length - list.length, list.length));
	while (weir_wire_next(&wire, &field)) {
		entry_mark(template, field.bytes, (uint64_t)first << 20 | n++);
	}
	weir_template_head(&template->identifier, 1, entries->identifier.length);
	weir_buf_add_str(&template->identifier, entries->identifier);
	template->items = batch;
	weir_buf_fini(&list);
}

int weir_template_make_als(const char *capture, uint32_t batch, uint32_t count, struct weir_template *templates)
{
	struct entries *entries = calloc(1, sizeof(*entries));
	struct weir_mtcap *mtcap = NULL;
	int r = entries == NULL ? -ENOMEM : weir_mtcap_open(capture, &mtcap);

	r = r < 0 ? r : entries_read(mtcap, entries);
	for (uint32_t i = 0; r == 0 && i < count; i++) {
		encode(entries, i * batch, batch, &templates[i]);
	}
	weir_mtcap_close(mtcap);
	free(entries);
	return r;
}

/* point: from a metric point to its series.
 *
 *   instrument (resource, scope, name, kind, naming) ─▶ prefix ┐
 *   attributes ────────────────────────────────────────────────┴▶ key ─▶ stream ─▶ series
 *
 * A key is 128 bits, hashed with the database's seed; the attributes' hashes
 * are added up, so their order does not matter. Names and labels are made when
 * a stream is new, never again: a known point costs its hashes, one look and
 * the addition.
 *
 * A stream is one sender's; its resource is told by service.instance.id, if it
 * has one, else by all its attributes. What streams do to a series is in
 * point_cell.c, their table and their lives are in point_stream.c. target_info is a series too: one for each job and instance, the
 * latest; the one before it gets the value 0, which is not shown.
 *
 * A proxy's own istio_* move their series only while they own (owner.c), and its
 * counters of what it sent feed completeness.
 *
 * Invariants
 *  1. Each point moves its stream, or is counted in late, in the families'
 *     overflowed or conflicting.
 *  2. At most max_streams streams: twice the budget of series, so that growth
 *     is known for some of what overflows, too.
 *
 * Save: families; late; each dirty stream: number, key, series, times, raw. */
#include "aggregate/point.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define CHUNK_BYTES 512u

void weir_points_init(struct weir_points *points, struct weir_owners *owners, uint32_t max_series, uint64_t seed)
{
	*points = (struct weir_points){ .owners = owners, .seed = seed, .max_streams = max_series * 2 };
	weir_families_init(&points->families, max_series, seed);
	weir_buf_init(&points->text, 0);
	weir_buf_init(&points->name, 0);
}

void weir_points_fini(struct weir_points *points)
{
	weir_families_fini(&points->families);
	for (uint32_t i = 0; i < points->count; i++) {
		free(points->streams[i].raw);
	}
	free(points->streams);
	free(points->buckets);
	free(points->dirty);
	free(points->prefixes);
	weir_buf_fini(&points->text);
	weir_buf_fini(&points->name);
	points->streams = NULL;
	points->buckets = NULL;
	points->dirty = NULL;
	points->prefixes = NULL;
	points->count = points->capacity = points->bucket_count = points->prefix_capacity = 0;
}

void weir_points_clear(struct weir_points *points)
{
	uint32_t max_series = points->families.max_series;
	struct weir_owners *owners = points->owners;
	uint64_t seed = points->seed;

	weir_points_fini(points);
	weir_points_init(points, owners, max_series, seed);
}

/* ---- keys --------------------------------------------------------------- */

static void key_add(struct weir_point_key *key, XXH128_hash_t hash)
{
	key->low += hash.low64;
	key->high += hash.high64;
}

static void key_chain_ref(struct weir_point_key *key, const struct weir_batch *batch, struct weir_ref ref)
{
	weir_point_key_chain(key, weir_batch_at(batch, ref.offset), ref.length);
}

static XXH128_hash_t attr_hash(
	const struct weir_points *points, const struct weir_batch *batch, const struct weir_attr *attr)
{
	bool is_text = attr->type == WEIR_ATTR_STRING || attr->type == WEIR_ATTR_BYTES || attr->type == WEIR_ATTR_JSON;
	uint32_t length = is_text ? attr->value.text.length : (uint32_t)sizeof(attr->value.number);
	const void *value = is_text ? weir_batch_at(batch, attr->value.text.offset) : &attr->value.number;
	char bytes[CHUNK_BYTES];
	const uint32_t head[2] = { attr->type, attr->key.length };
	XXH128_hash_t hash;

	length = attr->type == WEIR_ATTR_EMPTY ? 0 : length;
	if (sizeof(head) + attr->key.length + length <= sizeof(bytes)) {
		memcpy(bytes, head, sizeof(head));
		memcpy(bytes + sizeof(head), weir_batch_at(batch, attr->key.offset), attr->key.length);
		if (length > 0) {
			memcpy(bytes + sizeof(head) + attr->key.length, value, length);
		}
		return XXH3_128bits_withSeed(bytes, sizeof(head) + attr->key.length + length, points->seed);
	}
	hash = XXH3_128bits_withSeed(weir_batch_at(batch, attr->key.offset), attr->key.length, points->seed);
	return XXH3_128bits_withSeed(value, length, hash.low64 ^ attr->type);
}

static void attrs_hash(const struct weir_points *points, const struct weir_batch *batch, uint32_t first, uint32_t count,
	struct weir_point_key *key)
{
	const struct weir_attr *attrs = weir_batch_attrs(batch) + first;

	for (uint32_t i = 0; i < count; i++) {
		key_add(key, attr_hash(points, batch, &attrs[i]));
	}
}

/* Who it is, as far as its points are concerned. */
static struct weir_point_key resource_key(
	const struct weir_points *points, const struct weir_batch *batch, const struct weir_resource *resource)
{
	const struct weir_attr *instance =
		weir_passthrough_attr(batch, resource->attr_first, resource->attr_count, "service.instance.id");
	const struct weir_attr *namespace_ =
		weir_passthrough_attr(batch, resource->attr_first, resource->attr_count, "service.namespace");
	struct weir_point_key key = { points->seed, 1 };

	key_chain_ref(&key, batch, resource->service);
	key_chain_ref(&key, batch, resource->proxy);
	if (instance == NULL) {
		attrs_hash(points, batch, resource->attr_first, resource->attr_count, &key);
		return key;
	}
	key_add(&key, attr_hash(points, batch, instance));
	if (namespace_ != NULL) {
		key_add(&key, attr_hash(points, batch, namespace_));
	}
	return key;
}

static struct weir_point_key prefix_of(struct weir_points *points, const struct weir_batch *batch, uint32_t number)
{
	struct weir_point_prefix *prefix = &points->prefixes[number];
	const struct weir_instrument *instrument = &weir_batch_instruments(batch)[number];
	const struct weir_resource *resource = &weir_batch_resources(batch)[instrument->resource];
	const uint8_t kind[4] = { instrument->kind, instrument->temporality, instrument->is_monotonic,
		instrument->naming };
	struct weir_point_key key;

	if (!prefix->is_known) {
		key = resource_key(points, batch, resource);
		key_chain_ref(&key, batch, resource->scope_name);
		key_chain_ref(&key, batch, resource->scope_version);
		key_chain_ref(&key, batch, instrument->name);
		key_chain_ref(&key, batch, instrument->unit);
		weir_point_key_chain(&key, kind, sizeof(kind));
		*prefix = (struct weir_point_prefix){ key.low, key.high, true };
	}
	return (struct weir_point_key){ prefix->low, prefix->high };
}

/* ---- what a new stream feeds -------------------------------------------- */

static bool is_admin(const struct weir_batch *batch, const struct weir_point *point, struct weir_str name)
{
	const struct weir_attr *prefix =
		weir_passthrough_attr(batch, point->attr_first, point->attr_count, "envoy.http_conn_manager_prefix");

	return weir_str_starts_with(name, "http.admin.") ||
	       (prefix != NULL && prefix->type == WEIR_ATTR_STRING &&
		       weir_str_is(weir_batch_str(batch, prefix->value.text), "admin"));
}

/* Envoy's counters of what it sent, with tags in the name or beside it. */
static void measure_find(struct weir_point_stream *stream, const struct weir_point_at *at)
{
	struct weir_str name = weir_batch_str(at->batch, at->instrument->name);
	unsigned measure = WEIR_MEASURES;

	if (at->instrument->naming != WEIR_NAMING_ENVOY || at->instrument->kind != WEIR_INSTRUMENT_SUM ||
		!at->instrument->is_monotonic) {
		return;
	}
	if (weir_str_starts_with(name, "access_logs.grpc_access_log.")) {
		measure = WEIR_MEASURE_ACCESS_LOGS;
	} else if (weir_str_starts_with(name, "access_logs.open_telemetry_access_log.")) {
		measure = WEIR_MEASURE_LOGS;
	} else if (weir_str_starts_with(name, "http.") && weir_str_ends_with(name, ".downstream_rq_completed") &&
		   !is_admin(at->batch, at->point, name)) {
		measure = WEIR_MEASURE_REQUESTS;
	} else if (weir_str_starts_with(name, "tracing.") && weir_str_ends_with(name, ".spans_sent")) {
		measure = WEIR_MEASURE_SPANS;
	}
	if (measure == WEIR_MEASURE_ACCESS_LOGS || measure == WEIR_MEASURE_LOGS) {
		stream->is_dropped = weir_str_ends_with(name, ".logs_dropped");
		measure = stream->is_dropped || weir_str_ends_with(name, ".logs_written") ? measure : WEIR_MEASURES;
	}
	stream->measure = measure < WEIR_MEASURES ? (uint8_t)(measure + 1) : 0;
}

/* Istio's metrics of the proxy itself: whose side they tell of. */
static void gate_find(struct weir_point_stream *stream, const struct weir_point_at *at)
{
	static const char *const reporters[WEIR_OWNER_SIDES] = { "source", "destination", "waypoint" };
	const struct weir_attr *reporter =
		weir_passthrough_attr(at->batch, at->point->attr_first, at->point->attr_count, "reporter");

	if (at->instrument->naming != WEIR_NAMING_VERBATIM || reporter == NULL || reporter->type != WEIR_ATTR_STRING ||
		!weir_str_starts_with(weir_batch_str(at->batch, at->instrument->name), "istio_")) {
		return;
	}
	for (unsigned i = 0; i < WEIR_OWNER_SIDES; i++) {
		if (weir_str_is(weir_batch_str(at->batch, reporter->value.text), reporters[i])) {
			stream->gate = (uint8_t)(i + 1);
		}
	}
}

static uint32_t series_find(struct weir_points *points, const struct weir_point_at *at)
{
	struct weir_families *families = &points->families;
	struct weir_family_wish wish = { .created_ns = at->created_ns };
	struct weir_str name;

	weir_buf_clear(&points->name);
	weir_passthrough_name(at->batch, at->instrument, &points->name);
	name = weir_buf_str(&points->name);
	if (!weir_passthrough_is_free(name)) {
		families->conflicting++;
		return WEIR_NONE;
	}
	weir_buf_clear(&points->text);
	weir_passthrough_help(at->batch, at->instrument, &points->text);
	wish.family =
		weir_families_find(families, name, weir_buf_str(&points->text), weir_passthrough_type(at->instrument));
	if (wish.family == WEIR_NONE || !weir_point_cell_shape(families, at, &wish)) {
		return WEIR_NONE;
	}
	weir_buf_clear(&points->text);
	weir_passthrough_labels(at->batch, at->instrument, at->point, &points->text);
	wish.labels = weir_buf_str(&points->text);
	return weir_families_series(families, &wish);
}

/* The stream of this point, made when it is new; WEIR_NONE: there are too many. */
static uint32_t stream_of(struct weir_points *points, struct weir_point_at *at, struct weir_point_key key)
{
	uint32_t number = weir_point_stream_find(points, key);
	struct weir_point_stream *stream;

	if (number != WEIR_NONE) {
		return number;
	}
	number = weir_point_stream_make(points, key);
	if (number == WEIR_NONE) {
		return WEIR_NONE;
	}
	stream = &points->streams[number];
	stream->series = at->point->attr_count <= WEIR_PASSTHROUGH_ATTRS_MAX ? series_find(points, at) : WEIR_NONE;
	gate_find(stream, at);
	measure_find(stream, at);
	if (stream->gate != 0 || stream->measure != 0) {
		stream->owner = weir_owners_row(
			points->owners, at->batch, weir_batch_resources(at->batch)[at->instrument->resource].proxy);
	}
	at->is_first = true;
	weir_point_stream_touch(points, number);
	return number;
}

static void measure_move(struct weir_points *points, const struct weir_point_at *at, uint64_t more)
{
	const struct weir_point_stream *stream = at->stream;
	enum weir_measure measure = (enum weir_measure)(stream->measure - 1);

	if (stream->is_dropped) {
		weir_owners_dropped(points->owners, stream->owner, measure, more, at->is_first, at->now_ns);
	} else {
		weir_owners_sent(points->owners, stream->owner, measure, more, at->is_first, at->now_ns);
	}
}

static void point_fold(struct weir_points *points, struct weir_point_at *at, struct weir_point_key key)
{
	uint32_t number = stream_of(points, at, key);
	uint64_t more, overflowed;

	if (number == WEIR_NONE) {
		points->families.overflowed++;
		return;
	}
	number = weir_point_stream_life(points, at, key, number);
	at->stream = &points->streams[number];
	at->is_first = !at->stream->is_known;
	at->is_counted = at->stream->gate == 0 || weir_owners_own(points->owners, at->stream->owner,
							  at->stream->gate - 1u, at->point->time_ns, at->now_ns);
	if (at->stream->series == WEIR_NONE || points->families.series[at->stream->series].is_overflow) {
		points->families.overflowed++;
	}
	overflowed = points->families.overflowed;
	if (!weir_point_cell_apply(&points->families, at, &more)) {
		points->late += at->stream->series != WEIR_NONE && points->families.overflowed == overflowed;
		return;
	}
	if (at->stream->measure != 0) {
		measure_move(points, at, more);
	}
	at->stream->is_known = true;
	weir_point_stream_touch(points, number);
}

/* ---- target_info -------------------------------------------------------- */

/* The resource's attributes as a series of value 1; what was said before of
 * the same job and instance gets 0. */
static void target_fold(struct weir_points *points, const struct weir_batch *batch,
	const struct weir_resource *resource, uint64_t created_ns)
{
	struct weir_families *families = &points->families;
	struct weir_family_wish wish = {
		.cell = WEIR_CELL_NUMBER, .word_count = WEIR_NUMBER_WORDS, .created_ns = created_ns
	};
	struct weir_point_key key = { points->seed, 2 };
	uint32_t number, series;
	bool is_told;

	weir_buf_clear(&points->text);
	weir_passthrough_identity(batch, resource, WEIR_NAMING_OTEL, &points->text);
	weir_point_key_chain(&key, points->text.data, points->text.length);
	weir_buf_clear(&points->text);
	is_told = weir_passthrough_target(batch, resource, &points->text);
	if (!is_told) {
		return;
	}
	wish.labels = weir_buf_str(&points->text);
	wish.family = weir_families_find(families, weir_str_of(WEIR_PASSTHROUGH_TARGET),
		weir_str_of("Attributes of the resource."), WEIR_EXPOSED_GAUGE);
	number = weir_point_stream_find(points, key);
	number = number == WEIR_NONE ? weir_point_stream_make(points, key) : number;
	series = wish.family == WEIR_NONE ? WEIR_NONE : weir_families_series(families, &wish);
	if (number == WEIR_NONE || series == WEIR_NONE || points->streams[number].series == series) {
		return;
	}
	if (points->streams[number].series != WEIR_NONE) {
		families->series[points->streams[number].series].words[WEIR_NUMBER_WHOLE] = 0;
		weir_families_touch(families, points->streams[number].series);
	}
	families->series[series].words[WEIR_NUMBER_WHOLE] = 1;
	weir_families_touch(families, series);
	points->streams[number].series = series;
	weir_point_stream_touch(points, number);
}

/* A resource is told once in a batch, by the first of its instruments. */
static void targets_fold(struct weir_points *points, const struct weir_batch *batch, uint64_t created_ns)
{
	const struct weir_instrument *instruments = weir_batch_instruments(batch);
	uint32_t known = WEIR_NONE;

	for (uint32_t i = 0; i < batch->instruments.count; i++) {
		if (instruments[i].resource == known || instruments[i].naming != WEIR_NAMING_OTEL) {
			continue;
		}
		known = instruments[i].resource;
		target_fold(points, batch, &weir_batch_resources(batch)[known], created_ns);
	}
}

/* ---- a batch ------------------------------------------------------------ */

void weir_points_fold(struct weir_points *points, const struct weir_batch *batch, uint64_t created_ns, uint64_t now_ns)
{
	const struct weir_point *rows = weir_batch_points(batch);
	uint32_t instruments = batch->instruments.count;

	if (instruments > points->prefix_capacity) {
		free(points->prefixes);
		points->prefixes = malloc(instruments * sizeof(*points->prefixes));
		weir_assert(points->prefixes != NULL); /* bounded by the batch, hence by ring/8 */
		points->prefix_capacity = instruments;
	}
	for (uint32_t i = 0; i < instruments; i++) {
		points->prefixes[i].is_known = false;
	}
	targets_fold(points, batch, created_ns);
	for (uint32_t i = 0; i < batch->points.count; i++) {
		struct weir_point_key key = prefix_of(points, batch, rows[i].instrument);
		struct weir_point_at at = { .batch = batch,
			.instrument = &weir_batch_instruments(batch)[rows[i].instrument],
			.point = &rows[i],
			.created_ns = created_ns,
			.now_ns = now_ns };

		attrs_hash(points, batch, rows[i].attr_first, rows[i].attr_count, &key);
		point_fold(points, &at, key);
	}
}

/* ---- save and load ------------------------------------------------------ */

static void stream_save(const struct weir_points *points, uint32_t number, struct weir_buf *buf)
{
	const struct weir_point_stream *stream = &points->streams[number];

	weir_blob_add_varint(buf, number);
	weir_blob_add_u64(buf, stream->low);
	weir_blob_add_u64(buf, stream->high);
	weir_blob_add_varint(buf, stream->series == WEIR_NONE ? 0 : stream->series);
	weir_blob_add_varint(buf, stream->owner);
	weir_blob_add_varint(buf, (uint64_t)stream->gate << 6 | (uint64_t)stream->measure << 2 |
					  (uint64_t)stream->is_dropped << 1 | stream->is_known);
	weir_blob_add_varint(buf, stream->start_ns);
	weir_blob_add_varint(buf, stream->time_ns);
	weir_blob_add_varint(buf, stream->raw_count);
	weir_blob_add_words(buf, stream->raw, stream->raw_count);
}

void weir_points_save(struct weir_points *points, bool all, struct weir_buf *buf)
{
	uint32_t count = all ? points->count : points->dirty_count;

	weir_families_save(&points->families, all, buf);
	weir_blob_add_varint(buf, points->late);
	weir_blob_add_varint(buf, count);
	for (uint32_t i = 0; i < count; i++) {
		stream_save(points, all ? i : points->dirty[i], buf);
	}
	for (uint32_t i = 0; i < points->dirty_count; i++) {
		points->streams[points->dirty[i]].is_dirty = false;
	}
	points->dirty_count = 0;
}

/* A cumulative exponential histogram remembers one: it must be sound. */
static bool is_raw(const struct weir_points *points, const struct weir_point_stream *stream)
{
	struct weir_expo expo;

	if (stream->series == WEIR_NONE || stream->raw_count != WEIR_EXPO_WORDS ||
		points->families.series[stream->series].cell != WEIR_CELL_EXPONENTIAL) {
		return true;
	}
	memcpy(&expo, stream->raw, sizeof(expo));
	return weir_expo_is_sound(&expo);
}

static int stream_load(struct weir_points *points, struct weir_blob_reader *reader)
{
	uint32_t number = weir_blob_number(reader, points->count), flags;
	struct weir_point_key key = { .low = weir_blob_u64(reader) };
	struct weir_point_stream *stream;

	key.high = weir_blob_u64(reader);
	if (reader->is_bad || (number == points->count && weir_point_stream_make(points, key) != number)) {
		return -EBADMSG;
	}
	stream = &points->streams[number];
	stream->series =
		weir_blob_number(reader, points->families.labels.count == 0 ? 0 : points->families.labels.count - 1);
	stream->series = stream->series == 0 ? WEIR_NONE : stream->series;
	stream->owner = weir_blob_number(reader, points->owners->row_capacity);
	flags = weir_blob_number(reader, UINT8_MAX);
	stream->gate = (uint8_t)(flags >> 6);
	stream->measure = flags >> 2 & 15;
	stream->is_dropped = flags >> 1 & 1;
	stream->is_known = flags & 1;
	stream->start_ns = weir_blob_varint(reader);
	stream->time_ns = weir_blob_varint(reader);
	free(stream->raw);
	stream->raw = NULL;
	points->families.raw_total -= stream->raw_count;
	stream->raw_count = weir_blob_number(reader, WEIR_EXPO_WORDS);
	if (reader->is_bad || stream->low != key.low || stream->high != key.high || stream->measure > WEIR_MEASURES ||
		(stream->owner > 0 && stream->owner >= points->owners->row_capacity)) {
		stream->raw_count = 0;
		return -EBADMSG;
	}
	if (stream->raw_count > 0) {
		stream->raw = calloc(stream->raw_count, sizeof(*stream->raw));
		if (stream->raw == NULL) {
			stream->raw_count = 0;
			return -ENOMEM;
		}
		weir_blob_words(reader, stream->raw, stream->raw_count);
		points->families.raw_total += stream->raw_count;
	}
	return is_raw(points, stream) ? 0 : -EBADMSG;
}

int weir_points_load(struct weir_points *points, struct weir_blob_reader *reader)
{
	int error = weir_families_load(&points->families, reader);
	uint32_t count;

	if (error != 0) {
		return error;
	}
	points->late = weir_blob_varint(reader);
	count = weir_blob_number(reader, UINT32_MAX - 1);
	for (uint32_t i = 0; i < count && error == 0; i++) {
		error = reader->is_bad ? -EBADMSG : stream_load(points, reader);
	}
	return error != 0 ? error : reader->is_bad ? -EBADMSG : 0;
}

/* Keys are left out: they depend on the seed. Streams are told by their order. */
void weir_points_digest(const struct weir_points *points, XXH3_state_t *state)
{
	weir_families_digest(&points->families, state);
	XXH3_128bits_update(state, &points->late, sizeof(points->late));
	for (uint32_t i = 0; i < points->count; i++) {
		const struct weir_point_stream *stream = &points->streams[i];
		const uint64_t head[5] = { stream->start_ns, stream->time_ns,
			(uint64_t)stream->series << 32 | stream->owner,
			(uint64_t)stream->gate << 24 | (uint64_t)stream->measure << 16 |
				(uint64_t)stream->is_dropped << 8 | stream->is_known,
			stream->raw_count };

		XXH3_128bits_update(state, head, sizeof(head));
		if (stream->raw_count > 0) {
			XXH3_128bits_update(state, stream->raw, stream->raw_count * sizeof(uint64_t));
		}
	}
}

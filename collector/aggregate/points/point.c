/* point: from a metric point to its series.
 *
 *   instrument (resource, scope, name, kind, naming) ─▶ prefix ┐
 *   attributes ────────────────────────────────────────────────┴▶ key ─▶ stream ─▶ series
 *
 * A key is 128 bits, hashed with the database's seed; the attributes' hashes
 * are added up, so their order does not matter. Names and labels are made when
 * a stream is new or wakes up, never else: a known point costs its hashes, one
 * look and the addition.
 *
 * A stream is one sender's; its resource is told by service.instance.id, if it
 * has one, else by all its attributes. What streams do to a series is in
 * point_cell.c, their table and their lives are in point_stream.c, how they are
 * saved is in point_save.c. target_info is a series too: one for each job and
 * instance, the latest; the one before it gets the value 0, which is not shown,
 * and goes at the next sweep.
 *
 * A proxy's own istio_* move their series only while they own (owner.c), and its
 * counters of what it sent feed completeness.
 *
 * Expiry. A sweep puts streams to sleep that had no point for so long, then
 * series go that no stream feeds (family.c). A stream that comes back makes a
 * new series, or feeds the one that others of its labels made meanwhile, with
 * what it grew by since it spoke last: what it had said is in the total of the
 * expired. Only when its table is full a sleeper is forgotten. From then on
 * a stream that is new to us, but began before the last of the forgotten was
 * heard (or does not say when), may be one of these: it is met midway, its first
 * value is where it begins, not what it grew by. Of a delta stream, likewise,
 * what is not after that time came too late to tell. So nothing is counted twice,
 * however long somebody was away; what may be missed is what a stream counted
 * before its first point. Weighed: counting such a first value whole; a mesh in
 * which pods come and go fills the table, and each proxy that was cut off for
 * longer than the expiry would then tell its whole history again.
 *
 * A stream that found no room looks again at the next sweep, as many of them as
 * there is room for; one whose name was taken, too, by turns.
 *
 * Invariants
 *  1. Each point moves its stream, or is counted in late, in the families'
 *     overflowed or conflicting.
 *  2. At most max_streams streams: twice the budget of series, so that growth
 *     is known for some of what overflows, too.
 *  3. A series' `streams` are those that are awake or wait, and feed it. Between
 *     two sweeps some may have none.
 *  4. What a sweep does depends on the tables and the watermark, not on the
 *     queue of sleepers or on what was restarted when. */
#include "aggregate/points/point.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define CHUNK_BYTES 512u
#define LOOKS_MAX 1024u /* of streams without a name or a shape, at one sweep */
#define LOOKS_PERIOD_NS 10000000000u

void weir_points_init(struct weir_points *points, struct weir_owners *owners, uint32_t max_series, uint64_t seed)
{
	*points = (struct weir_points){ .owners = owners, .seed = seed, .max_streams = max_series * 2 };
	weir_families_init(&points->families, max_series, seed);
	weir_buf_init(&points->text, 0);
	weir_buf_init(&points->name, 0);
}

static void streams_fini(struct weir_points *points)
{
	for (uint32_t i = 0; i < points->count; i++) {
		free(points->streams[i].raw);
	}
	free(points->streams);
	free(points->free_numbers);
	free(points->buckets);
	free(points->dirty);
	free(points->queue);
	free(points->prefixes);
	weir_buf_fini(&points->text);
	weir_buf_fini(&points->name);
}

void weir_points_fini(struct weir_points *points)
{
	weir_families_fini(&points->families);
	streams_fini(points);
	*points = (struct weir_points){ .owners = NULL };
}

void weir_points_clear(struct weir_points *points)
{
	struct weir_points was = *points;

	streams_fini(points);
	weir_families_clear(&was.families);
	*points = (struct weir_points){
		.families = was.families, .owners = was.owners, .seed = was.seed, .max_streams = was.max_streams
	};
	weir_buf_init(&points->text, 0);
	weir_buf_init(&points->name, 0);
}

void weir_points_retire(struct weir_points *points, struct weir_retire *retire)
{
	weir_families_retire(&points->families, retire);
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

/* What the point is a series of, made when it is new; WEIR_NONE, and what it lacks. */
static uint32_t series_find(struct weir_points *points, const struct weir_point_at *at, enum weir_point_lack *ret_lack)
{
	struct weir_families *families = &points->families;
	struct weir_family_wish wish = { .created_ns = at->created_ns };
	uint32_t series, live = families->live_series;
	struct weir_str name;
	unsigned cut;
	int r;

	weir_buf_clear(&points->name);
	weir_passthrough_name(at->batch, at->instrument, &points->name);
	name = weir_buf_str(&points->name);
	*ret_lack = WEIR_LACK_NAME;
	if (!weir_passthrough_is_free(name)) {
		return WEIR_NONE;
	}
	weir_buf_clear(&points->text);
	weir_passthrough_help(at->batch, at->instrument, &points->text);
	r = weir_families_find(
		families, name, weir_buf_str(&points->text), weir_passthrough_type(at->instrument), &wish.family);
	if (r != 0) {
		*ret_lack = r == WEIR_FAMILY_FULL ? WEIR_LACK_ROOM : WEIR_LACK_NAME;
		return WEIR_NONE;
	}
	*ret_lack = WEIR_LACK_SHAPE;
	if (at->point->attr_count > WEIR_PASSTHROUGH_ATTRS_MAX || !weir_point_cell_shape(families, at, &wish)) {
		return WEIR_NONE;
	}
	weir_buf_clear(&points->text);
	cut = weir_passthrough_labels(at->batch, at->instrument, at->point, &points->text);
	wish.labels = weir_buf_str(&points->text);
	series = weir_families_series(families, &wish);
	if (series == WEIR_NONE && !weir_families_has(families, &wish)) {
		*ret_lack = WEIR_LACK_ROOM;
	}
	families->cut_values += families->live_series > live ? cut : 0;
	return series;
}

/* It is awake, and feeds the series that its point is of. */
static void stream_settle(struct weir_points *points, const struct weir_point_at *at, uint32_t number)
{
	struct weir_point_stream *stream = &points->streams[number];
	enum weir_point_lack lack;
	uint32_t series = series_find(points, at, &lack);

	weir_point_stream_feed(points, number, series);
	points->asleep -= stream->state == WEIR_STREAM_ASLEEP ? 1 : 0;
	stream->state = WEIR_STREAM_AWAKE;
	stream->lack = series == WEIR_NONE ? (uint8_t)lack : WEIR_LACK_NOTHING;
	stream->used_ns = at->now_ns;
	weir_point_stream_touch(points, number);
}

/* The stream of this point, made when it is new; WEIR_NONE: there are too many. */
static uint32_t stream_of(struct weir_points *points, struct weir_point_at *at, struct weir_point_key key)
{
	uint32_t number = weir_point_stream_find(points, key);
	struct weir_point_stream *stream;

	if (number != WEIR_NONE) {
		if (points->streams[number].state != WEIR_STREAM_AWAKE) {
			stream_settle(points, at, number);
		}
		return number;
	}
	number = weir_point_stream_make(points, key);
	if (number == WEIR_NONE) {
		return WEIR_NONE;
	}
	stream_settle(points, at, number);
	stream = &points->streams[number];
	if (at->instrument->temporality == WEIR_TEMPORALITY_DELTA) {
		stream->time_ns = points->forgotten_ns;
	}
	gate_find(stream, at);
	measure_find(stream, at);
	if (stream->gate != 0 || stream->measure != 0) {
		stream->owner = weir_owners_row(
			points->owners, at->batch, weir_batch_resources(at->batch)[at->instrument->resource].proxy);
	}
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

/* Counts a point that is not, or not only, in a series that is exposed. */
static void beyond_count(struct weir_points *points, const struct weir_point_stream *stream)
{
	struct weir_families *families = &points->families;

	if (stream->series == WEIR_NONE) {
		families->conflicting += stream->lack == WEIR_LACK_NAME ? 1 : 0;
		families->overflowed += stream->lack == WEIR_LACK_NAME ? 0 : 1;
		return;
	}
	families->overflowed += families->series[stream->series].is_overflow ? 1 : 0;
	families->conflicting += families->rows[families->series[stream->series].family].is_hidden ? 1 : 0;
}

static void point_fold(struct weir_points *points, struct weir_point_at *at, struct weir_point_key key)
{
	uint32_t number;
	uint64_t more, overflowed;

	weir_point_stream_relieve(points);
	number = stream_of(points, at, key);
	if (number == WEIR_NONE) {
		points->families.overflowed++;
		return;
	}
	number = weir_point_stream_life(points, at, key, number);
	at->stream = &points->streams[number];
	at->stream->used_ns = at->now_ns;
	weir_point_stream_touch(points, number);
	at->is_first = !at->stream->is_known;
	at->is_midway = at->is_first && weir_point_grows(at->instrument) &&
			(at->is_midway || (points->forgotten_ns != 0 && at->point->start_ns <= points->forgotten_ns));
	at->is_counted = at->stream->gate == 0 || weir_owners_own(points->owners, at->stream->owner,
							  at->stream->gate - 1u, at->point->time_ns, at->now_ns);
	beyond_count(points, at->stream);
	overflowed = points->families.overflowed;
	if (!weir_point_cell_apply(&points->families, at, &more)) {
		points->late += at->stream->series != WEIR_NONE && points->families.overflowed == overflowed;
		return;
	}
	if (at->stream->measure != 0) {
		measure_move(points, at, more);
	}
	points->midway += at->is_midway ? 1 : 0;
	at->stream->is_known = true;
}

/* ---- target_info -------------------------------------------------------- */

/* Whose target_info it is: a stream that was heard now. WEIR_NONE: there are too many. */
static uint32_t target_stream(struct weir_points *points, const struct weir_batch *batch,
	const struct weir_resource *resource, uint64_t now_ns)
{
	struct weir_point_key key = { points->seed, 2 };
	uint32_t number;

	weir_buf_clear(&points->name);
	weir_passthrough_identity(batch, resource, WEIR_NAMING_OTEL, &points->name);
	weir_point_key_chain(&key, points->name.data, points->name.length);
	number = weir_point_stream_find(points, key);
	number = number == WEIR_NONE ? weir_point_stream_make(points, key) : number;
	if (number != WEIR_NONE) {
		points->streams[number].used_ns = now_ns;
		points->streams[number].state = WEIR_STREAM_AWAKE; /* it cannot be asleep: its series is a gauge */
		points->streams[number].lack = WEIR_LACK_NOTHING;
		weir_point_stream_touch(points, number);
	}
	return number;
}

/* The resource's attributes as a series of value 1; what was said before of
 * the same job and instance gets 0. */
static void target_fold(struct weir_points *points, const struct weir_batch *batch,
	const struct weir_resource *resource, uint64_t created_ns, uint64_t now_ns)
{
	struct weir_families *families = &points->families;
	struct weir_family_wish wish = {
		.cell = WEIR_CELL_NUMBER, .word_count = WEIR_NUMBER_WORDS, .created_ns = created_ns
	};
	uint32_t number, series, live = families->live_series;
	unsigned cut;

	weir_buf_clear(&points->text);
	if (!weir_passthrough_target(batch, resource, &points->text, &cut)) {
		return;
	}
	number = target_stream(points, batch, resource, now_ns);
	if (number == WEIR_NONE ||
		weir_families_find(families, weir_str_of(WEIR_PASSTHROUGH_TARGET),
			weir_str_of("Attributes of the resource."), WEIR_EXPOSED_GAUGE, &wish.family) != 0) {
		return;
	}
	wish.labels = weir_buf_str(&points->text);
	series = weir_families_series(families, &wish);
	families->cut_values += families->live_series > live ? cut : 0;
	if (series == WEIR_NONE || points->streams[number].series == series) {
		return;
	}
	if (points->streams[number].series != WEIR_NONE) {
		families->series[points->streams[number].series].words[WEIR_NUMBER_WHOLE] = 0;
		weir_families_touch(families, points->streams[number].series);
	}
	families->series[series].words[WEIR_NUMBER_WHOLE] = 1;
	weir_families_touch(families, series);
	weir_point_stream_feed(points, number, series);
}

/* A resource is told once in a batch, by the first of its instruments. */
static void targets_fold(
	struct weir_points *points, const struct weir_batch *batch, uint64_t created_ns, uint64_t now_ns)
{
	const struct weir_instrument *instruments = weir_batch_instruments(batch);
	uint32_t known = WEIR_NONE;

	for (uint32_t i = 0; i < batch->instruments.count; i++) {
		if (instruments[i].resource == known || instruments[i].naming != WEIR_NAMING_OTEL) {
			continue;
		}
		known = instruments[i].resource;
		target_fold(points, batch, &weir_batch_resources(batch)[known], created_ns, now_ns);
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
	targets_fold(points, batch, created_ns, now_ns);
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

/* ---- expiry ------------------------------------------------------------- */

static void streams_expire(struct weir_points *points, uint64_t watermark_ns, uint64_t expiry_ns)
{
	for (uint32_t i = 0; i < points->count; i++) {
		struct weir_point_stream *stream = &points->streams[i];

		if (!stream->is_live || stream->state == WEIR_STREAM_ASLEEP) {
			continue;
		}
		if (stream->used_ns == 0) {
			stream->used_ns = watermark_ns;
			weir_point_stream_touch(points, i);
		} else if (watermark_ns - stream->used_ns >= expiry_ns) {
			weir_point_stream_sleep(points, i);
		}
	}
}

/* Does it look for a series: because there was no room, or for another reason? */
static bool wants_room(const struct weir_families *families, const struct weir_point_stream *stream)
{
	return stream->is_live && stream->state == WEIR_STREAM_AWAKE &&
	       (stream->lack == WEIR_LACK_ROOM ||
		       (stream->series != WEIR_NONE && families->series[stream->series].is_overflow));
}

static bool wants_name(const struct weir_point_stream *stream)
{
	return stream->is_live && stream->state == WEIR_STREAM_AWAKE &&
	       (stream->lack == WEIR_LACK_NAME || stream->lack == WEIR_LACK_SHAPE);
}

/* Streams that feed no series of their own look again: those that want room, as
 * far as there is some; of the others so many at each sweep, by turns. */
static void streams_rouse(struct weir_points *points, uint64_t watermark_ns)
{
	const struct weir_families *families = &points->families;
	uint32_t room = families->live_series < families->max_series ? families->max_series - families->live_series : 0;
	uint64_t named = 0, first, rank = 0;

	for (uint32_t i = 0; i < points->count; i++) {
		named += wants_name(&points->streams[i]) ? 1 : 0;
	}
	first = named == 0 ? 0 : watermark_ns / LOOKS_PERIOD_NS * LOOKS_MAX % named;
	for (uint32_t i = 0; i < points->count; i++) {
		bool looks = false;

		if (wants_name(&points->streams[i])) {
			looks = (rank++ + named - first) % named < LOOKS_MAX;
		} else if (room > 0 && wants_room(families, &points->streams[i])) {
			looks = true;
			room--;
		}
		if (looks) {
			points->streams[i].state = WEIR_STREAM_WAITING;
			weir_point_stream_touch(points, i);
		}
	}
}

void weir_points_expire(struct weir_points *points, uint64_t watermark_ns, uint64_t expiry_ns)
{
	struct weir_families *families = &points->families;

	if (expiry_ns == 0) {
		return;
	}
	streams_expire(points, watermark_ns, expiry_ns);
	for (uint32_t i = 1; i < families->series_capacity; i++) {
		if (weir_families_is_live(families, i) && families->series[i].streams == 0 &&
			!families->series[i].is_overflow) {
			weir_families_expire(families, i);
		}
	}
	weir_families_sweep(families);
	streams_rouse(points, watermark_ns);
}

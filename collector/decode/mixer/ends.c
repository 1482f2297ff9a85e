/* ends: who was at either end of a call.
 *
 * A stock sidecar says no more than a uid and, mostly, a namespace; Mixer asked
 * Kubernetes for the rest. What is said wins over what can be derived, in this
 * order (each step only fills what is unset):
 *
 *   1  source.workload.name, .namespace; source.labels   when anybody adds them
 *   2  source.owner                                      …/namespaces/x/deployments/y
 *   3  the workload table, as Mixer had one: by source.uid, kubernetes://<pod>.<namespace>; else
 *      by source.name and .namespace, a pod's; else, when no name is told, by source.ip at that time
 *   4  the uid's own spelling, or the name's: the workload by the pod's name, its app and version
 *      by the workload's
 *   5  when no name is told, the principal: a namespace, and the account in the workload's place
 *
 * and the same of the destination. The few ends of a report's bags are
 * remembered by all that was said of them: by the words, as long as they are of
 * the default dictionary and none are labels, else by their texts.
 *
 * Invariants
 *  1. Equal statements are one row; a row with a namespace has a workload.
 *  2. With more ends than can be remembered a row may be said twice, never
 *     wrongly.
 *
 * One thread: the listener whose draft it is. */
#include "decode/mixer/ends.h"

#include "base/utf8.h"

static const char scheme[] = "spiffe://";

void weir_ends_init(struct weir_ends *ends, struct weir_draft *draft)
{
	ends->draft = draft;
	ends->count = ends->next = 0;
	ends->last[0] = ends->last[1] = 0;
	memset(ends->principals, 0, sizeof(ends->principals));
}

/* Text of the body or of a dictionary; without a copy where it can be. */
static struct weir_ref place(struct weir_draft *draft, struct weir_str text)
{
	struct weir_word word = { .text = text };

	return weir_bag_place(draft, &word);
}

/* Words of one dictionary lie at one place. */
static inline bool is_same(struct weir_str a, struct weir_str b)
{
	return a.length == b.length && (a.data == b.data || a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static bool is_same_more(const struct weir_identity_more *a, const struct weir_identity_more *b)
{
	bool is_equal = a->count == b->count;

	for (uint32_t i = 0; is_equal && i < a->count; i++) {
		is_equal =
			is_same(a->labels[i].key, b->labels[i].key) && is_same(a->labels[i].value, b->labels[i].value);
	}
	return is_equal;
}

static inline bool is_same_end(const struct weir_ends_told *a, const struct weir_ends_told *b)
{
	const struct weir_identity_labels *l = &a->labels, *m = &b->labels;

	return is_same(a->uid, b->uid) && is_same(a->name, b->name) && is_same(a->workload, b->workload) &&
	       is_same(a->workload_namespace, b->workload_namespace) && is_same(a->namespace_, b->namespace_) &&
	       is_same(a->owner, b->owner) && is_same(a->service, b->service) && is_same(l->app, m->app) &&
	       is_same(a->ip, b->ip) && is_same(a->principal, b->principal) && is_same_more(&l->more, &m->more) &&
	       is_same(l->version, m->version) && is_same(l->k8s_name, m->k8s_name) &&
	       is_same(l->k8s_version, m->k8s_version) && is_same(l->canonical_name, m->canonical_name) &&
	       is_same(l->canonical_revision, m->canonical_revision);
}

bool weir_ends_split_uid(struct weir_str uid, struct weir_str *ret_pod, struct weir_str *ret_namespace)
{
	static const char kubernetes[] = "kubernetes://";
	struct weir_str rest;
	const char *dot;

	if (!weir_str_starts_with(uid, kubernetes)) {
		return false;
	}
	rest = weir_str_make(uid.data + sizeof(kubernetes) - 1, uid.length - (sizeof(kubernetes) - 1));
	dot = rest.length > 0 ? memrchr(rest.data, '.', rest.length) : NULL;
	if (dot == NULL || dot == rest.data) {
		return false;
	}
	*ret_pod = weir_str_make(rest.data, (size_t)(dot - rest.data));
	*ret_namespace = weir_str_make(dot + 1, rest.length - ret_pod->length - 1);
	return true;
}

static void set_if_unset(struct weir_str *field, struct weir_str value)
{
	if (field->length == 0) {
		*field = value;
	}
}

static void labels_read(
	const struct weir_bag_reader *reader, enum weir_words_slot slot, struct weir_identity_labels *ret)
{
	const struct weir_bag_pair *pairs;
	uint32_t count;

	if (!weir_bag_has(&reader->bag, slot)) {
		return;
	}
	pairs = weir_bag_map(reader, &reader->bag.values[slot], &count);
	for (uint32_t i = 0; i < count; i++) {
		weir_identity_take_label(pairs[i].key->text, pairs[i].value->text, ret);
	}
}

static struct weir_ends_told told_of(const struct weir_bag_reader *reader, enum weir_ends_side side)
{
	const struct weir_bag *bag = &reader->bag;
	/* The slots of the two ends are in one order. */
	unsigned end = side == WEIR_ENDS_SOURCE ? 0 : WEIR_WORDS_DESTINATION_UID - WEIR_WORDS_SOURCE_UID;
	struct weir_ends_told told = {
		.uid = weir_bag_text(bag, WEIR_WORDS_SOURCE_UID + end),
		.name = weir_bag_text(bag, WEIR_WORDS_SOURCE_NAME + end),
		.workload = weir_bag_text(bag, WEIR_WORDS_SOURCE_WORKLOAD_NAME + end),
		.workload_namespace = weir_bag_text(bag, WEIR_WORDS_SOURCE_WORKLOAD_NAMESPACE + end),
		.namespace_ = weir_bag_text(bag, WEIR_WORDS_SOURCE_NAMESPACE + end),
		.owner = weir_bag_text(bag, WEIR_WORDS_SOURCE_OWNER + end),
	};

	if (side == WEIR_ENDS_DESTINATION) {
		told.service = weir_bag_text(bag, WEIR_WORDS_SERVICE_NAME);
	}
	told.labels.wanted = weir_workload_wanted(reader->draft->pods);
	labels_read(reader, WEIR_WORDS_SOURCE_LABELS + end, &told.labels);
	if (told.uid.length + told.name.length + told.workload.length + told.owner.length == 0) {
		told.principal = weir_bag_text(bag, WEIR_WORDS_SOURCE_PRINCIPAL + end);
		set_if_unset(&told.principal, weir_bag_text(bag, WEIR_WORDS_SOURCE_USER + end));
		if (weir_bag_has(bag, WEIR_WORDS_SOURCE_IP + end)) {
			told.ip = bag->values[WEIR_WORDS_SOURCE_IP + end].bytes;
		}
	}
	return told;
}

/* When the bag's call was. */
static uint64_t time_of(const struct weir_bag *bag)
{
	uint64_t time_ns = weir_bag_ns(bag, WEIR_WORDS_REQUEST_TIME);

	return time_ns > 0 ? time_ns : weir_bag_ns(bag, WEIR_WORDS_CONTEXT_TIME);
}

/* `trust.domain/ns/x/sa/y`, with or without its scheme. */
static bool principal_split(struct weir_str principal, struct weir_str *ret_namespace, struct weir_str *ret_account)
{
	struct weir_str rest = principal, space;

	if (weir_identity_spiffe(principal, ret_namespace, ret_account)) {
		return ret_account->length > 0;
	}
	(void)weir_str_cut(&rest, '/');
	if (!weir_str_is(weir_str_cut(&rest, '/'), "ns")) {
		return false;
	}
	space = weir_str_cut(&rest, '/');
	if (space.length == 0 || rest.length == 0 || !weir_str_is(weir_str_cut(&rest, '/'), "sa") || rest.length == 0) {
		return false;
	}
	*ret_namespace = space;
	*ret_account = rest;
	return true;
}

/* The pod of that name; or that had that address at that time, unless the principal contradicts. */
static const struct weir_workload_row *pod_find(
	const struct weir_ends *ends, const struct weir_ends_told *told, uint64_t time_ns)
{
	struct weir_workload_reader *pods = ends->draft->pods;
	const struct weir_workload_row *row;
	struct weir_str pod, space, account;
	struct weir_address address = { 0 };

	if (weir_ends_split_uid(told->uid, &pod, &space)) {
		return weir_workload_by_name(pods, pod, space, time_ns);
	}
	if (told->name.length > 0 && told->namespace_.length > 0) {
		return weir_workload_by_name(pods, told->name, told->namespace_, time_ns);
	}
	weir_bag_address(told->ip, 0, &address);
	row = told->ip.length > 0 ? weir_workload_by_address(pods, address.ip, time_ns) : NULL;
	if (row != NULL && principal_split(told->principal, &space, &account) &&
		!weir_str_equal(space, row->pod->namespace_)) {
		return NULL;
	}
	return row;
}

/* What the table says, where nothing was told. */
static void fill(struct weir_identity *identity, const struct weir_identity *found)
{
	set_if_unset(&identity->workload, found->workload);
	set_if_unset(&identity->namespace_, found->namespace_);
	set_if_unset(&identity->pod, found->pod);
	set_if_unset(&identity->app, found->app);
	set_if_unset(&identity->version, found->version);
	set_if_unset(&identity->canonical_service, found->canonical_service);
	set_if_unset(&identity->canonical_revision, found->canonical_revision);
	if (identity->more.count == 0) {
		identity->more = found->more;
	}
}

static struct weir_identity identity_of(
	const struct weir_ends *ends, const struct weir_ends_told *told, const struct weir_workload_row *row)
{
	struct weir_identity identity = { .workload = told->workload, .namespace_ = told->workload_namespace }, found;
	struct weir_str pod, space, account;

	weir_identity_from_owner(told->owner, &identity);
	if (row != NULL) {
		weir_pod_identity(row->pod, weir_workload_wanted(ends->draft->pods), &found);
		if (weir_identity_has_labels(&told->labels)) {
			set_if_unset(&identity.workload, found.workload); /* a canonical name may be made of it */
			weir_identity_apply_labels(&told->labels, &identity);
		}
		fill(&identity, &found);
		return identity;
	}
	if (weir_ends_split_uid(told->uid, &pod, &space)) {
		identity.pod = pod;
		set_if_unset(&identity.namespace_, space);
	}
	set_if_unset(&identity.pod, told->name);
	set_if_unset(&identity.namespace_, told->namespace_);
	set_if_unset(&identity.workload, weir_identity_workload_of_pod(identity.pod));
	if (identity.workload.length == 0 && principal_split(told->principal, &space, &account)) {
		identity.workload = account;
		identity.namespace_ = space;
	}
	if (identity.workload.length == 0) {
		identity.namespace_ = weir_str_make(NULL, 0);
	}
	if (weir_identity_has_labels(&told->labels)) {
		weir_identity_apply_labels(&told->labels, &identity);
	} else {
		weir_identity_guess_labels(&identity, told->service);
	}
	return identity;
}

static uint32_t workload_add(
	struct weir_ends *ends, const struct weir_ends_told *told, const struct weir_workload_row *pod)
{
	struct weir_identity identity = identity_of(ends, told, pod);
	struct weir_draft *draft = ends->draft;
	struct weir_workload *row;

	if (identity.workload.length == 0 && identity.app.length == 0) {
		return WEIR_NONE;
	}
	row = weir_draft_workload(draft);
	if (row == NULL) {
		return WEIR_NONE; /* the draft is exhausted: nothing of it will be used */
	}
	row->name = place(draft, identity.workload);
	row->namespace_ = place(draft, identity.namespace_);
	row->app = place(draft, identity.app);
	row->version = place(draft, identity.version);
	row->canonical_service = place(draft, identity.canonical_service);
	row->canonical_revision = place(draft, identity.canonical_revision);
	if (identity.namespace_.length > 0) {
		row->cluster = place(draft, weir_workload_cluster(draft->pods));
	}
	row->pod = place(draft, identity.pod);
	row->node_id = place(draft, told->uid);
	weir_draft_labels(draft, &identity.more, row);
	return draft->workloads.count - 1;
}

/* The words that an end is told in. False: they would not be found again, since
 * they are the bag's own; or they are not all that is told. */
static inline bool words_of(
	const struct weir_bag_reader *reader, enum weir_ends_side side, const struct weir_word *ret[WEIR_ENDS_WORDS])
{
	const struct weir_bag *bag = &reader->bag;
	unsigned end = side == WEIR_ENDS_SOURCE ? 0 : WEIR_WORDS_DESTINATION_UID - WEIR_WORDS_SOURCE_UID;

	ret[0] = weir_bag_word(bag, WEIR_WORDS_SOURCE_UID + end);
	if (ret[0] == NULL || !weir_bag_is_default(reader) || weir_bag_has(bag, WEIR_WORDS_SOURCE_LABELS + end)) {
		return false;
	}
	ret[1] = weir_bag_word(bag, WEIR_WORDS_SOURCE_NAME + end);
	ret[2] = weir_bag_word(bag, WEIR_WORDS_SOURCE_NAMESPACE + end);
	ret[3] = weir_bag_word(bag, WEIR_WORDS_SOURCE_OWNER + end);
	ret[4] = weir_bag_word(bag, WEIR_WORDS_SOURCE_WORKLOAD_NAME + end);
	ret[5] = weir_bag_word(bag, WEIR_WORDS_SOURCE_WORKLOAD_NAMESPACE + end);
	ret[6] = side == WEIR_ENDS_SOURCE ? NULL : weir_bag_word(bag, WEIR_WORDS_SERVICE_NAME);
	return true;
}

static struct weir_ends_row *row_new(struct weir_ends *ends, enum weir_ends_side side)
{
	if (ends->count < WEIR_ENDS_ROWS) {
		ends->last[side] = ends->count++;
	} else {
		ends->next = (ends->next + 1) % WEIR_ENDS_ROWS;
		/* Not the other end's of the same call. */
		ends->next = ends->next == ends->last[!side] ? (ends->next + 1) % WEIR_ENDS_ROWS : ends->next;
		ends->last[side] = ends->next;
	}
	return &ends->rows[ends->last[side]];
}

static struct weir_ends_row *find_by_texts(
	struct weir_ends *ends, const struct weir_bag_reader *reader, enum weir_ends_side side)
{
	struct weir_ends_told told = told_of(reader, side);
	uint64_t time_ns = time_of(&reader->bag);
	const struct weir_workload_row *pod;
	struct weir_ends_row *row;

	for (uint32_t i = 0; i < ends->count; i++) {
		if (time_ns >= ends->rows[i].since_ns && time_ns < ends->rows[i].until_ns &&
			is_same_end(&ends->rows[i].told, &told)) {
			ends->last[side] = i;
			return &ends->rows[i];
		}
	}
	row = row_new(ends, side);
	pod = pod_find(ends, &told, time_ns);
	row->workload = workload_add(ends, &told, pod);
	row->since_ns = 0;
	row->until_ns = UINT64_MAX;
	if (told.ip.length > 0 && ends->draft->pods != NULL) {
		row->since_ns = pod != NULL && time_ns != 0 ? pod->since_ns : time_ns;
		row->until_ns = pod != NULL && time_ns != 0 ? pod->until_ns : time_ns + 1;
	}
	row->told = told;
	memset(row->words, 0, sizeof(row->words));
	row->spoken = (struct weir_ref){ 0, 0 };
	row->resource = WEIR_NONE;
	return row;
}

struct weir_ends_row *weir_ends_find(
	struct weir_ends *ends, const struct weir_bag_reader *reader, enum weir_ends_side side)
{
	const struct weir_word *words[WEIR_ENDS_WORDS];
	struct weir_ends_row *row = &ends->rows[ends->last[side]];

	if (!words_of(reader, side, words)) {
		return find_by_texts(ends, reader, side);
	}
	if (ends->count > 0 && memcmp(row->words, words, sizeof(words)) == 0) {
		return row;
	}
	for (uint32_t i = 0; i < ends->count; i++) {
		if (ends->rows[i].words[0] == words[0] && memcmp(ends->rows[i].words, words, sizeof(words)) == 0) {
			ends->last[side] = i;
			return &ends->rows[i];
		}
	}
	row = find_by_texts(ends, reader, side);
	memcpy(row->words, words, sizeof(words));
	return row;
}

struct weir_ref weir_ends_spoken(struct weir_ends *ends, struct weir_ends_row *row)
{
	struct weir_draft *draft = ends->draft;
	const struct weir_workload *workload;
	struct weir_str name, space;
	struct weir_ref named;
	char *at;

	if (row->spoken.length > 0 || row->workload == WEIR_NONE) {
		return row->spoken;
	}
	workload = (const struct weir_workload *)draft->workloads.data + row->workload;
	named = workload->app.length > 0 ? workload->app : workload->name;
	at = weir_draft_reserve(draft, (size_t)named.length + 1 + workload->namespace_.length);
	if (at == NULL) {
		return row->spoken;
	}
	name = weir_draft_str(draft, named); /* behind the reserve: the pool may have moved */
	space = weir_draft_str(draft, workload->namespace_);
	memcpy(at, name.data, name.length);
	if (space.length > 0) {
		at[name.length] = '.';
		memcpy(at + name.length + 1, space.data, space.length);
	}
	row->spoken = weir_draft_commit(draft, name.length + (space.length > 0 ? 1 + space.length : 0));
	return row->spoken;
}

struct weir_ref weir_ends_principal(struct weir_ends *ends, const struct weir_bag *bag, enum weir_ends_side side)
{
	unsigned end = side == WEIR_ENDS_SOURCE ? 0 : WEIR_WORDS_DESTINATION_UID - WEIR_WORDS_SOURCE_UID;
	struct weir_str text = weir_bag_text(bag, WEIR_WORDS_SOURCE_PRINCIPAL + end);
	struct weir_draft *draft = ends->draft;
	size_t i, used = text.length;
	char *at;

	set_if_unset(&text, weir_bag_text(bag, WEIR_WORDS_SOURCE_USER + end));
	if (text.length == 0) {
		return (struct weir_ref){ 0, 0 };
	}
	i = ((uintptr_t)text.data >> 2) % WEIR_ENDS_PRINCIPALS;
	if (ends->principals[i].text.data == text.data && ends->principals[i].text.length == text.length) {
		return ends->principals[i].ref;
	}
	ends->principals[i].text = text;
	if (weir_str_starts_with(text, scheme)) {
		ends->principals[i].ref = place(draft, text);
		return ends->principals[i].ref;
	}
	ends->principals[i].ref = (struct weir_ref){ 0, 0 };
	at = weir_draft_reserve(draft, sizeof(scheme) - 1 + 3 * text.length);
	if (at != NULL) {
		memcpy(at, scheme, sizeof(scheme) - 1);
		used = text.length;
		if (weir_utf8_is_valid(text)) {
			memcpy(at + sizeof(scheme) - 1, text.data, text.length);
		} else {
			draft->replaced_utf8++;
			used = weir_utf8_repair(text, at + sizeof(scheme) - 1);
		}
		ends->principals[i].ref = weir_draft_commit(draft, sizeof(scheme) - 1 + used);
	}
	return ends->principals[i].ref;
}

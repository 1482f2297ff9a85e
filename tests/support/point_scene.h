/* point_scene: a fold whose passed-through series expire, and senders of points. */
#ifndef WEIR_TESTS_POINT_SCENE_H
#define WEIR_TESTS_POINT_SCENE_H

#include "aggregate/retire.h"
#include "aggregate/state.h"
#include "support/batch_maker.h"

#define T0 UINT64_C(1700000000000000000)
#define BEGAN (T0 - 1) /* the database */
#define S UINT64_C(1000000000)
#define SWEEP (10 * S)
#define EXPIRY (900 * S)
#define CUMULATIVE WEIR_TEMPORALITY_CUMULATIVE
#define DELTA WEIR_TEMPORALITY_DELTA

struct scene {
	struct weir_fold *fold;
	struct weir_retire *retire;
	struct batch_maker maker;
	const struct weir_snapshot *snapshot; /* the last one that family_of() made */
	uint64_t now_ns;                      /* a second later with each batch */
};

struct weir_fold *fold_make(uint32_t max_series);
void scene_make(struct scene *scene, uint32_t max_series);
void scene_end(struct scene *scene);

/* What the fold does when the watermark says: series without a point for EXPIRY go. */
void sweep(struct weir_fold *fold);
/* So much later, somebody else sends; then it is swept. */
void later(struct scene *scene, uint64_t ns);

/* A service's point, at the scene's time, to be filled; and sent. */
struct weir_point *point_begin(
	struct scene *scene, const char *service, const char *name, unsigned kind, unsigned temporality);
void point_end(struct scene *scene);
/* Whole points: a cumulative sum, of a process that began then (an hour before T0), or a gauge. */
void counter_since(struct scene *scene, const char *service, const char *name, uint64_t start_ns, int64_t value);
void counter(struct scene *scene, const char *service, const char *name, int64_t value);
void gauge(struct scene *scene, const char *service, const char *name, int64_t value);

/* Of a snapshot that is made now; NULL: there is no such family. */
const struct weir_family_view *family_of(struct scene *scene, const char *name);
/* The only series of this family. */
const struct weir_point_view *only(struct scene *scene, const char *name);
/* What is said of this metric's expired; NULL: of all. */
double expired_of(const struct weir_fold *fold, const char *metric);
/* When that began, of a metric that has a row; 0: nobody knows. */
uint64_t expired_since(const struct weir_fold *fold, const char *metric);
/* All that is in a counter's series, and all that went. */
double total_of(struct scene *scene, const char *name);

/* Equal tables. */
void digests_equal(const struct weir_fold *a, const struct weir_fold *b);
/* A cut of the one is applied to the other. */
void cut_and_load(struct weir_fold *from, struct weir_fold *to, bool as_image);

#endif

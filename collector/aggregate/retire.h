/* retire: memory that left a table but that snapshots still read. Private to the room. */
#ifndef WEIR_AGGREGATE_RETIRE_H
#define WEIR_AGGREGATE_RETIRE_H

#include <stdint.h>

struct weir_retire;     /* of one fold */
struct weir_retire_bag; /* what a snapshot holds */

/* NULL when there is no memory. The destroyer holds no bag; others may, for as long as they like. */
struct weir_retire *weir_retire_create(void);
void weir_retire_destroy(struct weir_retire *retire);

/* The fold's thread: `memory` (of malloc) is freed when no snapshot made before
 * this call is held any more. A `retire` of NULL frees at once. */
void weir_retire_add(struct weir_retire *retire, void *memory);
/* The fold's thread: what was added so far waits for those who hold bags now, and for nobody else. */
void weir_retire_turn(struct weir_retire *retire);

/* The fold's thread, for a snapshot that is being made: all that the tables hold
 * now stays. NULL: no memory. */
struct weir_retire_bag *weir_retire_hold(struct weir_retire *retire);
/* Any thread. */
void weir_retire_let_go(struct weir_retire_bag *bag);

#endif

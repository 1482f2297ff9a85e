/* scene: a hand-made snapshot in which every kind of family stands, for the tests of all formats. */
#ifndef WEIR_TESTS_EXPORTERS_SCENE_H
#define WEIR_TESTS_EXPORTERS_SCENE_H

#include "aggregate/snapshot.h"
#include "exporters/metrics/own.h"

extern const struct weir_snapshot scene_snapshot;
extern const struct weir_own scene_own;
extern const struct weir_own_process scene_process;

#define SCENE_CREATED_NS 1700000000250000000u /* of what has a created time */

#endif

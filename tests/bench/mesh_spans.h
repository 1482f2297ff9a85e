/* mesh_spans: the spans of a synthetic bookinfo mesh, before any encoding. */
#ifndef WEIR_TESTS_MESH_SPANS_H
#define WEIR_TESTS_MESH_SPANS_H

#include <stdbool.h>
#include <stdint.h>

#define WEIR_MESH_SERVICES 6u

struct weir_mesh_service {
	const char *name, *ip;
	uint16_t port;
};

extern const struct weir_mesh_service weir_mesh_services[WEIR_MESH_SERVICES];

struct weir_mesh_span {
	uint64_t trace, id, parent; /* 0 parent: root */
	uint32_t service, remote;   /* rows of weir_mesh_services */
	uint64_t start_ns, end_ns;  /* from the start of the batch's two seconds */
	bool is_client;
	uint16_t status;
	const char *path, *agent;
};

/* Fills `spans` with whole traces of 8 to 12 spans (the last may be cut). The
 * same *random gives the same spans. */
void weir_mesh_spans_make(uint64_t *random, struct weir_mesh_span *spans, uint32_t count);

#endif

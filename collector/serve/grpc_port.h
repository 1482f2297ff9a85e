/* grpc_port: a server's addresses and listening sockets (private to serve). */
#ifndef WEIR_SERVE_GRPC_PORT_H
#define WEIR_SERVE_GRPC_PORT_H

#include <stddef.h>
#include <stdint.h>

#include <grpc/grpc.h>

#include "serve/grpc_tls.h"
#include "serve/listen.h"

#define WEIR_GRPC_PORT_SOCKETS 64u

struct weir_grpc_ports {
	char (*addresses)[WEIR_LISTEN_ADDRESS_BYTES]; /* the real ones */
	struct weir_grpc_tls_port *tls_ports;         /* one an address, plain ones too */
	size_t address_count;
	int sockets[WEIR_GRPC_PORT_SOCKETS]; /* libgrpc's listening sockets, all addresses together */
	size_t socket_count;
};

/* Binds all addresses to `server`; `tls` NULL: all of them are plain. 0 or a
 * fault (-EINVAL: TLS is wanted and there are no certificates, or libgrpc cannot
 * use them); to be finished in both cases, after the server. */
int weir_grpc_port_add(grpc_server *server, const char *const *addresses, size_t count, struct weir_tls *tls,
	struct weir_grpc_ports *ports);
void weir_grpc_port_fini(struct weir_grpc_ports *ports);

/* Connects once to every socket and waits until accept4 was asked for each,
 * when the executable has its own accept4. 0, or -ENOTSUP: libgrpc does not
 * use it. In the same way the guard is found in use, or not: the gauge
 * WEIR_STAT_HTTP2_GUARDED says so. */
int weir_grpc_port_prove(const struct weir_grpc_ports *ports, uint32_t timeout_ms);

#endif

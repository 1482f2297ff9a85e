/* grpc_tls: the credentials of gRPC's TLS ports, and why handshakes fail (private to serve). */
#ifndef WEIR_SERVE_GRPC_TLS_H
#define WEIR_SERVE_GRPC_TLS_H

#include <stdint.h>

#include <grpc/grpc_security.h>

#include "serve/tls.h"

/* What one port was given last; as long as its server. */
struct weir_grpc_tls_port {
	struct weir_tls *tls;
	_Atomic uint64_t number; /* of the set; 0: none yet */
};

/* Credentials for one port, to be released; NULL: the set in use cannot be used by libgrpc. */
grpc_server_credentials *weir_grpc_tls_credentials(struct weir_tls *tls, struct weir_grpc_tls_port *port);

/* A sentence of libgrpc's log. True: it is of a handshake that failed, and is counted. Any thread. */
bool weir_grpc_tls_heard(const char *sentence);

#endif

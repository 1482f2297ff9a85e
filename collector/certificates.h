/* certificates: what main does about TLS: the first set, what may be listened
 * on without one, new sets while running. Says what is wrong in the log. */
#ifndef WEIR_CERTIFICATES_H
#define WEIR_CERTIFICATES_H

#include "base/buf.h"
#include "base/conf.h"
#include "serve/http.h"
#include "serve/tls.h"

/* The certificates of the configuration; *ret_tls stays NULL when it names none. 0 or a fault, which is logged. */
int weir_certificates_load(const struct weir_conf *conf, struct weir_tls **ret_tls);

enum { WEIR_CERTIFICATES_BAD = 1 }; /* outcome: *ret_why is one sentence */

/* Could this configuration start, as far as TLS goes? Files load, addresses with `tls:` have certificates, and what
 * listens beyond this machine without TLS is allowed to. 0, WEIR_CERTIFICATES_BAD, or a fault. */
int weir_certificates_check(const struct weir_conf *conf, struct weir_buf *ret_why);

/* Now and then, and on SIGHUP (is_forced): takes new files into use. gRPC asks for its set at each handshake, HTTP is
 * told. `tls` may be NULL. Counts and logs what came of it. */
void weir_certificates_reload(struct weir_tls *tls, struct weir_http *http, bool is_forced);

#endif

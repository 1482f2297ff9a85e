/* grpc_peer: who is at the other end of a call, and how old the connection is.
 *
 * libgrpc has one auth context a connection, on plain ports too, and hands it
 * out with every call. The client's certificate is in it, and it takes
 * properties of ours: BORN holds when we saw the connection's first call.
 *
 * The age of a connection. The core says GOAWAY when a connection has the age
 * (give or take a tenth), and the client then opens its next calls
 * on another one; but it does not tell us, and would cut what is still open
 * after its own grace. Streams have no end of their own, so the core's grace is
 * for ever and ours ends them: with `end` and OK, when the age with the whole
 * jitter and the grace are over. By then the client knows; what it sent
 * until then was read. A message that is held is waited for.
 *
 * Threads: the polling thread; only it looks at properties. */
#include "serve/grpc_call.h"

#include <string.h>

#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>

#include "base/stat.h"
#include "serve/guard.h"

#define BORN "weir_born"

/* A call that came over TLS was read through the guard, or the guard is not in use. */
static void check_guard(grpc_auth_context *context)
{
	grpc_auth_property_iterator properties =
		grpc_auth_context_find_properties_by_name(context, GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME);
	const grpc_auth_property *type = grpc_auth_property_iterator_next(&properties);

	if (type != NULL && strcmp(type->value, "ssl") == 0) {
		weir_stat_set(WEIR_STAT_HTTP2_GUARDED, 0);
	}
}

void weir_grpc_peer_get(struct weir_grpc_call *call, struct weir_grpc_caller *ret_caller)
{
	struct weir_grpc_caller caller = { 0 };
	grpc_auth_property_iterator properties;
	const grpc_auth_property *uri;

	caller.address = grpc_call_get_peer(call->call);
	caller.peer.address = weir_str_of(caller.address);
	if (call->calls->has_tls) {
		caller.context = grpc_call_auth_context(call->call);
		if (weir_guard_has_read_tls != NULL && !weir_guard_has_read_tls()) {
			check_guard(caller.context);
		}
		properties = grpc_auth_context_find_properties_by_name(caller.context, GRPC_PEER_URI_PROPERTY_NAME);
		uri = grpc_auth_property_iterator_next(&properties);
		if (uri != NULL) {
			caller.peer.identity = weir_str_make(uri->value, uri->value_length);
		}
	}
	*ret_caller = caller;
}

void weir_grpc_peer_let_go(struct weir_grpc_caller *caller)
{
	if (caller->context != NULL) {
		grpc_auth_context_release(caller->context);
	}
	gpr_free(caller->address);
	*caller = (struct weir_grpc_caller){ 0 };
}

uint64_t weir_grpc_peer_born_ns(struct weir_grpc_call *call, uint64_t now_ns)
{
	grpc_auth_context *context = grpc_call_auth_context(call->call);
	grpc_auth_property_iterator properties = grpc_auth_context_find_properties_by_name(context, BORN);
	const grpc_auth_property *born = grpc_auth_property_iterator_next(&properties);
	uint64_t born_ns = now_ns;

	if (born != NULL) {
		memcpy(&born_ns, born->value, sizeof(born_ns));
	} else {
		grpc_auth_context_add_property(context, BORN, (const char *)&born_ns, sizeof(born_ns));
	}
	grpc_auth_context_release(context);
	return born_ns;
}

/* grpc_port: binding, for a library that tells neither why it failed nor which
 * sockets it opened.
 *
 * Why it failed: the address is probed first, with a socket of our own.
 * Which sockets: those among this process' descriptors that listen after the
 * call and did not before (a wildcard address may be two). Main opens one
 * listener after the other, before any thread of ours runs. */
#include "serve/grpc_port.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <grpc/grpc_security.h>

#include "base/stat.h"
#include "serve/accept.h"
#include "serve/guard.h"

static int is_listening(int fd)
{
	int value = 0;
	socklen_t length = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0 && value != 0;
}

struct fd_list {
	int *fds;
	size_t count, capacity;
};

static int list_add(struct fd_list *list, int fd)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity != 0 ? 2 * list->capacity : 16;
		int *fds = realloc(list->fds, capacity * sizeof(*fds));

		if (fds == NULL) {
			return -ENOMEM;
		}
		list->fds = fds;
		list->capacity = capacity;
	}
	list->fds[list->count++] = fd;
	return 0;
}

static int list_listening(struct fd_list *ret_list)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;
	int fault = 0;

	if (folder == NULL) {
		return -errno;
	}
	while ((entry = readdir(folder)) != NULL && fault == 0) {
		int fd = entry->d_name[0] != '.' ? atoi(entry->d_name) : -1;

		if (fd >= 0 && is_listening(fd)) {
			fault = list_add(ret_list, fd);
		}
	}
	closedir(folder);
	return fault;
}

static int has(const struct fd_list *list, int fd)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->fds[i] == fd) {
			return 1;
		}
	}
	return 0;
}

static int sockets_find(const struct fd_list *before, struct weir_grpc_ports *ports)
{
	struct fd_list after = { 0 };
	int fault = list_listening(&after);

	for (size_t i = 0; i < after.count && fault == 0; i++) {
		if (has(before, after.fds[i])) {
			continue;
		}
		if (ports->socket_count == WEIR_GRPC_PORT_SOCKETS) {
			fault = -E2BIG;
		} else {
			ports->sockets[ports->socket_count++] = after.fds[i];
		}
	}
	free(after.fds);
	return fault;
}

static int add_bare(grpc_server *server, grpc_server_credentials *credentials, const char *address, char *ret_real)
{
	const char *colon = strrchr(address, ':');
	char full[WEIR_LISTEN_ADDRESS_BYTES];
	int port, fault = weir_listen_probe(address);

	if (fault != 0) {
		return fault;
	}
	if (strlen(address) + 8 >= sizeof(full)) {
		return -EINVAL;
	}
	snprintf(full, sizeof(full), "%s%s", address[0] == ':' ? "[::]" : "", address);
	port = grpc_server_add_http2_port(server, full, credentials);
	if (port == 0) {
		return -EADDRINUSE; /* the probe passed a moment ago: somebody was quicker */
	}
	if (strncmp(address, "unix:", 5) == 0) {
		snprintf(ret_real, WEIR_LISTEN_ADDRESS_BYTES, "%s", address);
	} else {
		snprintf(ret_real, WEIR_LISTEN_ADDRESS_BYTES, "%.*s:%d", (int)(colon - address), address, port);
	}
	return 0;
}

static int add_one(grpc_server *server, const char *address, struct weir_tls *tls, struct weir_grpc_tls_port *tls_port,
	char *ret_real)
{
	grpc_server_credentials *credentials;
	const char *bare;
	int fault;

	if (!weir_tls_is_wanted(address, tls != NULL, &bare)) {
		credentials = grpc_insecure_server_credentials_create();
	} else if (tls != NULL) {
		credentials = weir_grpc_tls_credentials(tls, tls_port);
	} else {
		return -EINVAL;
	}
	fault = credentials != NULL ? add_bare(server, credentials, bare, ret_real) : -EINVAL;
	if (fault == -EADDRINUSE && tls_port->tls != NULL && weir_listen_probe(bare) == 0) {
		fault = -EINVAL; /* nobody is there: it was the certificates */
	}
	grpc_server_credentials_release(credentials);
	return fault;
}

int weir_grpc_port_add(grpc_server *server, const char *const *addresses, size_t count, struct weir_tls *tls,
	struct weir_grpc_ports *ports)
{
	struct fd_list before = { 0 };
	int fault = list_listening(&before);

	ports->addresses = calloc(count + 1, sizeof(ports->addresses[0]));
	ports->tls_ports = calloc(count + 1, sizeof(ports->tls_ports[0]));
	if (fault == 0 && (ports->addresses == NULL || ports->tls_ports == NULL)) {
		fault = -ENOMEM;
	}
	for (size_t i = 0; i < count && fault == 0; i++) {
		fault = add_one(server, addresses[i], tls, &ports->tls_ports[i], ports->addresses[i]);
		ports->address_count += fault == 0;
	}
	if (fault == 0) {
		fault = sockets_find(&before, ports);
	}
	free(before.fds);
	return fault;
}

void weir_grpc_port_fini(struct weir_grpc_ports *ports)
{
	free(ports->addresses);
	free(ports->tls_ports);
	*ports = (struct weir_grpc_ports){ 0 };
}

static int prove_one(int listening, uint32_t timeout_ms)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	uint64_t before = weir_accept_calls(), reads = weir_guard_wait != NULL ? weir_guard_reads() : 0;
	int fd, fault;

	if (getsockname(listening, (struct sockaddr *)&address, &length) != 0) {
		return -errno;
	}
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -errno;
	}
	if (connect(fd, (const struct sockaddr *)&address, length) != 0) {
		fault = -errno;
	} else {
		fault = weir_accept_wait(before, timeout_ms);
	}
	if (fault == 0 && weir_guard_wait != NULL) {
		(void)shutdown(fd, SHUT_WR); /* which libgrpc reads */
		if (weir_guard_wait(reads, timeout_ms) != 0) {
			weir_stat_set(WEIR_STAT_HTTP2_GUARDED, 0);
		}
	}
	close(fd);
	return fault == -ETIMEDOUT ? -ENOTSUP : fault;
}

int weir_grpc_port_prove(const struct weir_grpc_ports *ports, uint32_t timeout_ms)
{
	int fault = 0;

	weir_stat_set(WEIR_STAT_HTTP2_GUARDED, weir_guard_wait != NULL && weir_accept_calls != NULL);
	for (size_t i = 0; i < ports->socket_count && fault == 0 && weir_accept_calls != NULL; i++) {
		fault = prove_one(ports->sockets[i], timeout_ms);
	}
	return fault;
}

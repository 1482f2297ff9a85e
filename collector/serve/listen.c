/* listen: addresses, sockets and the spare descriptor; see the header.
 *
 * Invariants: 1. spare->fd is open, or -1 after it was given up and could not
 * be opened again; each call of accept tries first to have it back. 2. A
 * connection that is refused was accepted: it never stays in the backlog, where
 * it would wake an edge-triggered listener only once and a level-triggered one
 * for ever.
 *
 * A Unix socket: whoever finds a socket file tries to connect. Refused means
 * that its owner died: the file goes. The window between this look and the
 * bind is not closed: the database's lock, taken before, keeps out a
 * second weir on the same data. */
#include "serve/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/stat.h"
#include "base/str.h"

#define BACKLOG 512

struct place {
	struct sockaddr_storage address;
	socklen_t length;
	char host[128]; /* as it was written, with brackets */
};

static int place_of_unix(const char *path, struct place *ret_place)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (path[0] == '\0' || strlen(path) >= sizeof(un.sun_path)) {
		return -EINVAL;
	}
	memcpy(un.sun_path, path, strlen(path) + 1);
	memcpy(&ret_place->address, &un, sizeof(un));
	ret_place->length = sizeof(un);
	return 0;
}

static int place_of(const char *address, struct place *ret_place)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM }, *found;
	const char *colon = strrchr(address, ':');
	unsigned long long port;
	char host[sizeof(ret_place->host)];
	size_t length;

	if (strncmp(address, "unix:", 5) == 0) {
		return place_of_unix(address + 5, ret_place);
	}
	if (colon == NULL || (size_t)(colon - address) >= sizeof(host) ||
		weir_str_to_u64(weir_str_of(colon + 1), &port) != 0 || port > 65535) {
		return -EINVAL;
	}
	length = (size_t)(colon - address);
	memcpy(ret_place->host, address, length);
	ret_place->host[length] = '\0';
	if (length >= 2 && address[0] == '[' && address[length - 1] == ']') {
		memcpy(host, address + 1, length - 2);
		host[length - 2] = '\0';
	} else {
		memcpy(host, ret_place->host, length + 1);
	}
	if (getaddrinfo(host[0] != '\0' ? host : NULL, colon + 1, &hints, &found) != 0) {
		return -EINVAL;
	}
	memcpy(&ret_place->address, found->ai_addr, found->ai_addrlen);
	ret_place->length = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

/* Removes a socket file that nobody answers. 0 or -EADDRINUSE. */
static int stale_remove(const struct place *place)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&place->address;
	struct stat what;
	int fd, fault = 0;

	if (lstat(un->sun_path, &what) != 0) {
		return 0; /* nothing there; a folder that cannot be read shows at the bind */
	}
	if (!S_ISSOCK(what.st_mode)) {
		return -EADDRINUSE;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -errno;
	}
	if (connect(fd, (const struct sockaddr *)&place->address, place->length) == 0 || errno != ECONNREFUSED) {
		fault = -EADDRINUSE; /* it answers, or its backlog is full, or it is not ours to judge */
	} else if (unlink(un->sun_path) != 0) {
		fault = -errno;
	}
	close(fd);
	return fault;
}

static int bind_place(const struct place *place, int *ret_fd)
{
	int on = 1, fault, fd;

	if (place->address.ss_family == AF_UNIX) {
		fault = stale_remove(place);
		if (fault != 0) {
			return fault;
		}
	}
	fd = socket(place->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -errno;
	}
	if ((place->address.ss_family != AF_UNIX && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) ||
		bind(fd, (const struct sockaddr *)&place->address, place->length) != 0) {
		fault = -errno;
		close(fd);
		return fault;
	}
	*ret_fd = fd;
	return 0;
}

static int port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
		return -errno;
	}
	if (address.ss_family == AF_INET6) {
		return ntohs(((const struct sockaddr_in6 *)(const void *)&address)->sin6_port);
	}
	return ntohs(((const struct sockaddr_in *)(const void *)&address)->sin_port);
}

int weir_listen_open(const char *address, int *ret_fd, char ret_real[WEIR_LISTEN_ADDRESS_BYTES])
{
	struct place place = { 0 };
	int fd, fault = place_of(address, &place);

	if (fault != 0) {
		return fault;
	}
	fault = bind_place(&place, &fd);
	if (fault != 0) {
		return fault;
	}
	if (listen(fd, BACKLOG) != 0) {
		fault = -errno;
		close(fd);
		return fault;
	}
	if (place.address.ss_family == AF_UNIX) {
		snprintf(ret_real, WEIR_LISTEN_ADDRESS_BYTES, "%s", address);
	} else {
		snprintf(ret_real, WEIR_LISTEN_ADDRESS_BYTES, "%s:%d", place.host, port_of(fd));
	}
	*ret_fd = fd;
	return 0;
}

int weir_listen_probe(const char *address)
{
	struct place place = { 0 };
	int fd, fault = place_of(address, &place);

	if (fault == 0) {
		fault = bind_place(&place, &fd);
	}
	if (fault != 0) {
		return fault;
	}
	if (place.address.ss_family == AF_UNIX) {
		unlink(((const struct sockaddr_un *)(const void *)&place.address)->sun_path);
	}
	close(fd);
	return 0;
}

int weir_listen_spare_init(struct weir_listen_spare *spare)
{
	spare->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return spare->fd >= 0 ? 0 : -errno;
}

void weir_listen_spare_fini(struct weir_listen_spare *spare)
{
	if (spare->fd >= 0) {
		close(spare->fd);
		spare->fd = -1;
	}
}

static int accept_once(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	long taken;

	do {
		taken = syscall(SYS_accept4, fd, address, length, flags);
	} while (taken < 0 && errno == EINTR);
	return taken >= 0 ? (int)taken : -errno;
}

/* ENOMEM and ENOBUFS pass like a lack of descriptors does. */
static bool is_shortage(int taken)
{
	return taken == -EMFILE || taken == -ENFILE || taken == -ENOMEM || taken == -ENOBUFS;
}

int weir_listen_accept(struct weir_listen_spare *spare, int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	socklen_t room = length != NULL ? *length : 0;

	for (;;) {
		int taken = accept_once(fd, address, length, flags);

		if (!is_shortage(taken)) {
			return taken;
		}
		if (spare->fd < 0) {
			weir_listen_spare_init(spare);
		}
		if (spare->fd < 0) {
			return -EMFILE;
		}
		weir_listen_spare_fini(spare);
		taken = accept_once(fd, NULL, NULL, SOCK_CLOEXEC);
		if (taken >= 0) {
			weir_stat_add(WEIR_STAT_ACCEPT_SHED, 1); /* counted before the other side can see it */
			close(taken);
		}
		weir_listen_spare_init(spare);
		if (taken < 0) {
			return is_shortage(taken) ? -EMFILE : taken;
		}
		if (length != NULL) {
			*length = room;
		}
	}
}

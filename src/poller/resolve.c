/*
 * resolve.c: c-ares in the poller's loop (resolve.h).
 */
#include "resolve.h"

#include <arpa/inet.h>
#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

/* One try at a name server, and how many; the session's deadline is above. */
#define TRY_MILLISECONDS 1500
#define TRIES 3

/* A socket of c-ares. */
struct ares_watch
{
	struct watch watch;
	struct ares_watch *next;
	struct resolver *resolver;
};

struct resolver
{
	struct loop *loop;
	ares_channel channel;
	bool		usable;
	int			pending;		/* look-ups that c-ares still holds */
	int			awaited;		/* those of them that were not cancelled */
	struct stat configuration;	/* resolv.conf as it was read */
	struct ares_watch *watches;
	struct timer timer;
	bool		closing;
};

struct lookup
{
	struct resolver *resolver;
	resolve_callback callback;	/* NULL once cancelled */
	void	   *arg;
	bool		starting;		/* resolve_start has not returned yet */
	bool		ended;
};

/* --- c-ares in the loop ------------------------------------------------------ */

/* c-ares wants to be woken at its own times too. */
static void
arm_timer(struct resolver *resolver)
{
	struct timeval longest = {.tv_sec = 60};
	struct timeval wait;
	struct timeval *result;

	if (resolver->pending == 0)
	{
		loop_clear_timer(resolver->loop, &resolver->timer);
		return;
	}
	result = ares_timeout(resolver->channel, &longest, &wait);
	loop_set_timer(resolver->loop, &resolver->timer,
				   loop_now() + (int64_t) result->tv_sec * 1000000 + result->tv_usec + 1000);
}

static void
socket_ready(struct watch *watch, uint32_t events)
{
	struct ares_watch *socket = watch->owner;
	struct resolver *resolver = socket->resolver;
	int			fd = watch->fd;

	ares_process_fd(resolver->channel,
					(events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 ? fd : ARES_SOCKET_BAD,
					(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0 ? fd : ARES_SOCKET_BAD);
	arm_timer(resolver);
}

static void
timer_expired(struct timer *timer)
{
	struct resolver *resolver = timer->owner;

	ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm_timer(resolver);
}

static void
socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
	struct resolver *resolver = data;
	struct ares_watch **place = &resolver->watches;
	struct ares_watch *socket;

	while (*place != NULL && (*place)->watch.fd != fd)
		place = &(*place)->next;
	socket = *place;
	if (!readable && !writable)
	{
		if (socket != NULL)
		{
			*place = socket->next;
			loop_unwatch(resolver->loop, &socket->watch);
			free(socket);
		}
		return;
	}
	if (socket == NULL)
	{
		socket = calloc(1, sizeof(*socket));
		if (socket == NULL)
			return;				/* the look-up will run out of time */
		socket->watch.fd = -1;
		socket->watch.ready = socket_ready;
		socket->watch.owner = socket;
		socket->resolver = resolver;
		socket->next = resolver->watches;
		resolver->watches = socket;
	}
	if (!loop_watch(resolver->loop, &socket->watch, fd,
					(readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0)) &&
		socket->watch.fd < 0)
	{
		resolver->watches = socket->next;
		free(socket);
	}
}

static bool
open_channel(struct resolver *resolver)
{
	struct ares_options options = {
		.timeout = TRY_MILLISECONDS,
		.tries = TRIES,
		.sock_state_cb = socket_state,
		.sock_state_cb_data = resolver,
	};

	memset(&resolver->configuration, 0, sizeof(resolver->configuration));
	stat("/etc/resolv.conf", &resolver->configuration);
	resolver->usable = ares_init_options(&resolver->channel, &options,
										 ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
										 ARES_OPT_SOCK_STATE_CB) == ARES_SUCCESS;
	return resolver->usable;
}

/*
 * A laptop that moved, a changed resolv.conf: read it anew when nobody waits for an
 * answer.  What was cancelled does not count: c-ares goes on asking for it, and a
 * server that never answers would keep us from ever asking another one.
 */
static void
refresh(struct resolver *resolver)
{
	struct stat now;

	if (resolver->usable && resolver->awaited > 0)
		return;
	memset(&now, 0, sizeof(now));
	stat("/etc/resolv.conf", &now);
	if (resolver->usable && now.st_ino == resolver->configuration.st_ino &&
		now.st_mtim.tv_sec == resolver->configuration.st_mtim.tv_sec &&
		now.st_mtim.tv_nsec == resolver->configuration.st_mtim.tv_nsec)
		return;
	if (resolver->usable)
		ares_destroy(resolver->channel);
	open_channel(resolver);
}

struct resolver *
resolver_create(struct loop *loop)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));

	if (resolver == NULL)
		return NULL;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
	{
		free(resolver);
		return NULL;
	}
	resolver->loop = loop;
	resolver->timer.expired = timer_expired;
	resolver->timer.owner = resolver;
	return resolver;			/* c-ares is set up with the first name */
}

void
resolver_free(struct resolver *resolver)
{
	if (resolver == NULL)
		return;
	resolver->closing = true;
	if (resolver->usable)
		ares_destroy(resolver->channel);
	loop_clear_timer(resolver->loop, &resolver->timer);
	ares_library_cleanup();
	free(resolver);
}

/* --- look-ups ---------------------------------------------------------------- */

static void
add_address(struct addresses *addresses, const struct sockaddr *sockaddr, socklen_t length)
{
	struct address *address;

	if (addresses->count == RESOLVE_MAX_ADDRESSES || length > sizeof(address->sockaddr) ||
		(sockaddr->sa_family != AF_INET && sockaddr->sa_family != AF_INET6))
		return;
	address = &addresses->list[addresses->count++];
	memset(address, 0, sizeof(*address));
	memcpy(&address->sockaddr, sockaddr, length);
	address->length = length;
}

bool
resolve_numeric(const char *host, uint16_t port, struct addresses *addresses)
{
	struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *list;
	char		service[8];

	addresses->count = 0;
	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(host, service, &hints, &list) != 0)
		return false;
	add_address(addresses, list->ai_addr, list->ai_addrlen);
	freeaddrinfo(list);
	return addresses->count > 0;
}

static void
lookup_done(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
	struct lookup *lookup = arg;
	struct resolver *resolver = lookup->resolver;
	struct addresses addresses = {0};

	for (struct ares_addrinfo_node *node = result != NULL ? result->nodes : NULL;
		 node != NULL; node = node->ai_next)
		add_address(&addresses, node->ai_addr, node->ai_addrlen);
	if (result != NULL)
		ares_freeaddrinfo(result);

	if (lookup->callback != NULL && !resolver->closing)
		lookup->callback(lookup->arg, &addresses, addresses.count > 0 ? NULL :
						 status == ARES_SUCCESS ? "it has no address" : ares_strerror(status));

	/* only now: the callback may have started another one */
	resolver->pending--;
	if (lookup->callback != NULL)
		resolver->awaited--;
	if (lookup->starting)
		lookup->ended = true;
	else
		free(lookup);
}

struct lookup *
resolve_start(struct resolver *resolver, const char *host, uint16_t port,
			  resolve_callback callback, void *arg)
{
	struct addresses none = {0};
	struct ares_addrinfo_hints hints = {
		.ai_flags = ARES_AI_NUMERICSERV,
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
	};
	struct lookup *lookup = calloc(1, sizeof(*lookup));
	char		service[8];

	refresh(resolver);
	if (lookup == NULL || !resolver->usable)
	{
		free(lookup);
		callback(arg, &none, "the resolver could not be started");
		return NULL;
	}
	lookup->resolver = resolver;
	lookup->callback = callback;
	lookup->arg = arg;
	lookup->starting = true;
	snprintf(service, sizeof(service), "%u", port);
	resolver->pending++;
	resolver->awaited++;
	ares_getaddrinfo(resolver->channel, host, service, &hints, lookup_done, lookup);
	arm_timer(resolver);
	lookup->starting = false;
	if (lookup->ended)
	{
		free(lookup);
		return NULL;
	}
	return lookup;
}

void
resolve_cancel(struct lookup *lookup)
{
	lookup->callback = NULL;
	lookup->resolver->awaited--;
}

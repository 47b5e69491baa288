/*
 * resolve.h: names to addresses without waiting, by c-ares in the loop.
 *
 * Uses what the system's resolver is told (resolv.conf, nsswitch.conf's order,
 * /etc/hosts).  An address needs no look-up and is answered at once.
 */
#ifndef TRIBE_POWER_RESOLVE_H
#define TRIBE_POWER_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "loop.h"

/* A host may have more; these are the ones that are tried. */
#define RESOLVE_MAX_ADDRESSES 8

struct address
{
	struct sockaddr_storage sockaddr;
	socklen_t	length;
};

struct addresses
{
	int			count;
	struct address list[RESOLVE_MAX_ADDRESSES];
};

struct resolver;
struct lookup;

/* error is NULL when there is at least one address. */
typedef void (*resolve_callback) (void *arg, const struct addresses *addresses,
								  const char *error);

struct resolver *resolver_create(struct loop *loop);
void		resolver_free(struct resolver *resolver);

/* True, and no callback, if host is an address by itself. */
bool		resolve_numeric(const char *host, uint16_t port, struct addresses *addresses);

/*
 * Looks host up.  The callback may come before this returns, then it returns
 * NULL; else what it returns is for resolve_cancel.
 */
struct lookup *resolve_start(struct resolver *resolver, const char *host, uint16_t port,
							 resolve_callback callback, void *arg);

/* The callback will not be called any more. */
void		resolve_cancel(struct lookup *lookup);

#endif

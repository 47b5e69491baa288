/*
 * transport.h: one connection as libssh2 sees it: bounded bytes, bounded
 * memory, and an end that neither blocks nor leaks.
 *
 * libssh2 reads and writes only through our callbacks.  They give it a budget
 * of bytes for each time that it is driven, so that no call can go on forever,
 * and they know what really happened on the socket, which libssh2's own error
 * codes do not tell.
 */
#ifndef TRIBE_POWER_TRANSPORT_H
#define TRIBE_POWER_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libssh2.h>

/* What libssh2 may take from the socket in one drive, and in one job. */
#define TRANSPORT_DRIVE_BYTES (64 * 1024)
#define TRANSPORT_JOB_BYTES (256 * 1024)
/* The same before the login: a key exchange needs a few thousand. */
#define TRANSPORT_LOGIN_BYTES (64 * 1024)
/* What waits to be sent at most; libssh2 waits with what is more. */
#define TRANSPORT_OUT (32 * 1024)
/*
 * Methods that all versions do right, and fast: group exchange and large groups
 * would hold the loop up for a quarter of a second.
 */
#define TRANSPORT_KEX "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384"
#define TRANSPORT_CIPHER "aes128-ctr,aes256-ctr"
#define TRANSPORT_MAC "hmac-sha2-256,hmac-sha2-512"
/* What libssh2 may allocate for one connection. */
#define TRANSPORT_MEMORY (1024 * 1024)

struct transport
{
	int			fd;				/* -1: none */
	LIBSSH2_SESSION *ssh;
	LIBSSH2_CHANNEL *channel;
	void	   *owner;			/* for the signing callback */

	bool		dead;			/* the callbacks refuse everything */
	bool		peer_closed;	/* the other side ended it */
	bool		over_limit;		/* it sent more than it may */
	bool		keeps_alive;	/* the kernel asks the other end now and then */
	int			socket_error;	/* errno of what broke it, 0 */
	size_t		budget;			/* bytes left in this drive */
	uint64_t	received;		/* bytes since the connection began */
	uint64_t	limit;			/* where received has to stop */
	size_t		memory;			/* bytes that libssh2 holds */
	bool		drained;		/* nothing was left to receive in this drive */

	/* what libssh2 sends in one drive goes out in one piece, at its end */
	uint8_t    *out;			/* TRANSPORT_OUT bytes; NULL while there is nothing */
	size_t		out_start,
				out_end;
	bool		out_broken;		/* the socket takes no more */

	/* read ahead while libssh2 asks for single bytes, as it does for the banner */
	uint8_t		ahead[256];
	size_t		ahead_start,
				ahead_end;
	char		first[80];		/* the first bytes that came */
	size_t		first_length;
	uint8_t    *opening;		/* banner and methods, during the key exchange */
	size_t		opening_length;
};

void		transport_init(struct transport *transport, void *owner);

/*
 * Makes the libssh2 session on a connected socket, its methods pinned.
 * hostkeys is the order in which to ask for host keys.  False when out of
 * memory.
 */
bool		transport_begin(struct transport *transport, const char *hostkeys);

/* Bytes that this libssh2 takes for a session, most of them buffers: 54 KiB in 1.10, 72
 * in 1.11.  0 when out of memory. */
size_t		transport_size(void);

/* For a connection that is kept: lets the kernel find out that its other end is
 * gone, within minutes. */
void		transport_keep_alive(struct transport *transport);

/* Memory that libssh2 may free; NULL when it has had its share. */
void	   *transport_allocate(struct transport *transport, size_t count);

/* The key exchange is over: what was kept for its fault's sake goes. */
void		transport_opened(struct transport *transport);

/* To be called before each drive. */
void		transport_refill(struct transport *transport);

/* To be called after each drive: sends what libssh2 wants sent.  True if some
 * of it has to wait until the socket can take it. */
bool		transport_flush(struct transport *transport);

/*
 * Ends the connection in any state.  While a call of libssh2 is unfinished,
 * pending repeats it (it gives LIBSSH2_ERROR_EAGAIN while unfinished); else it
 * is NULL.  With courtesy the other side is told goodbye.
 */
typedef int (*transport_call) (void *owner);
void		transport_end(struct transport *transport, transport_call pending, bool courtesy);

#endif

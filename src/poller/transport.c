/*
 * transport.c: libssh2's sockets and memory (transport.h).
 */
#include "transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kexinit.h"

/* An unfinished call on a dead connection ends within a few repetitions. */
#define PATIENCE 8

/* --- memory ------------------------------------------------------------------ */

/* Before each block stands its size; the alignment is malloc's. */
#define BLOCK_HEADER 16

/* Behind it are zeroes: of an ed25519 host key libssh2 1.10 takes 32 bytes, also where the
 * server sent fewer. */
#define BLOCK_SPARE 32

static void *
allocate(size_t count, void **abstract)
{
	struct transport *transport = *abstract;
	char	   *block;

	if (count > TRANSPORT_MEMORY || transport->memory + count > TRANSPORT_MEMORY)
		return NULL;
	block = malloc(BLOCK_HEADER + count + BLOCK_SPARE);
	if (block == NULL)
		return NULL;
	memset(block + BLOCK_HEADER + count, 0, BLOCK_SPARE);
	*(size_t *) block = count;
	transport->memory += count;
	return block + BLOCK_HEADER;
}

static void
release(void *pointer, void **abstract)
{
	struct transport *transport = *abstract;
	char	   *block;

	if (pointer == NULL)
		return;
	block = (char *) pointer - BLOCK_HEADER;
	transport->memory -= *(size_t *) block;
	free(block);
}

static void *
reallocate(void *pointer, size_t count, void **abstract)
{
	struct transport *transport = *abstract;
	char	   *block;
	char	   *moved;
	size_t		before;

	if (pointer == NULL)
		return allocate(count, abstract);
	block = (char *) pointer - BLOCK_HEADER;
	before = *(size_t *) block;
	if (count > TRANSPORT_MEMORY || transport->memory - before + count > TRANSPORT_MEMORY)
		return NULL;
	moved = realloc(block, BLOCK_HEADER + count + BLOCK_SPARE);
	if (moved == NULL)
		return NULL;
	memset(moved + BLOCK_HEADER + count, 0, BLOCK_SPARE);
	*(size_t *) moved = count;
	transport->memory = transport->memory - before + count;
	return moved + BLOCK_HEADER;
}

void *
transport_allocate(struct transport *transport, size_t count)
{
	void	   *abstract = transport;

	return allocate(count, &abstract);
}

/* --- the socket -------------------------------------------------------------- */

static void
keep_opening(struct transport *transport, const void *bytes, size_t count)
{
	if (count > KEXINIT_MAX - transport->opening_length)
		count = KEXINIT_MAX - transport->opening_length;
	memcpy(transport->opening + transport->opening_length, bytes, count);
	transport->opening_length += count;
}

void
transport_opened(struct transport *transport)
{
	free(transport->opening);
	transport->opening = NULL;
}

static ssize_t
receive(struct transport *transport, void *buffer, size_t length)
{
	ssize_t		count;

	if (length > transport->budget)
		length = transport->budget;
	if (transport->received >= transport->limit)
	{
		transport->over_limit = true;
		return -ECONNRESET;
	}
	if (length > transport->limit - transport->received)
		length = transport->limit - transport->received;
	if (length == 0 || transport->drained)
		return -EAGAIN;			/* enough for this time; epoll calls again */

	do
		count = recv(transport->fd, buffer, length, 0);
	while (count < 0 && errno == EINTR);
	if (count < 0)
	{
		if (errno == EAGAIN || errno == EWOULDBLOCK)
		{
			transport->drained = true;
			return -EAGAIN;
		}
		transport->socket_error = errno;
		transport->peer_closed = true;
		return -ECONNRESET;
	}
	if (count == 0)
	{
		transport->peer_closed = true;
		return -ECONNRESET;
	}

	/* what comes later makes the descriptor readable again: no need to ask */
	transport->drained = (size_t) count < length;
	transport->budget -= count;
	transport->received += count;
	for (ssize_t i = 0; i < count && transport->first_length < sizeof(transport->first); i++)
		transport->first[transport->first_length++] = ((char *) buffer)[i];
	if (transport->opening != NULL)
		keep_opening(transport, buffer, count);
	return count;
}

static ssize_t
receive_callback(libssh2_socket_t fd, void *buffer, size_t length, int flags, void **abstract)
{
	struct transport *transport = *abstract;
	size_t		held;

	if (transport->dead)
		return -ECONNRESET;
	if (transport->ahead_start == transport->ahead_end && length == 1)
	{
		ssize_t		count = receive(transport, transport->ahead, sizeof(transport->ahead));

		if (count < 0)
			return count;
		transport->ahead_start = 0;
		transport->ahead_end = count;
	}
	held = transport->ahead_end - transport->ahead_start;
	if (held == 0)
		return receive(transport, buffer, length);
	if (length > held)
		length = held;
	memcpy(buffer, transport->ahead + transport->ahead_start, length);
	transport->ahead_start += length;
	return length;
}

/*
 * What one drive sends is gathered in a buffer that all connections share, since
 * one is driven at a time.  Only what a socket does not take at once gets memory
 * of its own.
 */
static uint8_t gathering[TRANSPORT_OUT];
static struct transport *gatherer;

static void
drop_out(struct transport *transport)
{
	if (gatherer == transport)
		gatherer = NULL;
	else
		free(transport->out);
	transport->out = NULL;
	transport->out_start = transport->out_end = 0;
}

/* Frees the shared buffer for the next one; false when out of memory. */
static bool
move_out(struct transport *transport)
{
	uint8_t    *own;

	if (gatherer != transport)
		return true;
	own = malloc(TRANSPORT_OUT);
	if (own == NULL)
		return false;
	transport->out_end -= transport->out_start;
	memcpy(own, transport->out + transport->out_start, transport->out_end);
	transport->out_start = 0;
	transport->out = own;
	gatherer = NULL;
	return true;
}

bool
transport_flush(struct transport *transport)
{
	while (transport->out_start < transport->out_end)
	{
		ssize_t		count = send(transport->fd, transport->out + transport->out_start,
								 transport->out_end - transport->out_start, MSG_NOSIGNAL);

		if (count >= 0)
		{
			transport->out_start += count;
			continue;
		}
		if (errno == EINTR)
			continue;
		if ((errno == EAGAIN || errno == EWOULDBLOCK) && move_out(transport))
			return true;

		/*
		 * Not yet the end: what the other side said last may still be waiting
		 * to be read, and it says why.
		 */
		transport->socket_error = errno;
		transport->out_broken = true;
		break;
	}
	drop_out(transport);
	return false;
}

static bool
make_out(struct transport *transport)
{
	if (gatherer != NULL)
		transport->out = malloc(TRANSPORT_OUT);
	else
	{
		transport->out = gathering;
		gatherer = transport;
	}
	return transport->out != NULL;
}

static ssize_t
send_callback(libssh2_socket_t fd, const void *buffer, size_t length, int flags, void **abstract)
{
	struct transport *transport = *abstract;

	if (transport->dead || transport->out_broken)
		return -EPIPE;
	if (transport->out_end == TRANSPORT_OUT && transport_flush(transport))
		return -EAGAIN;
	if (transport->out_broken)
		return -EPIPE;
	if (transport->out == NULL && !make_out(transport))
	{
		transport->socket_error = ENOMEM;
		return -EPIPE;
	}
	if (length > TRANSPORT_OUT - transport->out_end)
		length = TRANSPORT_OUT - transport->out_end;
	memcpy(transport->out + transport->out_end, buffer, length);
	transport->out_end += length;
	return length;
}

/* --- beginning and end ------------------------------------------------------- */

void
transport_init(struct transport *transport, void *owner)
{
	memset(transport, 0, sizeof(*transport));
	transport->fd = -1;
	transport->owner = owner;
	transport->limit = TRANSPORT_LOGIN_BYTES;
}

void
transport_refill(struct transport *transport)
{
	transport->budget = TRANSPORT_DRIVE_BYTES;
	transport->drained = false;
}

void
transport_keep_alive(struct transport *transport)
{
	int			on = 1;
	int			idle = 60;
	int			interval = 15;

	if (transport->keeps_alive)
		return;
	setsockopt(transport->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(transport->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(transport->fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	transport->keeps_alive = true;
}

static bool
is_among(const char **list, int count, const char *name, size_t length)
{
	for (int i = 0; i < count; i++)
		if (strlen(list[i]) == length && memcmp(list[i], name, length) == 0)
			return true;
	return false;
}

/*
 * Sets the order of one kind of method.  Names that this libssh2 does not know
 * are left out here: its own leaving out copies within one buffer by memcpy().
 */
static bool
prefer(struct transport *transport, int method, const char *names)
{
	const char **known = NULL;
	int			count = libssh2_session_supported_algs(transport->ssh, method, &known);
	char		list[512] = "";
	size_t		used = 0;

	if (count <= 0)
		return false;
	while (*names != '\0')
	{
		size_t		length = strcspn(names, ",");

		if (is_among(known, count, names, length) && used + length + 2 < sizeof(list))
		{
			if (used > 0)
				list[used++] = ',';
			memcpy(list + used, names, length);
			used += length;
			list[used] = '\0';
		}
		names += length;
		names += *names == ',';
	}
	libssh2_free(transport->ssh, known);
	return used > 0 && libssh2_session_method_pref(transport->ssh, method, list) == 0;
}

bool
transport_begin(struct transport *transport, const char *hostkeys)
{
	static const struct
	{
		int			method;
		const char *names;
	}			methods[] = {
		{LIBSSH2_METHOD_KEX, TRANSPORT_KEX},
		{LIBSSH2_METHOD_CRYPT_CS, TRANSPORT_CIPHER},
		{LIBSSH2_METHOD_CRYPT_SC, TRANSPORT_CIPHER},
		{LIBSSH2_METHOD_MAC_CS, TRANSPORT_MAC},
		{LIBSSH2_METHOD_MAC_SC, TRANSPORT_MAC},
		{LIBSSH2_METHOD_COMP_CS, "none"},
		{LIBSSH2_METHOD_COMP_SC, "none"},
	};

	transport->ssh = libssh2_session_init_ex(allocate, release, reallocate, transport);
	if (transport->ssh == NULL)
		return false;
	/* without it there is only less to say */
	transport->opening = malloc(KEXINIT_MAX);
	transport->opening_length = 0;
	libssh2_session_set_blocking(transport->ssh, 0);
#if LIBSSH2_VERSION_NUM >= 0x010b01
	libssh2_session_callback_set2(transport->ssh, LIBSSH2_CALLBACK_RECV,
								  (libssh2_cb_generic *) receive_callback);
	libssh2_session_callback_set2(transport->ssh, LIBSSH2_CALLBACK_SEND,
								  (libssh2_cb_generic *) send_callback);
#else
	libssh2_session_callback_set(transport->ssh, LIBSSH2_CALLBACK_RECV, (void *) receive_callback);
	libssh2_session_callback_set(transport->ssh, LIBSSH2_CALLBACK_SEND, (void *) send_callback);
#endif
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (!prefer(transport, methods[i].method, methods[i].names))
			return false;
	return prefer(transport, LIBSSH2_METHOD_HOSTKEY, hostkeys);
}

size_t
transport_size(void)
{
	struct transport transport;
	size_t		size;

	transport_init(&transport, NULL);
	transport.ssh = libssh2_session_init_ex(allocate, release, reallocate, &transport);
	size = transport.memory;
	transport_end(&transport, NULL, false);
	return size;
}

void
transport_end(struct transport *transport, transport_call pending, bool courtesy)
{
	if (transport->ssh != NULL)
	{
		if (courtesy && !transport->peer_closed)
		{
			transport_refill(transport);
			if (transport->channel != NULL &&
				libssh2_channel_free(transport->channel) != LIBSSH2_ERROR_EAGAIN)
				transport->channel = NULL;
			libssh2_session_disconnect(transport->ssh, "done");
		}
		if (transport->fd >= 0)
			(void) transport_flush(transport);

		/* from here on every call fails at once, and an unfinished one frees
		 * what it holds */
		transport->dead = true;
		if (pending != NULL)
			for (int i = 0; i < PATIENCE && pending(transport->owner) == LIBSSH2_ERROR_EAGAIN; i++)
				;
		if (transport->channel != NULL)
			for (int i = 0; i < PATIENCE &&
				 libssh2_channel_free(transport->channel) == LIBSSH2_ERROR_EAGAIN; i++)
				;
		for (int i = 0; i < PATIENCE &&
			 libssh2_session_free(transport->ssh) == LIBSSH2_ERROR_EAGAIN; i++)
			;
		transport->channel = NULL;
		transport->ssh = NULL;
	}
	transport_opened(transport);
	drop_out(transport);
	if (transport->fd >= 0)
		close(transport->fd);
	transport->fd = -1;
}

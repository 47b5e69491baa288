/*
 * ssh_connect.c: the states of a session up to the login: look-up, connection,
 * key exchange, host key, authentication (ssh.h).
 */
#include "ssh_internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- resolve and connect ----------------------------------------------------- */

static void
looked_up(void *arg, const struct addresses *addresses, const char *error)
{
	struct session *session = arg;

	session->lookup = NULL;
	session->looked_up = true;
	session->addresses = *addresses;
	session->lookup_error = error;
	if (!session->driving)
		session_drive(session);
}

enum progress
session_step_resolve(struct session *session)
{
	const struct job *job = session->job;

	if (!session->looked_up && session->lookup == NULL)
	{
		if (resolve_numeric(job->address, job->port, &session->addresses))
			session->looked_up = true;
		else
			session->lookup = resolve_start(session->engine->resolver, job->address,
											job->port, looked_up, session);
	}
	if (!session->looked_up)
		return WAIT;
	if (session->lookup_error != NULL)
	{
		session_fault(session, OUTCOME_RESOLVE, "cannot look up %s: %s", job->address,
					  session->lookup_error);
		return FAILED;
	}
	session->address = 0;
	session_enter(session, SESSION_CONNECT);
	return GO_ON;
}

void
session_forget_socket(struct session *session)
{
	loop_unwatch(session->engine->loop, &session->watch);
	close(session->transport.fd);
	session->transport.fd = -1;
}

/* Begins with the address whose turn it is; 0, or errno. */
static int
begin_connect(struct session *session)
{
	const struct address *address = &session->addresses.list[session->address];
	int			left = session->addresses.count - session->address;
	int64_t		now = loop_now();
	int			on = 1;
	int			fd;

	if (getnameinfo((const struct sockaddr *) &address->sockaddr, address->length,
					session->peer, sizeof(session->peer), NULL, 0, NI_NUMERICHOST) != 0)
		session->peer[0] = '\0';
	fd = socket(address->sockaddr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	session->transport.fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	/* those that are left share the time */
	session->address_due = left > 1 ? now + (session->state_due - now) / left : INT64_MAX;
	session_arm_timer(session);
	if (connect(fd, (const struct sockaddr *) &address->sockaddr, address->length) == 0 ||
		errno == EINPROGRESS)
		return 0;
	return errno;
}

static enum progress
next_address(struct session *session, int error)
{
	if (session->transport.fd >= 0)
		session_forget_socket(session);
	if (++session->address < session->addresses.count)
		return GO_ON;
	session_describe_connect_error(session, error);
	return FAILED;
}

enum progress
session_step_connect(struct session *session)
{
	const struct address *address;

	if (session->transport.fd < 0)
	{
		int			error = begin_connect(session);

		return error != 0 ? next_address(session, error) : WAIT;
	}

	/* asked again, the kernel says how it went */
	address = &session->addresses.list[session->address];
	if (connect(session->transport.fd, (const struct sockaddr *) &address->sockaddr,
				address->length) != 0 && errno != EISCONN)
		return errno == EALREADY || errno == EINPROGRESS ? WAIT : next_address(session, errno);

	/* what the other side says first makes the socket readable: no need to ask */
	session->transport.drained = true;
	session_enter(session, SESSION_HANDSHAKE);
	return GO_ON;
}

/* --- handshake, host key, login ---------------------------------------------- */

enum progress
session_step_handshake(struct session *session)
{
	struct transport *transport = &session->transport;
	char		preference[PREFERENCE_SIZE];
	int			code;

	if (transport->ssh == NULL)
	{
		hostkey_preference(session->pins, preference);
		free(session->reserve);
		session->reserve = NULL;
		if (!transport_begin(transport, preference))
		{
			session_fault(session, OUTCOME_INTERNAL, "out of memory for a connection");
			return FAILED;
		}
	}
	code = libssh2_session_handshake(transport->ssh, transport->fd);
	if (code != 0)
		return session_wait_or_fail(session, code);
	session->unfinished = false;
	session->key_shown = true;
	transport_opened(transport);
	session_enter(session, SESSION_HOST_KEY);
	return GO_ON;
}

enum progress
session_step_host_key(struct session *session)
{
	const struct job *job = session->job;
	size_t		length = 0;
	int			type;
	const char *blob = libssh2_session_hostkey(session->transport.ssh, &length, &type);
	char		error[WIRE_MAX_TEXT + 1];
	enum outcome outcome;

	if (job->kind == JOB_SCAN_HOST_KEY && blob != NULL)
		return FINISHED;
	outcome = hostkey_check(session->pins, (const uint8_t *) blob, blob != NULL ? length : 0,
							job->host_key_policy, job->node_name, error, sizeof(error));
	if (outcome != OUTCOME_READ)
	{
		session_fault(session, outcome, "%s", error);
		return FAILED;
	}
	session->transport.limit = session->transport.received + TRANSPORT_JOB_BYTES;
	session_enter(session, SESSION_AUTH);
	return GO_ON;
}

/*
 * What libssh2 wants signed is a login request; the algorithm's name stands in
 * it, behind session id, type, user, service, method and a flag.
 */
static bool
algorithm_of_request(const uint8_t *data, size_t length, const char **name, size_t *size)
{
	size_t		position = 0;

	for (int i = 0; i < 5; i++)
	{
		if (i == 1)
			position += 1;		/* the message type */
		if (i == 4)
			position += 1;		/* "there is a signature" */
		if (length < position + 4)
			return false;
		*size = (size_t) data[position] << 24 | (size_t) data[position + 1] << 16 |
			(size_t) data[position + 2] << 8 | data[position + 3];
		position += 4;
		if (*size > length - position)
			return false;
		*name = (const char *) data + position;
		position += *size;
	}
	return true;
}

static LIBSSH2_USERAUTH_PUBLICKEY_SIGN_FUNC(sign_request)
{
	struct session *owner = *abstract;
	const char *algorithm;
	size_t		algorithm_length;
	uint8_t    *made;
	size_t		length;
	if (!algorithm_of_request(data, data_len, &algorithm, &algorithm_length))
		return -1;
	made = key_sign(&owner->identity->key, algorithm, algorithm_length, data, data_len, &length);
	if (made == NULL)
		return -1;

	/* libssh2 frees it, so it has to come from its allocator */
	*sig = transport_allocate(&owner->transport, length);
	if (*sig != NULL)
	{
		memcpy(*sig, made, length);
		*sig_len = length;
	}
	free(made);
	return *sig != NULL ? 0 : -1;
}

/*
 * The public key as it is sent.  libssh2 before 1.11 takes the signature
 * algorithm from the name in front of it, and "ssh-rsa" means SHA-1, which no
 * server takes any more; servers do take the key under the newer name.
 */
static size_t
public_key_to_send(const struct session *session, uint8_t *target, size_t size)
{
	static const char newer[] = "rsa-sha2-256";
	const struct private_key *key = &session->identity->key;
	size_t		name = 4 + strlen("ssh-rsa");
	size_t		length = key->blob_length;

	if (length + sizeof(newer) > size)
		return 0;
	if (key->type != KEY_RSA || libssh2_version(0x010b00) != NULL)
	{
		memcpy(target, key->blob, length);
		return length;
	}
	memset(target, 0, 4);
	target[3] = strlen(newer);
	memcpy(target + 4, newer, strlen(newer));
	memcpy(target + 4 + strlen(newer), key->blob + name, length - name);
	return length - name + 4 + strlen(newer);
}

int
session_call_userauth(struct session *session)
{
	uint8_t		blob[HOSTKEY_MAX_BLOB + 16];
	size_t		length = public_key_to_send(session, blob, sizeof(blob));
	void	   *abstract = session;

	return libssh2_userauth_publickey(session->transport.ssh, session->job->user,
									  blob, length, sign_request, &abstract);
}

enum progress
session_step_auth(struct session *session)
{
	int			code = session_call_userauth(session);

	if (code != 0)
		return session_wait_or_fail(session, code);
	session->unfinished = false;
	session_enter(session, SESSION_OPEN);
	return GO_ON;
}

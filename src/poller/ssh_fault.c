/*
 * ssh_fault.c: outcome and words for each way in which a poll can fail.
 *
 * One line each, naming the node or its address and what was being done.  What
 * the other side sent is quoted only after cleaning.
 */
#include "ssh_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kexinit.h"
#include "../common/text.h"

void
session_fault(struct session *session, enum outcome outcome, const char *format,...)
{
	char		text[WIRE_MAX_TEXT + 1];
	va_list		arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	text_clean(session->engine->error, sizeof(session->engine->error), text, strlen(text));
	session->outcome = outcome;
}

void
session_last_error(struct session *session, char *text, size_t size)
{
	char	   *message = NULL;
	int			length = 0;

	text[0] = '\0';
	if (session->transport.ssh == NULL)
		return;
	libssh2_session_last_error(session->transport.ssh, &message, &length, 0);
	if (message != NULL && length > 0)
		text_clean(text, size, message, length);
}

/* "192.168.1.5 port 22" */
static void
peer_and_port(const struct session *session, char *text, size_t size)
{
	snprintf(text, size, "%s port %u",
			 session->peer[0] != '\0' ? session->peer : session->job->address,
			 session->job->port);
}

/* The first line that came, in quotes, cleaned. */
static void
quote_first_line(const struct session *session, char *text, size_t size)
{
	const struct transport *transport = &session->transport;
	size_t		length = 0;

	while (length < transport->first_length && transport->first[length] != '\n' &&
		   transport->first[length] != '\r')
		length++;
	text_clean(text, size, transport->first, length);
}

/* libssh2 keeps any line before the banner as one, too. */
static bool
banner_came(const struct session *session)
{
	const char *line = session->transport.ssh == NULL ? NULL :
	libssh2_session_banner_get(session->transport.ssh);

	return line != NULL && strncmp(line, "SSH-", 4) == 0;
}

/* Whether what came cannot be the beginning of an SSH banner. */
static bool
speaks_otherwise(const struct session *session)
{
	const struct transport *transport = &session->transport;
	size_t		length = transport->first_length < 4 ? transport->first_length : 4;

	return length > 0 && !banner_came(session) && memcmp(transport->first, "SSH-", length) != 0;
}

void
session_describe_timeout(struct session *session)
{
	const struct job *job = session->job;
	int64_t		since = session->started;
	char		peer[128];
	char		quote[128];
	double		seconds;

	/* the limit that ran out, as it was set */
	if (session->state_due < session->node_due &&
		(session->state == SESSION_RESOLVE || session->state == SESSION_CONNECT ||
		 session->state == SESSION_HANDSHAKE))
		seconds = job->connect_timeout_ms / 1000.0;
	else
		seconds = (session->node_due - since) / 1e6;

	peer_and_port(session, peer, sizeof(peer));
	switch (session->state)
	{
		case SESSION_RESOLVE:
			session_fault(session, OUTCOME_RESOLVE, "no answer about the name %s within %g s",
						  job->address, seconds);
			break;
		case SESSION_CONNECT:
			session_fault(session, OUTCOME_CONNECT_TIMEOUT, "no answer from %s within %g s",
						  peer, seconds);
			break;
		case SESSION_HANDSHAKE:
			quote_first_line(session, quote, sizeof(quote));
			if (session->transport.received == 0)
				session_fault(session, OUTCOME_HANDSHAKE_TIMEOUT, "no SSH banner from %s within %g s",
							  peer, seconds);
			else if (!banner_came(session))
				session_fault(session, OUTCOME_HANDSHAKE_TIMEOUT,
							  "no whole SSH banner from %s within %g s, only \"%s\"",
							  peer, seconds, quote);
			else
				session_fault(session, OUTCOME_HANDSHAKE_TIMEOUT,
							  "key exchange with %s not finished within %g s", peer, seconds);
			break;
		case SESSION_AUTH:
			session_fault(session, OUTCOME_LOGIN_TIMEOUT,
						  "login as %s at %s not answered within %g s", job->user, peer, seconds);
			break;
		case SESSION_READ:
			session_fault(session, OUTCOME_READ_TIMEOUT,
						  "the probe on %s did not end within %g s (%zu bytes of its report came)",
						  job->node_name, seconds, session->output_length);
			break;
		default:
			session_fault(session, OUTCOME_READ_TIMEOUT, "%s did not answer within %g s while %s",
						  peer, seconds, session_state_name(session->state));
			break;
	}
}

void
session_describe_connect_error(struct session *session, int error)
{
	enum outcome outcome;
	char		peer[128];

	switch (error)
	{
		case ECONNREFUSED:
		case ECONNRESET:
			outcome = OUTCOME_REFUSED;
			break;
		case ETIMEDOUT:
			outcome = OUTCOME_CONNECT_TIMEOUT;
			break;
		case EMFILE:
		case ENFILE:
		case ENOMEM:
		case ENOBUFS:
			outcome = OUTCOME_INTERNAL;
			break;
		default:
			outcome = OUTCOME_UNREACHABLE;
			break;
	}
	peer_and_port(session, peer, sizeof(peer));
	session_fault(session, outcome, "cannot connect to %s: %s", peer, strerror(error));
}

/* The connection broke off. */
static void
describe_closed(struct session *session, const char *peer)
{
	int			error = session->transport.socket_error;
	char		reason[64] = "";

	if (error != 0 && error != EPIPE)
		snprintf(reason, sizeof(reason), " (%s)", strerror(error));
	if (session->state == SESSION_HANDSHAKE && session->transport.received == 0)
		session_fault(session, OUTCOME_CLOSED,
					  "%s closed the connection before an SSH banner%s", peer, reason);
	else
		session_fault(session, OUTCOME_CLOSED, "%s closed the connection while %s%s",
					  peer, session_state_name(session->state), reason);
}

/* Which methods there was no agreement about, if that was the trouble. */
static bool
describe_disagreement(struct session *session, const char *peer)
{
	const struct transport *transport = &session->transport;
	char		host_keys[PREFERENCE_SIZE];
	const char *const ours[KEXINIT_LISTS] = {
		TRANSPORT_KEX, host_keys, TRANSPORT_CIPHER, TRANSPORT_CIPHER,
		TRANSPORT_MAC, TRANSPORT_MAC
	};
	enum kexinit_list list;
	char		offered[256];

	hostkey_preference(session->pins, host_keys);
	if (transport->opening == NULL ||
		!kexinit_disagreement(transport->opening, transport->opening_length, ours, &list,
							  offered, sizeof(offered)))
		return false;
	session_fault(session, OUTCOME_HANDSHAKE_FAILED,
				  "no key exchange with %s: of its %s (%s) none is taken here (%s)", peer,
				  kexinit_list_name(list), offered, ours[list]);
	return true;
}

static void
describe_handshake_failure(struct session *session, int code, const char *peer)
{
	char		text[256];

	session_last_error(session, text, sizeof(text));
	switch (code)
	{
		case LIBSSH2_ERROR_METHOD_NONE:
		case LIBSSH2_ERROR_KEX_FAILURE:
		case LIBSSH2_ERROR_METHOD_NOT_SUPPORTED:
			if (describe_disagreement(session, peer))
				break;
			session_fault(session, OUTCOME_HANDSHAKE_FAILED,
						  "no key exchange with %s: %s (it needs curve25519 or ECDH, AES-CTR, "
						  "HMAC-SHA2 and an ed25519, ECDSA or RSA host key)", peer, text);
			break;
		case LIBSSH2_ERROR_ALLOC:
			session_fault(session, OUTCOME_HANDSHAKE_FAILED,
						  "key exchange with %s needs too much memory: %s", peer, text);
			break;
		default:
			session_fault(session, OUTCOME_HANDSHAKE_FAILED, "key exchange with %s failed: %s",
						  peer, text);
			break;
	}
}

void
session_describe_failure(struct session *session, int code)
{
	const struct job *job = session->job;
	char		peer[128];
	char		text[256];

	peer_and_port(session, peer, sizeof(peer));
	session_last_error(session, text, sizeof(text));

	if (session->state == SESSION_HANDSHAKE && speaks_otherwise(session))
	{
		quote_first_line(session, text, sizeof(text));
		/* what sshd says instead of its banner when it has no room */
		if (strcmp(text, "Exceeded MaxStartups") == 0 ||
			strcmp(text, "Not allowed at this time") == 0)
			session_fault(session, OUTCOME_CLOSED,
						  "%s turned the connection away: it said \"%s\"", peer, text);
		else
			session_fault(session, OUTCOME_HANDSHAKE_FAILED,
						  "%s does not speak SSH: it said \"%s\"", peer, text);
		return;
	}
	if (session->transport.over_limit)
	{
		session_fault(session, session->state == SESSION_HANDSHAKE ?
					  OUTCOME_HANDSHAKE_FAILED : OUTCOME_REPORT_OVERSIZED,
					  "%s sent more than %llu bytes while %s", peer,
					  (unsigned long long) session->transport.limit,
					  session_state_name(session->state));
		return;
	}
	if (session->transport.peer_closed || code == LIBSSH2_ERROR_SOCKET_SEND ||
		code == LIBSSH2_ERROR_SOCKET_DISCONNECT || code == LIBSSH2_ERROR_SOCKET_RECV)
	{
		describe_closed(session, peer);
		return;
	}

	switch (session->state)
	{
		case SESSION_HANDSHAKE:
			describe_handshake_failure(session, code, peer);
			break;
		case SESSION_AUTH:
			if (code == LIBSSH2_ERROR_AUTHENTICATION_FAILED ||
				code == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED)
				session_fault(session, OUTCOME_LOGIN_REFUSED,
							  "%s refused the login of %s with the key in %s (%s)%s", peer,
							  job->user, job->identity_file, session->identity->fingerprint,
							  session->identity->key.type == KEY_RSA ?
							  "; not every server takes RSA keys from here, ed25519 ones all do" : "");
			else
				session_fault(session, OUTCOME_LOGIN_REFUSED, "login as %s at %s failed: %s",
							  job->user, peer, text);
			break;
		case SESSION_OPEN:
			if (code == LIBSSH2_ERROR_CHANNEL_FAILURE)
			{
				session_fault(session, OUTCOME_SHELL_REFUSED,
							  "%s refused to open a session for %s", peer, job->user);
				break;
			}
			/* FALLTHROUGH */
		case SESSION_EXEC:
			if (code == LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED)
			{
				session_fault(session, OUTCOME_SHELL_REFUSED,
							  "%s refused to run a command for %s", peer, job->user);
				break;
			}
			/* FALLTHROUGH */
		default:
			session_fault(session, OUTCOME_CLOSED, "the connection to %s failed while %s: %s",
						  peer, session_state_name(session->state), text);
			break;
	}
}

/* A report that is none; what the node printed instead often says why. */
void
session_describe_incomplete(struct session *session, const char *fault)
{
	const char *said = session->output;
	size_t		length = 0;
	char		quote[COMPLAINT_SIZE];

	/* its last words on stderr, else the first line of the output */
	if (session->complaint_length > 0)
	{
		said = session->complaint;
		length = session->complaint_length;
	}
	else
		while (length < session->output_length && said[length] != '\n')
			length++;
	text_clean(quote, sizeof(quote), said != NULL ? said : "", length);
	if (quote[0] == '\0' || strncmp(quote, "tribe_power_probe", 17) == 0)
		session_fault(session, session->outcome, "no report from %s: %s",
					  session->job->node_name, fault);
	else
		session_fault(session, session->outcome, "no report from %s: %s; it said \"%s\"",
					  session->job->node_name, fault, quote);
}

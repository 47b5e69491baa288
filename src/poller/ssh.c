/*
 * ssh.c: the life of a session: its states in order, its deadlines, its end
 * (ssh.h).
 *
 * Each state has a step function (ssh_connect.c, ssh_command.c) that goes as
 * far as it can without waiting; ssh_kept.c keeps sessions between two polls.  Whatever ends a session is reported as the
 * very last thing that is done with it, since the one who hears of it may free
 * it.
 */
#include "ssh_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "../common/text.h"

static void session_failed(struct session *session);

/* --- states and deadlines ---------------------------------------------------- */

void
session_arm_timer(struct session *session)
{
	int64_t		due = session->state_due;

	if (session->node_due < due)
		due = session->node_due;
	if (session->state == SESSION_CONNECT && session->address_due < due)
		due = session->address_due;
	if (due == INT64_MAX)
		loop_clear_timer(session->engine->loop, &session->timer);
	else
		loop_set_timer(session->engine->loop, &session->timer, due);
}

int64_t
session_due_in(uint32_t milliseconds)
{
	return loop_now() + (int64_t) milliseconds * 1000;
}

void
session_enter(struct session *session, enum session_state state)
{
	const struct job *job = session->job;

	session->state = state;
	session->state_due = INT64_MAX;
	session->address_due = INT64_MAX;
	if (state == SESSION_RESOLVE || state == SESSION_CONNECT || state == SESSION_HANDSHAKE)
		session->state_due = session_due_in(job->connect_timeout_ms);
	else if (!session->kept && state <= SESSION_READ)
		session->state_due = session->answer_due;
	session_arm_timer(session);
	if (!session->kept && state >= SESSION_CONNECT)
		session->engine->job_state(session->engine, session, job->id, state);
}

/* A call of libssh2 gave code: whether to wait for more or to fail. */
enum progress
session_wait_or_fail(struct session *session, int code)
{
	session->unfinished = code == LIBSSH2_ERROR_EAGAIN;
	if (session->unfinished)
		return WAIT;
	session_describe_failure(session, code);
	return FAILED;
}

static enum progress
step(struct session *session)
{
	switch (session->state)
	{
		case SESSION_RESOLVE:
			return session_step_resolve(session);
		case SESSION_CONNECT:
			return session_step_connect(session);
		case SESSION_HANDSHAKE:
			return session_step_handshake(session);
		case SESSION_HOST_KEY:
			return session_step_host_key(session);
		case SESSION_AUTH:
			return session_step_auth(session);
		case SESSION_OPEN:
			return session_step_open(session);
		case SESSION_EXEC:
			return session_step_exec(session);
		case SESSION_WRITE:
			return session_step_write(session);
		case SESSION_READ:
			return session_step_read(session);
		case SESSION_CLOSE:
			return session_step_close(session);
		case SESSION_QUEUED:
		case SESSION_DONE:
		case SESSION_STATE_COUNT:
			break;
	}
	session_fault(session, OUTCOME_INTERNAL, "a session is in no state");
	return FAILED;
}

/* Sends what libssh2 wants sent, and waits for what it waits for. */
bool
session_watch(struct session *session)
{
	struct transport *transport = &session->transport;
	uint32_t	events = EPOLLIN;

	if (transport->fd < 0)
		return true;
	if (session->state == SESSION_CONNECT)
		events = EPOLLOUT;
	else if (transport_flush(transport) ||
			 (libssh2_session_block_directions(transport->ssh) &
			  LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0)
		events |= EPOLLOUT;
	return loop_watch(session->engine->loop, &session->watch, transport->fd, events);
}

/* --- the end of a job -------------------------------------------------------- */

static void
report(struct session *session, enum outcome outcome)
{
	struct engine *engine = session->engine;
	struct job_result *result = &engine->result;
	const struct job *job = session->job;
	size_t		length = 0;
	int			type;
	const char *blob;
	char		raw[sizeof(engine->error)];

	if (outcome == OUTCOME_READ)
	{
		engine->error[0] = '\0';
		session->state = SESSION_DONE;
		session->courtesy = true;
	}
	else
	{
		/* paths and names in it came from elsewhere */
		memcpy(raw, engine->error, sizeof(raw));
		text_clean(engine->error, sizeof(engine->error), raw, strlen(raw));
	}
	engine->host_key[0] = '\0';
	if (session->key_shown &&
		(blob = libssh2_session_hostkey(session->transport.ssh, &length, &type)) != NULL)
		hostkey_line((const uint8_t *) blob, length, engine->host_key, sizeof(engine->host_key));

	loop_clear_timer(engine->loop, &session->timer);
	result->id = job->id;
	result->outcome = outcome;
	result->state = session->state;
	result->elapsed_ms = (uint32_t) ((loop_now() - session->started + 500) / 1000);
	result->bytes_received = (uint32_t) (session->transport.received - session->received_before);
	result->error = engine->error;
	result->peer_address = session->peer;
	result->host_key = engine->host_key;
	result->has_report = outcome == OUTCOME_READ && job->kind == JOB_PROBE;
	engine->job_ended(engine, session, result,
					  result->has_report && job->keep_session && !session->transport.peer_closed);
}

static int
repeat_call(void *owner)
{
	struct session *session = owner;
	char		scratch[256];

	switch (session->state)
	{
		case SESSION_HANDSHAKE:
			return libssh2_session_handshake(session->transport.ssh, session->transport.fd);
		case SESSION_AUTH:
			return session_call_userauth(session);
		case SESSION_OPEN:
			return session->transport.channel == NULL ? session_call_open(session) : 0;
		case SESSION_EXEC:
			return session_call_exec(session);
		case SESSION_WRITE:
			return (int) session_call_write(session);
		case SESSION_READ:
			return (int) libssh2_channel_read(session->transport.channel, scratch, sizeof(scratch));
		case SESSION_CLOSE:
			return libssh2_channel_wait_closed(session->transport.channel);
		default:
			return 0;
	}
}

static void
disconnect(struct session *session)
{
	if (session->lookup != NULL)
		resolve_cancel(session->lookup);
	session->lookup = NULL;
	loop_unwatch(session->engine->loop, &session->watch);
	transport_end(&session->transport, session->unfinished ? repeat_call : NULL,
				  session->courtesy);
	session->unfinished = false;
	session->courtesy = false;
	session->key_shown = false;
}

/* Sets everything to the beginning of a connection. */
static void
connect_anew(struct session *session)
{
	transport_init(&session->transport, session);
	session->received_before = 0;
	session->reused = false;
	session->answer_due = INT64_MAX;
	session->waiting = false;
	session->script = SCRIPT_UNTRIED;
	session->looked_up = false;
	session->lookup_error = NULL;
	session->complaint_length = 0;
	session->complaint_whole = false;
	session->peer[0] = '\0';
	session_enter(session, SESSION_RESOLVE);
	session_drive(session);
}

static void
session_failed(struct session *session)
{
	/*
	 * A kept connection that turns out dead is no failure of the node: within
	 * the same job and its time, a new one is made.
	 */
	if (session->reused && session->output_length == 0 && loop_now() < session->node_due)
	{
		disconnect(session);
		connect_anew(session);
		return;
	}
	report(session, session->outcome);
}

void
session_drive(struct session *session)
{
	enum progress progress;

	session->driving = true;
	transport_refill(&session->transport);
	do
		progress = step(session);
	while (progress == GO_ON);
	session->driving = false;

	if (progress == WAIT && !session_watch(session))
	{
		session_fault(session, OUTCOME_INTERNAL, "cannot watch a connection");
		progress = FAILED;
	}
	if (progress == FAILED)
		session_failed(session);
	else if (progress == FINISHED)
		report(session, OUTCOME_READ);
}

static void
socket_ready(struct watch *watch, uint32_t events)
{
	struct session *session = watch->owner;

	if (session->kept)
		session_drive_kept(session);
	else
		session_drive(session);
}

static void
timer_expired(struct timer *timer)
{
	struct session *session = timer->owner;
	int64_t		now = loop_now();

	if (session->kept && !session->preparing)
		session_prepare(session);
	else if (session->kept)
		session->engine->kept_lost(session->engine, session);
	else if (session->state == SESSION_CONNECT && now < session->state_due &&
			 now < session->node_due)
	{
		/* this address has had its share of the time */
		session_forget_socket(session);
		session->address++;
		session_drive(session);
	}
	else
	{
		session_describe_timeout(session);
		session_failed(session);
	}
}

/* --- beginning and end ------------------------------------------------------- */

struct job *
job_copy(const struct job *job)
{
	const char *const *from[] = {
		&job->node_name, &job->address, &job->user, &job->identity_file,
		&job->known_hosts_file, &job->host_key
	};
	size_t		size = sizeof(struct job);
	struct job *copy;
	const char **to[6];
	char	   *place;

	for (int i = 0; i < 6; i++)
		size += strlen(*from[i]) + 1;
	copy = malloc(size);
	if (copy == NULL)
		return NULL;
	*copy = *job;
	to[0] = &copy->node_name;
	to[1] = &copy->address;
	to[2] = &copy->user;
	to[3] = &copy->identity_file;
	to[4] = &copy->known_hosts_file;
	to[5] = &copy->host_key;
	place = (char *) (copy + 1);
	for (int i = 0; i < 6; i++)
	{
		size_t		length = strlen(*from[i]) + 1;

		memcpy(place, *from[i], length);
		*to[i] = place;
		place += length;
	}
	return copy;
}

struct session *
session_create(struct engine *engine, struct job *job)
{
	struct session *session = calloc(1, sizeof(*session));

	if (session == NULL)
		return NULL;
	/* so that memory runs short here, where a job can wait for it, and not in the
	 * middle of a login; until it is used it is address space and nothing else */
	session->reserve = malloc(engine->connection_size);
	if (session->reserve == NULL)
	{
		free(session);
		return NULL;
	}
	session->engine = engine;
	session->job = job;
	session->watch.fd = -1;
	session->watch.ready = socket_ready;
	session->watch.owner = session;
	session->timer.expired = timer_expired;
	session->timer.owner = session;
	session->answer_due = INT64_MAX;
	transport_init(&session->transport, session);
	return session;
}

void
session_start(struct session *session)
{
	struct engine *engine = session->engine;
	const struct job *job = session->job;

	session->started = loop_now();
	session->node_due = session_due_in(job->node_timeout_ms);
	session->state = SESSION_RESOLVE;

	/* what is wrong at the hub is told before anybody is connected to */
	session->outcome = OUTCOME_READ;
	if (job->kind == JOB_PROBE)
		session->outcome = key_ring_get(&engine->keys, job->identity_file, &session->identity,
										engine->error, sizeof(engine->error));
	if (session->outcome == OUTCOME_READ)
		session->outcome = hostkey_pins_of_job(&engine->known_hosts, job, engine->pins,
											   engine->error, sizeof(engine->error));
	if (session->outcome == OUTCOME_READ)
	{
		session->pins = strdup(engine->pins);
		if (session->pins == NULL)
			session_fault(session, OUTCOME_INTERNAL, "out of memory for a session");
	}
	if (session->outcome != OUTCOME_READ)
	{
		report(session, session->outcome);
		return;
	}
	session_enter(session, SESSION_RESOLVE);
	session_drive(session);
}

void
session_free(struct session *session)
{
	loop_clear_timer(session->engine->loop, &session->timer);
	disconnect(session);
	key_release(session->identity);
	free(session->reserve);
	free(session->pins);
	free(session->output);
	free(session->job);
	free(session);
}

struct session_link *
session_link(struct session *session)
{
	return &session->link;
}

struct session *
session_of_link(struct session_link *link)
{
	return (struct session *) ((char *) link - offsetof(struct session, link));
}

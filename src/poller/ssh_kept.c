/*
 * ssh_kept.c: a session between two polls (ssh.h).
 *
 * When a poll has ended well, its connection may stay.  A little later, once no
 * other node waits to be polled, the next poll's channel is opened, and where the
 * last report was made by the script that we sent, the shell is started too.  It
 * waits for the script, so that the next poll is one round trip: the script out,
 * the report back.  A command of the node's own (authorized_keys) would run at
 * once and answer minutes before it is asked, so there only the channel is
 * opened; its poll is one round trip as well, since it waits for no script.
 */
#include "ssh_internal.h"

#include <stdlib.h>
#include <string.h>

/* Where nodes are polled without a pause, a session is prepared after so long. */
#define PREPARE_AFTER_MS 1000

/* A session that nobody asked for in so long, since its node was removed or is
 * polled otherwise now, is ended. */
#define MOST_IDLE_MS (3600 * 1000)

/* --- keeping ----------------------------------------------------------------- */

void
session_keep(struct session *session)
{
	free(session->output);
	session->output = NULL;
	session->output_length = session->output_capacity = 0;
	session->kept = true;
	session->preparing = false;
	session->waiting = false;
	session->transport.limit = session->transport.received + TRANSPORT_JOB_BYTES;
	transport_keep_alive(&session->transport);
	(void) transport_flush(&session->transport);
	session->state = SESSION_OPEN;
	session->state_due = INT64_MAX;
	session->node_due = session_due_in(PREPARE_AFTER_MS);
	session_arm_timer(session);
}

/* One step of the preparation; true if there is another one at once. */
static bool
prepare_further(struct session *session, enum progress *progress)
{
	*progress = session->state == SESSION_OPEN ?
		session_step_open(session) : session_step_exec(session);
	if (*progress != GO_ON)
		return false;
	if (session->state == SESSION_EXEC && session->script == SCRIPT_RUN)
		return true;
	session->state = SESSION_DONE;
	session->node_due = session_due_in(MOST_IDLE_MS);
	session_arm_timer(session);
	return false;
}

/* What comes while nothing is asked: true while the connection is of use. */
static bool
listen_only(struct session *session)
{
	LIBSSH2_CHANNEL *channel = session->transport.channel;
	char		scratch[1024];
	ssize_t		count;

	/*
	 * The server may ask whether we are alive, and reading answers.  What a login
	 * shell prints before it starts ours is of no interest; any other data, or
	 * an end, is not in order.
	 */
	do
		count = libssh2_channel_read(channel, scratch, sizeof(scratch));
	while (session->waiting && count > 0);
	if (count != LIBSSH2_ERROR_EAGAIN)
		return false;
	if (session->waiting)
		do
			count = libssh2_channel_read_stderr(channel, scratch, sizeof(scratch));
		while (count > 0);
	return count == LIBSSH2_ERROR_EAGAIN && !libssh2_channel_eof(channel);
}

void
session_drive_kept(struct session *session)
{
	enum progress progress = GO_ON;

	transport_refill(&session->transport);
	session->preparing = true;
	while (session->state != SESSION_DONE && prepare_further(session, &progress))
		;
	if (progress == FAILED ||
		(session->state == SESSION_DONE && !listen_only(session)) ||
		!session_watch(session))
		session->engine->kept_lost(session->engine, session);
}

void
session_prepare(struct session *session)
{
	if (session->preparing)
		return;
	session->node_due = session_due_in(session->job->connect_timeout_ms);
	session_enter(session, SESSION_OPEN);
	session_drive_kept(session);
}

bool
session_prepared(const struct session *session)
{
	return session->preparing;
}

/* --- the next job -------------------------------------------------------------- */

bool
session_serves(struct session *session, const struct job *job)
{
	struct engine *engine = session->engine;
	const struct job *last = session->job;
	struct identity *identity;
	bool		same;

	if (job->kind != JOB_PROBE || job->port != last->port ||
		job->host_key_policy != last->host_key_policy ||
		strcmp(job->address, last->address) != 0 || strcmp(job->user, last->user) != 0 ||
		strcmp(job->node_name, last->node_name) != 0 ||
		strcmp(job->identity_file, last->identity_file) != 0)
		return false;

	/* a changed key file or known_hosts counts at once */
	if (key_ring_get(&engine->keys, job->identity_file, &identity,
					 engine->error, sizeof(engine->error)) != OUTCOME_READ)
		return false;
	same = identity == session->identity;
	key_release(identity);
	return same &&
		hostkey_pins_of_job(&engine->known_hosts, job, engine->pins, engine->error,
							sizeof(engine->error)) == OUTCOME_READ &&
		strcmp(engine->pins, session->pins) == 0;
}

void
session_reuse(struct session *session, struct job *job)
{
	uint32_t	third = job->node_timeout_ms / 3;

	free(session->job);
	session->job = job;
	session->kept = false;
	session->reused = true;
	session->courtesy = false;
	session->complaint_length = 0;
	session->complaint_whole = false;
	session->received_before = session->transport.received;
	session->transport.limit = session->transport.received + TRANSPORT_JOB_BYTES;
	session->started = loop_now();
	session->node_due = session_due_in(job->node_timeout_ms);

	/*
	 * The connection may have died without a word.  Its first answer is waited
	 * for only so long that a new one still has its time.
	 */
	session->answer_due = session_due_in(third < job->connect_timeout_ms ?
										 third : job->connect_timeout_ms);
	if (session->waiting)
		session_begin_writing(session);
	else
		session_enter(session, session->state == SESSION_DONE ? SESSION_EXEC : session->state);
	session_drive(session);
}

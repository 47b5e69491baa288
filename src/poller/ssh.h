/*
 * ssh.h: one poll of one node: look up, connect, check the host key, log in,
 * run the probe, read the report.
 *
 * A session is a state machine over libssh2 that never waits: the loop wakes
 * it, it goes as far as it can, and a timer ends a state that lasts too long.
 *
 *   resolve → connect → handshake → host key → auth → open → exec → write
 *           → read → close → ended, or kept for the next poll (ssh_kept.c)
 */
#ifndef TRIBE_POWER_SSH_H
#define TRIBE_POWER_SSH_H

#include "../common/wire.h"
#include "hostkey.h"
#include "key.h"
#include "loop.h"
#include "report_parse.h"
#include "resolve.h"
#include "transport.h"

struct session;

/* What all sessions share. */
struct engine
{
	struct loop *loop;
	struct resolver *resolver;
	struct key_ring keys;
	struct known_hosts_ring known_hosts;

	/* a job entered a state */
	void		(*job_state) (struct engine *engine, struct session *session,
							  uint64_t id, enum session_state state);

	/*
	 * The session has ended its job; result is valid during the call only.
	 * With can_keep it has a connection that another job could use: the callee
	 * keeps it by session_keep() or frees it.  Without, it frees it.
	 */
	void		(*job_ended) (struct engine *engine, struct session *session,
							  const struct job_result *result, bool can_keep);

	/* A kept session broke off; the callee frees it. */
	void		(*kept_lost) (struct engine *engine, struct session *session);

	void	   *owner;
	size_t		connection_size;	/* bytes that a connection takes */
	uint64_t	asked;			/* jobs that were told a number */
	struct job_result result;	/* being filled in; one is enough for all */
	char		error[WIRE_MAX_TEXT + 1];
	char		pins[PINS_SIZE];
	char		host_key[WIRE_MAX_HOST_KEY + 1];
};

/* A job with its own copies of the strings, in one allocation. */
struct job *job_copy(const struct job *job);

/* A session for a job, which it takes over.  NULL when out of memory, then the
 * job is still the caller's. */
struct session *session_create(struct engine *engine, struct job *job);

/* Begins; the end may be reported before it returns. */
void		session_start(struct session *session);

/* Keeps the connection of a job that has ended. */
void		session_keep(struct session *session);

/*
 * Makes a kept session ready for the next job, so that this will be one round
 * trip: opens a channel and, where it can, starts the shell.  It does so by
 * itself after a second; a job before that is served all the same.
 */
void		session_prepare(struct session *session);

/* Whether that has begun. */
bool		session_prepared(const struct session *session);

/* Whether a kept session could serve this job: same node, same login, and
 * still the same pins and identity. */
bool		session_serves(struct session *session, const struct job *job);

/* Gives a kept session a job, which it takes over; the end may be reported
 * before it returns. */
void		session_reuse(struct session *session, struct job *job);

/* Ends it at once, in any state, and reports nothing. */
void		session_free(struct session *session);

/* For whoever keeps sessions in lists. */
struct session_link
{
	struct session_link *next,
			   *previous;
	uint32_t	place;			/* among those under way, from 0 */
};
struct session_link *session_link(struct session *session);
struct session *session_of_link(struct session_link *link);

#endif

/*
 * poller_client.c: the owner's end of a poller.
 *
 * The poller may die, hang, grow or lie at any moment; whatever it does becomes
 * a result with a reason.  What is not yet under way when a poller ends goes to
 * the next one, in the same round.  Parses frames of the wire only: nothing that
 * a node sent is looked into here.
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "common/version.h"
#include "compat.h"
#include "poller_client.h"
#include "settings.h"

/* A poller that says nothing for this long beyond what its jobs allow hangs. */
#define GRACE_MS 5000

/* This many pollers in a row that ended before any result: something is wrong
 * with the poller itself, so the round is given up. */
#define MAX_FRUITLESS 3

typedef struct JobEntry
{
	uint64_t	id;
	PollerJob  *job;
} JobEntry;

struct PollerClient
{
	MemoryContext context;
	MemoryContextCallback reset;
	PollerResultCallback callback;
	void	   *arg;
	dlist_head	jobs;			/* PollerJob: without a result yet */
	HTAB	   *by_id;
	int			pending;
	int			unsent;			/* of those, not yet given to the poller */
	uint64_t	longest_ms;		/* the most time that one of them may take */
	uint64_t	next_id;

	pid_t		pid;			/* 0: none runs */
	int			fd;				/* -1: none */
	WaitEventSet *events;
	bool		ready;			/* it has answered our settings */
	TimestampTz heard;			/* last time it said anything */
	int			fruitless;		/* pollers in a row that gave no result */

	uint8_t    *out;			/* frames that the socket would not take yet */
	size_t		out_length,
				out_sent,
				out_capacity;
	uint8_t    *in;
	size_t		in_length;
	char		end_reason[128];	/* why the poller ended, once it has */
};

static void client_reset(void *arg);
static void end_poller(PollerClient *client, bool expected);

PollerClient *
poller_client_create(MemoryContext parent, PollerResultCallback callback, void *arg)
{
	MemoryContext context = AllocSetContextCreate(parent, "tribe_power poller",
												  ALLOCSET_DEFAULT_SIZES);
	PollerClient *client = MemoryContextAllocZero(context, sizeof(PollerClient));

	client->context = context;
	client->callback = callback;
	client->arg = arg;
	client->fd = -1;
	client->in = MemoryContextAlloc(context, WIRE_MAX_FRAME);
	client->out_capacity = WIRE_MAX_FRAME;
	client->out = MemoryContextAlloc(context, client->out_capacity);
	dlist_init(&client->jobs);
	client->by_id = hash_create("tribe_power jobs", 64, &(HASHCTL)
								{
									.keysize = sizeof(uint64_t),
									.entrysize = sizeof(JobEntry),
									.hcxt = context
								},
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	client->reset.func = client_reset;
	client->reset.arg = client;
	MemoryContextRegisterResetCallback(context, &client->reset);
	return client;
}

static void
client_reset(void *arg)
{
	end_poller((PollerClient *) arg, true);
}

int
poller_client_pending(const PollerClient *client)
{
	return client->pending;
}

int
poller_client_pid(const PollerClient *client)
{
	return (int) client->pid;
}

/*
 * Kills and reaps the child; says in end_reason how it ended.  Ours is the
 * kill unless it had ended by itself.
 */
static void
reap_poller(PollerClient *client, bool expected)
{
	int			status = 0;
	pid_t		rc;
	int			tries;

	/* at end-of-file it may be about to become a zombie: give it a moment, so
	 * that the reason is its own and not our kill */
	rc = waitpid(client->pid, &status, WNOHANG);
	for (tries = 0; rc == 0 && !expected && client->end_reason[0] == '\0' && tries < 20; tries++)
	{
		pg_usleep(1000);
		rc = waitpid(client->pid, &status, WNOHANG);
	}
	if (rc == 0)
	{
		kill(client->pid, SIGKILL);
		/* a killed process is gone at once unless the kernel holds it; then
		 * init reaps it after us */
		for (tries = 0; rc == 0 && tries < 200; tries++)
		{
			rc = waitpid(client->pid, &status, WNOHANG);
			if (rc == 0)
				pg_usleep(tries < 20 ? 200 : 1000);
		}
	}
	if (client->end_reason[0] == '\0')
	{
		if (rc == client->pid && WIFSIGNALED(status))
			snprintf(client->end_reason, sizeof(client->end_reason),
					 "poller ended by signal %d", WTERMSIG(status));
		else if (rc == client->pid && WIFEXITED(status))
			snprintf(client->end_reason, sizeof(client->end_reason),
					 "poller ended with exit status %d", WEXITSTATUS(status));
		else
			strlcpy(client->end_reason, "poller ended", sizeof(client->end_reason));
	}
}

static void
end_poller(PollerClient *client, bool expected)
{
	if (client->events != NULL)
	{
		FreeWaitEventSet(client->events);
		client->events = NULL;
	}
	if (client->fd >= 0)
	{
		close(client->fd);
		client->fd = -1;
		ReleaseExternalFD();
	}
	if (client->pid > 0)
	{
		reap_poller(client, expected);
		client->pid = 0;
	}
	client->ready = false;
	client->in_length = 0;
	client->out_length = client->out_sent = 0;
}

static void
forget_job(PollerClient *client, PollerJob *job)
{
	hash_search(client->by_id, &job->job.id, HASH_REMOVE, NULL);
	dlist_delete(&job->node);
	client->pending--;
	if (!job->sent)
		client->unsent--;
	if (client->pending == 0)
		client->longest_ms = 0;
}

void
poller_client_stop(PollerClient *client)
{
	dlist_mutable_iter iter;

	end_poller(client, true);
	dlist_foreach_modify(iter, &client->jobs)
		forget_job(client, dlist_container(PollerJob, node, iter.cur));
}

/* Takes the job off the list and reports it. */
static void
finish_job(PollerClient *client, PollerJob *job, const struct job_result *result,
		   const uint8_t *payload, size_t length)
{
	forget_job(client, job);
	client->callback(client->arg, job, result, payload, length);
}

/* A result that no poller gave. */
static void
fail_job(PollerClient *client, PollerJob *job, enum outcome outcome, const char *error)
{
	static struct job_result result;	/* holds a whole report: not for the stack */

	memset(&result, 0, sizeof(result));
	result.id = job->job.id;
	result.outcome = outcome;
	result.state = job->state;
	if (job->started != 0)
		result.elapsed_ms = TimestampDifferenceMilliseconds(job->started, GetCurrentTimestamp());
	result.error = error;
	result.peer_address = "";
	result.host_key = "";
	finish_job(client, job, &result, NULL, 0);
}

void
poller_client_give_up(PollerClient *client, enum outcome outcome, const char *error)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &client->jobs)
		fail_job(client, dlist_container(PollerJob, node, iter.cur), outcome, error);
}

void
poller_client_cancel(PollerClient *client, PollerJob *job,
					 enum outcome outcome, const char *error)
{
	fail_job(client, job, outcome, error);
}

/* Room for one more frame behind what waits to be sent. */
static void
reserve_output(PollerClient *client, struct wire_writer *writer)
{
	if (client->out_sent > 0)
	{
		memmove(client->out, client->out + client->out_sent,
				client->out_length - client->out_sent);
		client->out_length -= client->out_sent;
		client->out_sent = 0;
	}
	if (client->out_capacity - client->out_length < WIRE_MAX_FRAME)
	{
		client->out_capacity += Max(client->out_capacity, WIRE_MAX_FRAME);
		client->out = repalloc_huge(client->out, client->out_capacity);
	}
	wire_writer_init(writer, client->out + client->out_length,
					 client->out_capacity - client->out_length);
}

static void
queue_job(PollerClient *client, PollerJob *job)
{
	struct wire_writer writer;

	reserve_output(client, &writer);
	if (!wire_encode_job(&writer, &job->job))
	{
		fail_job(client, job, OUTCOME_INTERNAL,
				 "the node's registry entry is too long for the poller");
		return;
	}
	client->out_length += writer.length;
	job->sent = true;
	client->unsent--;
}

/* Socket pair and child; false with errno and end_reason set. */
static bool
spawn_poller(PollerClient *client)
{
	char		path[MAXPGPATH];
	char	   *argv[] = {"tribe_power_poller", NULL};
	char	   *envp[] = {"LC_ALL=C", "PATH=/usr/bin:/bin", NULL};
	int			pair[2];
	int			rc;
	pid_t		pid;
	sigset_t	none,
				all;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;

	snprintf(path, sizeof(path), "%s/tribe_power_poller", pkglib_path);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
	{
		snprintf(client->end_reason, sizeof(client->end_reason),
				 "could not create a socket pair: %s", strerror(errno));
		return false;
	}

	/* vfork semantics: cheap however large our shared memory is.  The poller
	 * closes every other descriptor that it finds, before anything else. */
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pair[1], 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP |
							 POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	rc = posix_spawn(&pid, path, &actions, &attributes, argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	close(pair[1]);
	if (rc != 0)
	{
		close(pair[0]);
		snprintf(client->end_reason, sizeof(client->end_reason),
				 "could not start %s: %s", path, strerror(rc));
		return false;
	}
	if (fcntl(pair[0], F_SETFL, O_NONBLOCK) != 0)
		elog(DEBUG1, "could not make the poller's socket non-blocking: %m");
	client->pid = pid;
	client->fd = pair[0];
	ReserveExternalFD();
	return true;
}

static bool
start_poller(PollerClient *client)
{
	struct wire_writer writer;
	struct poller_settings settings = {0};

	client->end_reason[0] = '\0';
	if (!spawn_poller(client))
		return false;

	client->events = create_wait_event_set(3);
	AddWaitEventToSet(client->events, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(client->events, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(client->events, WL_SOCKET_READABLE, client->fd, NULL, NULL);

	client->heard = GetCurrentTimestamp();
	settings.max_connections = setting_max_connections;
	settings.max_kept_sessions = setting_keep_sessions ? setting_max_connections : 0;
	settings.memory_limit = (uint64_t) setting_poller_memory * 1024 * 1024;
	settings.nice = setting_nice;
	reserve_output(client, &writer);
	wire_encode_settings(&writer, &settings);
	client->out_length += writer.length;
	return true;
}

/*
 * The poller is gone.  What was under way gets the reason; what was not goes to
 * the next one, unless pollers keep ending without any result.
 */
static void
handle_death(PollerClient *client)
{
	dlist_mutable_iter iter;
	char		error[256];

	end_poller(client, false);
	client->fruitless++;
	dlist_foreach_modify(iter, &client->jobs)
	{
		PollerJob  *job = dlist_container(PollerJob, node, iter.cur);

		if (job->sent && job->state >= SESSION_CONNECT)
		{
			job->deaths++;
			snprintf(error, sizeof(error), "%s while %s", client->end_reason,
					 session_state_name(job->state));
			fail_job(client, job, OUTCOME_POLLER_ENDED, error);
		}
		else if (job->sent)
		{
			job->sent = false;
			client->unsent++;
		}
	}
	if (client->fruitless >= MAX_FRUITLESS)
	{
		poller_client_give_up(client, OUTCOME_POLLER_ENDED, client->end_reason);
		client->fruitless = 0;
	}
}

/* Starts a poller if there is work and none runs, and gives it the jobs. */
static void
ensure_poller(PollerClient *client)
{
	dlist_mutable_iter iter;

	if (client->pending == 0)
		return;
	if (client->pid == 0 && !start_poller(client))
	{
		char		error[sizeof(client->end_reason)];

		strlcpy(error, client->end_reason, sizeof(error));
		poller_client_give_up(client, OUTCOME_POLLER_ENDED, error);
		return;
	}
	if (client->unsent == 0)
		return;
	dlist_foreach_modify(iter, &client->jobs)
	{
		PollerJob  *job = dlist_container(PollerJob, node, iter.cur);

		if (!job->sent)
			queue_job(client, job);
	}
}

void
poller_client_submit(PollerClient *client, PollerJob *job)
{
	job->job.id = ++client->next_id;
	job->state = SESSION_QUEUED;
	job->started = 0;
	job->sent = false;
	((JobEntry *) hash_search(client->by_id, &job->job.id, HASH_ENTER, NULL))->job = job;
	dlist_push_tail(&client->jobs, &job->node);
	client->pending++;
	client->unsent++;
	if (client->pending == 1)
		client->heard = GetCurrentTimestamp();
	client->longest_ms = Max(client->longest_ms,
							 (uint64_t) job->job.start_delay_ms +
							 job->job.connect_timeout_ms * (uint64_t) 2 +
							 job->job.node_timeout_ms);
}

/* Sends what the socket takes.  False if the poller is gone. */
static bool
flush_output(PollerClient *client)
{
	while (client->out_sent < client->out_length)
	{
		ssize_t		n = send(client->fd, client->out + client->out_sent,
							 client->out_length - client->out_sent, MSG_NOSIGNAL);

		if (n > 0)
			client->out_sent += n;
		else if (errno == EINTR)
			continue;
		else
			return errno == EAGAIN || errno == EWOULDBLOCK;
	}
	return true;
}

static PollerJob *
find_job(PollerClient *client, uint64_t id)
{
	JobEntry   *entry = hash_search(client->by_id, &id, HASH_FIND, NULL);

	return entry != NULL && entry->job->sent ? entry->job : NULL;
}

/* False: the poller broke the protocol. */
static bool
handle_frame(PollerClient *client, const struct wire_frame *frame)
{
	static struct job_result result;	/* holds a whole report: not for the stack */
	struct job_state state;
	struct poller_ready ready;
	PollerJob  *job;

	if (!client->ready)
	{
		if (frame->type != WIRE_READY || !wire_decode_ready(frame, &ready) ||
			strcmp(ready.version, TRIBE_POWER_VERSION) != 0)
		{
			strlcpy(client->end_reason,
					"poller is of another version than the library: reinstall tribe_power",
					sizeof(client->end_reason));
			return false;
		}
		client->ready = true;
		return true;
	}
	switch (frame->type)
	{
		case WIRE_STATE:
			if (!wire_decode_state(frame, &state))
				return false;
			job = find_job(client, state.id);
			if (job != NULL)
			{
				if (job->started == 0 && state.state >= SESSION_RESOLVE)
					job->started = GetCurrentTimestamp();
				job->state = state.state;
			}
			return true;
		case WIRE_RESULT:
			if (!wire_decode_result(frame, &result))
				return false;
			client->fruitless = 0;
			job = find_job(client, result.id);
			if (job != NULL)
			{
				job->state = result.state;
				finish_job(client, job, &result, frame->payload, frame->payload_length);
			}
			return true;
		default:
			return false;
	}
}

/* Takes what has come.  False if the poller ended or broke the protocol. */
static bool
read_input(PollerClient *client)
{
	int			passes;

	/* bounded, so that a flood cannot keep us from our latch */
	for (passes = 0; passes < 64; passes++)
	{
		ssize_t		n = recv(client->fd, client->in + client->in_length,
							 WIRE_MAX_FRAME - client->in_length, 0);
		size_t		used = 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK;
		if (n == 0)
			return false;
		client->in_length += n;
		client->heard = GetCurrentTimestamp();
		for (;;)
		{
			struct wire_frame frame;
			enum wire_progress progress = wire_frame_next(client->in + used,
														  client->in_length - used, &frame);

			if (progress == WIRE_MORE)
				break;
			if (progress == WIRE_BROKEN || !handle_frame(client, &frame))
			{
				if (client->end_reason[0] == '\0')
					strlcpy(client->end_reason, "poller broke the protocol",
							sizeof(client->end_reason));
				return false;
			}
			used += frame.size;
		}
		memmove(client->in, client->in + used, client->in_length - used);
		client->in_length -= used;
	}
	return true;
}

/*
 * Until when the poller may stay silent: each job is bounded by its own
 * timeouts, so silence beyond the longest of them means that it hangs.
 */
static TimestampTz
silence_deadline(PollerClient *client)
{
	return TimestampTzPlusMilliseconds(client->heard,
									   (int64) (client->longest_ms + GRACE_MS));
}

void
poller_client_wait(PollerClient *client, long timeout)
{
	WaitEvent	event;
	TimestampTz now;
	TimestampTz deadline;
	bool		alive = true;
	int			pending = client->pending;

	ensure_poller(client);
	if (client->pending != pending)
		return;					/* there are results already */
	if (client->pid == 0)
	{
		int			rc = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
								   timeout, PG_WAIT_EXTENSION);

		(void) rc;
		return;
	}

	alive = flush_output(client);
	if (alive)
	{
		long		wait = timeout;

		ModifyWaitEvent(client->events, 2, client->out_sent < client->out_length ?
						WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE : WL_SOCKET_READABLE, NULL);
		if (client->pending > 0)
		{
			deadline = silence_deadline(client);
			now = GetCurrentTimestamp();
			wait = Min(wait, (deadline <= now) ? 0 : (deadline - now) / 1000 + 1);
		}
		if (WaitEventSetWait(client->events, wait, &event, 1, PG_WAIT_EXTENSION) == 1 &&
			(event.events & (WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE)) != 0)
			alive = read_input(client);
	}
	if (alive && client->pending > 0 &&
		GetCurrentTimestamp() > silence_deadline(client))
	{
		snprintf(client->end_reason, sizeof(client->end_reason),
				 "poller fell silent and was ended");
		alive = false;
	}
	if (!alive)
		handle_death(client);
}

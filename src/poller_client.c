/*
 * poller_client.c: the owner's end: jobs in, results out.
 *
 * A poller may die, hang, grow or lie at any moment; whatever it does becomes a
 * result with a reason.  What is not yet under way when a poller ends goes to
 * the next one, in the same round.
 *
 * Lanes, each with a poller of its own at need, keep apart what was under way when
 * a poller ended (suspects.h), so that one node cannot starve the others:
 *
 *	common	all others
 *	few		some of those with one such end, at a time
 *	alone	one that was there at two ends; several lanes, which take the next
 *			from the queue, a lane whose jobs wait and have no poller
 */
#include "postgres.h"

#include <sys/socket.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "poller_client.h"
#include "poller_process.h"
#include "settings.h"
#include "ticks.h"

/* A poller that says nothing for this long beyond what its jobs allow hangs. */
#define GRACE_MS 5000

/* This many pollers in a row that ended before any result: something is wrong
 * with the poller itself, so the lane's jobs are given up. */
#define MAX_FRUITLESS 3

/* Pollers with a single node each, at a time. */
#define MOST_ALONE 4

/* Whatever it may gather goes with it, and libraries may be newer by then. */
#define MOST_AGE (INT64CONST(3600) * USECS_PER_SEC)

/* How many are "few": an eighth of what is polled at a time, or this many. */
#define LEAST_FEW 8

typedef enum LaneKind
{
	LANE_COMMON,
	LANE_FEW,
	LANE_QUEUE,					/* no poller: the jobs wait for one of the rest */
	LANE_ALONE,
	LANE_COUNT = LANE_ALONE + MOST_ALONE
} LaneKind;

typedef struct Lane
{
	PollerClient *client;
	PollerProcess process;
	dlist_head	jobs;			/* PollerJob: without a result yet */
	int			pending;
	int			unsent;			/* of those, not yet given to the poller */
	uint64_t	longest_ms;		/* the most time that one of them may take */
	int			fruitless;		/* pollers in a row that gave no result */
	int			position;		/* in the wait set; -1: not in it */
} Lane;

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
	HTAB	   *by_id;
	uint64_t	next_id;
	Lane		lanes[LANE_COUNT];
	WaitEventSet *events;		/* latch, postmaster, pollers; NULL: make anew */
};

static void client_reset(void *arg);

PollerClient *
poller_client_create(MemoryContext parent, PollerResultCallback callback, void *arg)
{
	MemoryContext context = AllocSetContextCreate(parent, "tribe_power poller",
												  ALLOCSET_DEFAULT_SIZES);
	PollerClient *client = MemoryContextAllocZero(context, sizeof(PollerClient));
	int			i;

	client->context = context;
	client->callback = callback;
	client->arg = arg;
	client->by_id = hash_create("tribe_power jobs", 64, &(HASHCTL)
								{
									.keysize = sizeof(uint64_t),
									.entrysize = sizeof(JobEntry),
									.hcxt = context
								},
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (i = 0; i < LANE_COUNT; i++)
	{
		Lane	   *lane = &client->lanes[i];

		lane->client = client;
		lane->position = -1;
		dlist_init(&lane->jobs);
		poller_process_init(&lane->process, context);
	}
	client->reset.func = client_reset;
	client->reset.arg = client;
	MemoryContextRegisterResetCallback(context, &client->reset);
	return client;
}

static void
drop_events(PollerClient *client)
{
	if (client->events != NULL)
		FreeWaitEventSet(client->events);
	client->events = NULL;
}

static void
client_reset(void *arg)
{
	PollerClient *client = arg;
	int			i;

	drop_events(client);
	for (i = 0; i < LANE_COUNT; i++)
		poller_process_end(&client->lanes[i].process, true);
}

int
poller_client_pending(const PollerClient *client)
{
	int			pending = 0;
	int			i;

	for (i = 0; i < LANE_COUNT; i++)
		pending += client->lanes[i].pending;
	return pending;
}

/* --- jobs ------------------------------------------------------------------ */

static void
forget_job(Lane *lane, PollerJob *job)
{
	hash_search(lane->client->by_id, &job->job.id, HASH_REMOVE, NULL);
	dlist_delete(&job->node);
	lane->pending--;
	if (!job->sent)
		lane->unsent--;
	if (lane->pending == 0)
		lane->longest_ms = 0;
}

static void
add_job(Lane *lane, PollerJob *job)
{
	job->lane = lane;
	dlist_push_tail(&lane->jobs, &job->node);
	lane->pending++;
	lane->unsent++;
	/* a poller that had nothing to do was silent by right until now */
	if (lane->pending == 1)
		lane->process.heard = ticks_now();
	lane->longest_ms = Max(lane->longest_ms,
						   (uint64_t) job->job.start_delay_ms +
						   job->job.connect_timeout_ms * (uint64_t) 2 +
						   job->job.node_timeout_ms);
}

static PollerJob *
find_job(PollerClient *client, uint64_t id)
{
	JobEntry   *entry = hash_search(client->by_id, &id, HASH_FIND, NULL);

	return entry != NULL && entry->job->sent ? entry->job : NULL;
}

/* What the poller last noted of its lane's jobs. */
static void
learn_states(Lane *lane)
{
	struct under_way entries[64];
	int			first = 0;
	int			count;

	while ((count = poller_process_under_way(&lane->process, first, entries,
											 lengthof(entries))) > 0)
	{
		int			i;

		for (i = 0; i < count; i++)
		{
			PollerJob  *job = find_job(lane->client, entries[i].id);

			if (job == NULL || job->lane != lane || entries[i].state >= SESSION_STATE_COUNT)
				continue;
			job->state = entries[i].state;
			job->started = entries[i].began;
		}
		first += count;
	}
}

/* A result that no poller gave. */
static void
fail_job(Lane *lane, PollerJob *job, enum outcome outcome, const char *error)
{
	static struct job_result result;	/* holds a whole report: not for the stack */

	memset(&result, 0, sizeof(result));
	result.id = job->job.id;
	result.outcome = outcome;
	result.state = job->state;
	if (job->started != 0)
		result.elapsed_ms = TimestampDifferenceMilliseconds(job->started, ticks_now());
	result.error = error;
	result.peer_address = "";
	result.host_key = "";
	forget_job(lane, job);
	lane->client->callback(lane->client->arg, job, &result, NULL, 0);
}

static void
give_up_lane(Lane *lane, enum outcome outcome, const char *error)
{
	dlist_mutable_iter iter;

	learn_states(lane);
	dlist_foreach_modify(iter, &lane->jobs)
		fail_job(lane, dlist_container(PollerJob, node, iter.cur), outcome, error);
}

void
poller_client_give_up(PollerClient *client, enum outcome outcome, const char *error)
{
	int			i;

	for (i = 0; i < LANE_COUNT; i++)
		give_up_lane(&client->lanes[i], outcome, error);
}

void
poller_client_cancel(PollerClient *client, PollerJob *job,
					 enum outcome outcome, const char *error)
{
	learn_states(job->lane);
	fail_job(job->lane, job, outcome, error);
}

void
poller_client_stop(PollerClient *client)
{
	int			i;

	drop_events(client);
	for (i = 0; i < LANE_COUNT; i++)
	{
		Lane	   *lane = &client->lanes[i];
		dlist_mutable_iter iter;

		poller_process_end(&lane->process, true);
		dlist_foreach_modify(iter, &lane->jobs)
			forget_job(lane, dlist_container(PollerJob, node, iter.cur));
	}
}

void
poller_client_submit(PollerClient *client, PollerJob *job)
{
	static const LaneKind lane_of_company[] = {
		[COMPANY_ANY] = LANE_COMMON,
		[COMPANY_FEW] = LANE_FEW,
		[COMPANY_NONE] = LANE_QUEUE,
	};

	job->job.id = ++client->next_id;
	job->state = SESSION_QUEUED;
	job->started = 0;
	job->sent = false;
	((JobEntry *) hash_search(client->by_id, &job->job.id, HASH_ENTER, NULL))->job = job;
	/* these wait for their turn anyway: one that lets it pass would hold up others */
	if (job->company != COMPANY_ANY)
		job->job.start_delay_ms = 0;
	add_job(&client->lanes[lane_of_company[job->company]], job);
}

/* --- the lanes' pollers ---------------------------------------------------- */

/* Kept sessions may take half of the poller's memory, at 70 KB each (with libssh2 1.11 it
 * is a tenth more).  Fewer than there are nodes would be of no use: each would go before
 * its next turn. */
static uint32_t
most_kept_sessions(void)
{
	return setting_keep_sessions ? (uint32_t) setting_poller_memory * 1024 / 2 / 70 : 0;
}

static struct poller_settings
settings_of(LaneKind kind)
{
	struct poller_settings settings = {
		.max_connections = 1,
		.memory_limit = (uint64_t) setting_poller_memory * 1024 * 1024,
		.nice = setting_nice
	};

	if (kind == LANE_COMMON)
	{
		settings.max_connections = setting_max_connections;
		settings.max_kept_sessions = most_kept_sessions();
	}
	else if (kind == LANE_FEW)
		settings.max_connections = Max(Min(LEAST_FEW, setting_max_connections),
									   setting_max_connections / 8);
	return settings;
}

static bool
start_process(Lane *lane)
{
	struct poller_settings settings = settings_of(lane - lane->client->lanes);

	drop_events(lane->client);
	return poller_process_start(&lane->process, &settings);
}

bool
poller_client_lasts(const PollerClient *client, int64 idle)
{
	const PollerProcess *process = &client->lanes[LANE_COMMON].process;
	struct poller_settings now = settings_of(LANE_COMMON);

	if (process->pid == 0)
		return true;
	if (now.max_connections != process->settings.max_connections ||
		now.max_kept_sessions != process->settings.max_kept_sessions ||
		now.memory_limit != process->settings.memory_limit ||
		now.nice != process->settings.nice)
		return false;
	return now.max_kept_sessions > 0 || ticks_now() + idle - process->started < MOST_AGE;
}

/* Gives each idle lane for a single node one from the queue, the first in line. */
static void
serve_queue(PollerClient *client)
{
	Lane	   *queue = &client->lanes[LANE_QUEUE];
	int			i;

	for (i = LANE_ALONE; i < LANE_COUNT && queue->pending > 0; i++)
	{
		Lane	   *lane = &client->lanes[i];
		PollerJob  *job;

		if (lane->pending > 0)
			continue;
		job = dlist_head_element(PollerJob, node, &queue->jobs);
		dlist_delete(&job->node);
		queue->pending--;
		queue->unsent--;
		add_job(lane, job);
	}
}

/*
 * Starts a poller if there is work and none runs, and gives it the jobs.  Ends one
 * for suspects that has no work left.
 */
static void
ensure_process(Lane *lane)
{
	LaneKind	kind = lane - lane->client->lanes;
	dlist_mutable_iter iter;
	struct wire_writer writer;

	if (kind == LANE_QUEUE)
		return;
	if (kind != LANE_COMMON && lane->pending == 0 && lane->process.pid != 0)
	{
		drop_events(lane->client);
		poller_process_end(&lane->process, true);
	}
	if (lane->unsent == 0)
		return;
	if (lane->process.pid == 0 && !start_process(lane))
	{
		give_up_lane(lane, OUTCOME_POLLER_ENDED, lane->process.end_reason);
		return;
	}
	dlist_foreach_modify(iter, &lane->jobs)
	{
		PollerJob  *job = dlist_container(PollerJob, node, iter.cur);

		if (job->sent)
			continue;
		poller_process_reserve(&lane->process, &writer);
		if (!wire_encode_job(&writer, &job->job))
		{
			fail_job(lane, job, OUTCOME_INTERNAL,
					 "the node's registry entry is too long for the poller");
			continue;
		}
		poller_process_queued(&lane->process, &writer);
		job->sent = true;
		lane->unsent--;
	}
}

/*
 * The poller is gone.  What was under way gets the reason; what was not goes to
 * the next one, unless pollers keep ending without any result.
 */
static void
handle_death(Lane *lane)
{
	dlist_mutable_iter iter;
	char		error[256];

	drop_events(lane->client);
	learn_states(lane);
	poller_process_end(&lane->process, false);
	lane->fruitless++;
	dlist_foreach_modify(iter, &lane->jobs)
	{
		PollerJob  *job = dlist_container(PollerJob, node, iter.cur);

		if (job->sent && job->state > SESSION_QUEUED)
		{
			job->poller_died = true;
			snprintf(error, sizeof(error), "%s while %s", lane->process.end_reason,
					 session_state_name(job->state));
			fail_job(lane, job, OUTCOME_POLLER_ENDED, error);
		}
		else if (job->sent)
		{
			job->sent = false;
			lane->unsent++;
		}
	}
	if (lane->fruitless >= MAX_FRUITLESS)
	{
		give_up_lane(lane, OUTCOME_POLLER_ENDED, lane->process.end_reason);
		lane->fruitless = 0;
	}
}

static bool
handle_frame(void *arg, const struct wire_frame *frame)
{
	static struct job_result result;	/* holds a whole report: not for the stack */
	Lane	   *lane = arg;
	PollerClient *client = lane->client;
	PollerJob  *job;

	switch (frame->type)
	{
		case WIRE_RESULT:
			if (!wire_decode_result(frame, &result))
				return false;
			lane->fruitless = 0;
			job = find_job(client, result.id);
			if (job != NULL && job->lane == lane)
			{
				job->state = result.state;
				forget_job(lane, job);
				client->callback(client->arg, job, &result,
								 frame->payload, frame->payload_length);
			}
			return true;
		default:
			return false;
	}
}

/*
 * Until when the poller may stay silent: each job is bounded by its own
 * timeouts, so silence beyond the longest of them means that it hangs.
 */
static TimestampTz
silence_deadline(const Lane *lane)
{
	return TimestampTzPlusMilliseconds(lane->process.heard,
									   (int64) (lane->longest_ms + GRACE_MS));
}

/* --- waiting --------------------------------------------------------------- */

/* True if a socket error or end-of-file can be read; only looks. */
static bool
something_to_read(const Lane *lane)
{
	char		byte;
	ssize_t		n = recv(lane->process.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static void
make_events(PollerClient *client)
{
	int			i;

	if (client->events == NULL)
	{
		client->events = create_wait_event_set(2 + LANE_COUNT);
		AddWaitEventToSet(client->events, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
		AddWaitEventToSet(client->events, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
		for (i = 0; i < LANE_COUNT; i++)
		{
			Lane	   *lane = &client->lanes[i];

			lane->position = lane->process.pid == 0 ? -1 :
				AddWaitEventToSet(client->events, WL_SOCKET_READABLE,
								  lane->process.fd, NULL, NULL);
		}
	}
	for (i = 0; i < LANE_COUNT; i++)
	{
		Lane	   *lane = &client->lanes[i];

		if (lane->position >= 0)
			ModifyWaitEvent(client->events, lane->position,
							poller_process_unsent(&lane->process) ?
							WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE : WL_SOCKET_READABLE,
							NULL);
	}
}

/* Sends, reads and judges one lane's poller. */
static void
serve_lane(Lane *lane)
{
	bool		alive;

	if (lane->process.pid == 0)
		return;
	alive = poller_process_flush(&lane->process);
	if (!alive || something_to_read(lane))
		alive = poller_process_read(&lane->process, handle_frame, lane);
	if (alive && lane->pending > 0 && ticks_now() > silence_deadline(lane))
	{
		strlcpy(lane->process.end_reason, "poller fell silent and was ended",
				sizeof(lane->process.end_reason));
		alive = false;
	}
	if (!alive)
		handle_death(lane);
}

void
poller_client_wait(PollerClient *client, long timeout)
{
	WaitEvent	events[2 + LANE_COUNT];
	int			pending = poller_client_pending(client);
	TimestampTz now = ticks_now();
	int			i;

	serve_queue(client);
	for (i = 0; i < LANE_COUNT; i++)
	{
		Lane	   *lane = &client->lanes[i];

		ensure_process(lane);
		/* gone, maybe; but what it said before still counts */
		if (lane->process.pid != 0 && !poller_process_flush(&lane->process))
			serve_lane(lane);
		if (lane->pending > 0 && i != LANE_QUEUE)
		{
			TimestampTz deadline = silence_deadline(lane);

			timeout = Min(timeout, deadline <= now ? 0 : (long) ((deadline - now) / 1000 + 1));
		}
	}
	if (poller_client_pending(client) != pending)
		return;					/* there are results already */

	make_events(client);
	(void) WaitEventSetWait(client->events, timeout, events, lengthof(events),
							PG_WAIT_EXTENSION);
	for (i = 0; i < LANE_COUNT; i++)
		serve_lane(&client->lanes[i]);
}

/*
 * worker.c: the background worker: waits for the slot, has the nodes polled,
 * stores what they answered, and survives whatever happens meanwhile.
 *
 *	        slot               answers              stored
 *	wait ────────► load, submit ─────► store a batch ─────► log the round, wait
 *	  ▲  latch, poller, time ▲              │ failed: the answers wait for a retry
 *	  └──────────────────────┴──────────────┘
 *
 * There is one wait, in poller_client_wait(); no transaction is open in it.
 * Rounds may overlap: a node that still keeps one busy is left out of the next,
 * so that it delays nobody else.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "alerts.h"
#include "common/schedule.h"
#include "await_database.h"
#include "compat.h"
#include "node_log.h"
#include "nodes.h"
#include "settings.h"
#include "store.h"
#include "suspects.h"
#include "ticks.h"
#include "transaction.h"
#include "upkeep.h"
#include "worker.h"

/* Answers are stored in batches: as soon as this many are there, or this long
 * after the first. */
#define BATCH_NODES 256
#define BATCH_MS 100

/* As pg_stat_activity shows it. */
#define LOADING "tribe_power: loading the nodes"
#define STORING "tribe_power: storing readings"

/* How often to look whether the extension has been installed. */
#define MISSING_RECHECK_MS 5000

/* Answers that could not be stored for this long are given up: the counters go
 * on, so that the next reading carries the energy all the same. */
#define UNSTORABLE_MS 120000

/* Upkeep waits for a pause between rounds, but not for longer than this. */
#define UPKEEP_PATIENCE_MS 10000

/* With this many failed transactions in a row a new process may do better. */
#define MAX_FAILURES 30

typedef struct Worker
{
	MemoryContext context;		/* lives as long as the worker */
	MemoryContext scratch;		/* reset at each turn */
	PollerClient *client;
	Suspects   *suspects;
	List	   *rounds;			/* Round *: not yet stored whole */
	TimestampTz next_slot;		/* of tribe_power.interval */
	TimestampTz node_due;		/* the earliest next attempt of a node; 0: none */
	TimestampTz flush_at;		/* when to store the answers, in ticks; 0: there are none */
	TimestampTz upkeep_at;		/* when history wants to be looked after */
	char	   *database;		/* as set when we started; NULL: started by hand */
	int			interval;		/* that next_slot was computed with */
	bool		extension_missing;	/* when it was last looked for */
} Worker;

/* The schedule counts from the Unix epoch, PostgreSQL from 2000. */
static const int64 epoch_offset = (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;

static TimestampTz
slot_after(TimestampTz now, TimestampTz previous)
{
	return schedule_next_slot(now + epoch_offset, (int64) setting_interval * SCHEDULE_SECOND,
							  previous == DT_NOBEGIN ? INT64_MIN : previous + epoch_offset) - epoch_offset;
}

/* --- a round begins ------------------------------------------------------ */

typedef struct LoadArguments
{
	Worker	   *worker;
	TimestampTz slot;
	Round	   *round;
} LoadArguments;

static void
load_body(const ExtensionInfo *extension, void *arg)
{
	LoadArguments *arguments = arg;

	arguments->round = nodes_load_due(extension, arguments->slot, arguments->worker->context);
	arguments->worker->node_due = nodes_next_due(extension, arguments->slot);
}

/* Takes out the nodes that an earlier round still has under way. */
static void
leave_out_busy(Worker *worker, Round *round)
{
	HTAB	   *busy;
	ListCell   *cell;
	int			i,
				kept = 0;

	if (worker->rounds == NIL)
		return;
	busy = hash_create("tribe_power busy nodes", 64, &(HASHCTL)
					   {
						   .keysize = WIRE_MAX_NAME + 1,
						   .entrysize = WIRE_MAX_NAME + 1,
						   .hcxt = worker->scratch
					   },
					   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	foreach(cell, worker->rounds)
	{
		Round	   *other = lfirst(cell);

		for (i = 0; i < other->count; i++)
			if (!other->nodes[i].stored)
				hash_search(busy, other->nodes[i].name, HASH_ENTER, NULL);
	}
	for (i = 0; i < round->count; i++)
	{
		bool		found;

		hash_search(busy, round->nodes[i].name, HASH_FIND, &found);
		if (!found)
			round->nodes[kept++] = round->nodes[i];
	}
	round->count = kept;
}

/* Nodes that may have ended a poller are polled apart, or not at all. */
static void
judge_suspects(Worker *worker, Round *round)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until;
	int			i;

	for (i = 0; i < round->count; i++)
	{
		RoundNode  *node = &round->nodes[i];
		SuspectVerdict verdict = suspects_judge(worker->suspects, node->name, now, &until);

		node->job.company = verdict == SUSPECT_CLEAR ? COMPANY_ANY :
			verdict == SUSPECT_FEW ? COMPANY_FEW : COMPANY_NONE;
		if (verdict == SUSPECT_ASIDE)
			round_fail(node, OUTCOME_SET_ASIDE,
					   psprintf("set aside until %s: the poller ended %d times in a row while polling it",
								timestamptz_to_str(until), SUSPECT_MOST_DEATHS));
	}
}

/* The client's callback. */
static void
take_result(void *arg, PollerJob *job, const struct job_result *result,
			const uint8_t *payload, size_t length)
{
	Worker	   *worker = arg;
	RoundNode  *node = (RoundNode *) job;
	TimestampTz now = GetCurrentTimestamp();

	round_take_result(NULL, job, result, payload, length);
	if (suspects_note(worker->suspects, node->name, job->poller_died, now))
		node_log_set_aside(node, TimestampTzPlusMilliseconds(now, SUSPECT_ASIDE_MS));
}

static void
begin_round(Worker *worker, TimestampTz slot)
{
	LoadArguments arguments = {worker, slot, NULL};
	TransactionResult result;
	MemoryContext previous;
	Round	   *round;

	result = transaction_run(load_body, &arguments, LOADING);
	round = arguments.round;
	worker->extension_missing = result == TRANSACTION_NO_EXTENSION;
	if (result != TRANSACTION_DONE)
	{
		TimestampTz again = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), MISSING_RECHECK_MS);

		if (round != NULL)
			round_free(round);
		/* the next look costs nothing but a slot that would come later anyway */
		worker->node_due = again;
		return;
	}
	leave_out_busy(worker, round);
	if (round->count == 0)
	{
		round_free(round);
		return;
	}
	previous = MemoryContextSwitchTo(worker->context);
	worker->rounds = lappend(worker->rounds, round);
	if (worker->client == NULL)
		worker->client = poller_client_create(worker->context, take_result, worker);
	MemoryContextSwitchTo(previous);
	judge_suspects(worker, round);
	round_submit(round, worker->client);
}

/* The time of the next round, if there is one. */
static TimestampTz
next_round(const Worker *worker)
{
	return worker->node_due != 0 ? Min(worker->node_due, worker->next_slot) : worker->next_slot;
}

/* Begins a round if its time has come. */
static void
serve_slot(Worker *worker, TimestampTz now)
{
	TimestampTz slot;

	/* the clock was set back: slots come again */
	if (worker->next_slot - now > (int64) setting_interval * USECS_PER_SEC)
	{
		worker->next_slot = slot_after(now, DT_NOBEGIN);
		worker->upkeep_at = now;
	}
	slot = next_round(worker);
	if (now < slot)
		return;

	if (slot == worker->next_slot || now >= worker->next_slot)
	{
		slot = worker->next_slot;
		/* missed slots are skipped: serve the one that we are in */
		if (now - slot >= (int64) setting_interval * USECS_PER_SEC)
			slot = slot_after(now, DT_NOBEGIN) - (int64) setting_interval * USECS_PER_SEC;
		worker->next_slot = slot_after(now, slot);
	}
	worker->node_due = 0;
	if (setting_enabled)
		begin_round(worker, slot);
}

/* --- answers are stored -------------------------------------------------- */

typedef struct FlushArguments
{
	Worker	   *worker;
	RoundNode **nodes;
	int			count;
} FlushArguments;

static void
flush_body(const ExtensionInfo *extension, void *arg)
{
	FlushArguments *arguments = arg;
	TimestampTz due;

	store_nodes(extension, arguments->nodes, arguments->count, true);
	due = nodes_next_due(extension, GetCurrentTimestamp());
	if (due != 0 && (arguments->worker->node_due == 0 || due < arguments->worker->node_due))
		arguments->worker->node_due = due;
}

/* In a transaction of its own: whatever becomes of it, the readings are stored. */
static void
look_body(const ExtensionInfo *extension, void *arg)
{
	FlushArguments *arguments = arg;

	alerts_look(extension, arguments->nodes, arguments->count);
}

static void
end_round(Worker *worker, Round *round)
{
	ereport(LOG,
			(errmsg("power collection: %d %s, %d read, %d failed, %.1f s",
					round->count, round->count == 1 ? "node" : "nodes", round->read, round->count - round->read,
					(ticks_now() - round->started) / 1e6)));
	worker->rounds = list_delete_ptr(worker->rounds, round);
	round_free(round);
}

static void
mark_stored(RoundNode *node)
{
	node->stored = true;
	node->round->stored++;
}

/* The answered nodes that wait to be stored, at most one batch. */
static int
gather(Worker *worker, RoundNode **nodes, int most)
{
	ListCell   *cell;
	int			count = 0;
	int			i;

	foreach(cell, worker->rounds)
	{
		Round	   *round = lfirst(cell);

		if (round->answered == round->stored)
			continue;
		for (i = 0; i < round->count && count < most; i++)
			if (round->nodes[i].answered && !round->nodes[i].stored)
				nodes[count++] = &round->nodes[i];
	}
	return count;
}

static int
count_waiting(Worker *worker)
{
	ListCell   *cell;
	int			waiting = 0;

	foreach(cell, worker->rounds)
	{
		Round	   *round = lfirst(cell);

		waiting += round->answered - round->stored;
	}
	return waiting;
}

/* Ends the rounds of which nothing is left. */
static void
sweep_rounds(Worker *worker)
{
	List	   *rounds = list_copy(worker->rounds);
	ListCell   *cell;

	foreach(cell, rounds)
	{
		Round	   *round = lfirst(cell);

		if (round->stored == round->count)
			end_round(worker, round);
	}
	list_free(rounds);
}

static void
flush(Worker *worker)
{
	RoundNode **nodes = palloc(sizeof(RoundNode *) * BATCH_NODES);
	FlushArguments arguments = {worker, nodes, gather(worker, nodes, BATCH_NODES)};
	TransactionResult result;
	TimestampTz now;
	int			left = 0;
	int			i;

	result = transaction_run(flush_body, &arguments, STORING);
	now = ticks_now();
	for (i = 0; i < arguments.count; i++)
	{
		RoundNode  *node = nodes[i];

		if (result == TRANSACTION_DONE && node->stored)
		{
			node->round->stored++;
			node_log_change(node);
			continue;
		}
		node->stored = false;
		if (result == TRANSACTION_NO_EXTENSION)
			mark_stored(node);
		else if (TimestampDifferenceExceeds(node->arrived, now, UNSTORABLE_MS))
		{
			ereport(LOG,
					(errmsg("answer of node \"%s\" could not be stored and is given up", node->name)));
			mark_stored(node);
		}
		else
			left++;
	}
	if (result == TRANSACTION_DONE)
		transaction_run(look_body, &arguments, "tribe_power: looking for alerts");
	sweep_rounds(worker);

	if (count_waiting(worker) == 0)
		worker->flush_at = 0;
	else if (left > 0)
	{
		/* locked by somebody, or the database is in trouble: longer each time */
		int			shift = Min(transaction_failures(STORING), 5);

		worker->flush_at = TimestampTzPlusMilliseconds(now, 500 << shift);
	}
	else
		worker->flush_at = now;
}

/* --- the loop ------------------------------------------------------------ */

/* Gives up what the round's time was not enough for. */
static void
enforce_round_timeout(Worker *worker)
{
	TimestampTz now = ticks_now();
	ListCell   *cell;
	int			i;

	foreach(cell, worker->rounds)
	{
		Round	   *round = lfirst(cell);
		int64		allowed = setting_round_timeout + (int64) setting_jitter * 1000;

		if (round->answered == round->count ||
			now < TimestampTzPlusMilliseconds(round->started, allowed))
			continue;
		for (i = 0; i < round->count; i++)
			if (!round->nodes[i].answered)
				poller_client_cancel(worker->client, &round->nodes[i].job,
									 OUTCOME_ROUND_TIMEOUT, "not polled within the round's time");
	}
}

/* When something is to be done at the latest, in ms from now. */
static long
time_to_wait(Worker *worker, TimestampTz now)
{
	TimestampTz until = next_round(worker);
	long		wait;

	if (worker->rounds == NIL)
		until = Min(until, worker->upkeep_at);
	/* a clock set back shows within a minute, a round's timeout in a second */
	until = Min(until, TimestampTzPlusMilliseconds(now, worker->rounds != NIL ? 1000 : 60000));
	wait = until <= now ? 0 : (long) ((until - now + 999) / 1000);
	if (worker->flush_at != 0)
		wait = Min(wait, TimestampDifferenceMilliseconds(ticks_now(), worker->flush_at));
	return wait;
}

static void
wait_for_work(Worker *worker, TimestampTz now)
{
	long		timeout = time_to_wait(worker, now);

	if (worker->client != NULL)
		poller_client_wait(worker->client, timeout);
	else
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 timeout, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);

	now = ticks_now();
	if (count_waiting(worker) > 0 && worker->flush_at == 0)
		worker->flush_at = TimestampTzPlusMilliseconds(now, BATCH_MS);
	if (worker->flush_at > now && transaction_failures(STORING) == 0 &&
		(count_waiting(worker) >= BATCH_NODES ||
		 (worker->client != NULL && poller_client_pending(worker->client) == 0 &&
		  worker->flush_at - now <= BATCH_MS * 1000)))
		worker->flush_at = now;
}

static void
reload(Worker *worker)
{
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	if (worker->database != NULL && strcmp(setting_database, worker->database) != 0)
	{
		ereport(LOG, (errmsg("tribe_power worker restarts to use database \"%s\"", setting_database)));
		proc_exit(1);
	}
	if (setting_interval != worker->interval)
	{
		worker->interval = setting_interval;
		worker->next_slot = slot_after(GetCurrentTimestamp(), DT_NOBEGIN);
	}
}

/* A poller that nobody will need soon, or that is not as it should be, ends. */
static void
end_idle_poller(Worker *worker)
{
	if (worker->client == NULL || worker->rounds != NIL ||
		poller_client_pending(worker->client) > 0)
		return;
	if (!setting_enabled || worker->extension_missing ||
		!poller_client_lasts(worker->client, next_round(worker) - GetCurrentTimestamp()))
		poller_client_stop(worker->client);
}

void
tribe_power_worker_main(Datum argument)
{
	Worker	   *worker;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	transaction_prepare_session();
	if (OidIsValid(DatumGetObjectId(argument)))
		BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(argument), InvalidOid, 0);
	else
	{
		await_database();
		BackgroundWorkerInitializeConnection(setting_database, NULL, 0);
		await_database_reached();
	}
	pgstat_report_appname("tribe_power worker");

	worker = MemoryContextAllocZero(TopMemoryContext, sizeof(Worker));
	worker->context = AllocSetContextCreate(TopMemoryContext, "tribe_power worker",
											ALLOCSET_DEFAULT_SIZES);
	worker->scratch = AllocSetContextCreate(TopMemoryContext, "tribe_power scratch",
											ALLOCSET_DEFAULT_SIZES);
	worker->suspects = suspects_create(worker->context);
	if (!OidIsValid(DatumGetObjectId(argument)))
		worker->database = MemoryContextStrdup(worker->context, setting_database);
	worker->interval = setting_interval;
	worker->next_slot = slot_after(GetCurrentTimestamp(), DT_NOBEGIN);
	worker->node_due = GetCurrentTimestamp();	/* look for the extension, and
												 * for nodes that are overdue */
	for (;;)
	{
		TimestampTz now;

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
			reload(worker);
		if (transaction_failures(STORING) >= MAX_FAILURES || transaction_failures(LOADING) >= MAX_FAILURES)
			ereport(FATAL,
					(errmsg("tribe_power worker restarts after %d failed transactions in a row",
							MAX_FAILURES)));

		MemoryContextReset(worker->scratch);
		MemoryContextSwitchTo(worker->scratch);
		now = GetCurrentTimestamp();
		serve_slot(worker, now);
		enforce_round_timeout(worker);
		if (worker->flush_at != 0 && ticks_now() >= worker->flush_at)
			flush(worker);
		if (now >= worker->upkeep_at &&
			(worker->rounds == NIL ||
			 TimestampDifferenceExceeds(worker->upkeep_at, now, UPKEEP_PATIENCE_MS)))
			worker->upkeep_at = upkeep_step(now);
		end_idle_poller(worker);
		wait_for_work(worker, GetCurrentTimestamp());
	}
}

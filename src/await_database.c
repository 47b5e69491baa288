/*
 * await_database.c: a worker that cannot connect dies with a FATAL line, and is
 * started again ten seconds later, for ever.  So after a first such end the next
 * process connects to no database at all, where the list of databases can be
 * read, and waits there until the one that is wanted appears.  A process can
 * connect once only: what it learnt passes to the next in shared memory.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "await_database.h"
#include "compat.h"
#include "settings.h"

/* How often to look for the database. */
#define LOOK_MS 2000

/* The last attempt to connect has not come through. */
static bool *attempt_failed = NULL;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void
request(void)
{
	if (previous_request_hook != NULL)
		previous_request_hook();
	RequestAddinShmemSpace(sizeof(bool));
}

static void
startup(void)
{
	bool		found;

	if (previous_startup_hook != NULL)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	attempt_failed = ShmemInitStruct("tribe_power worker", sizeof(bool), &found);
	if (!found)
		*attempt_failed = false;
	LWLockRelease(AddinShmemInitLock);
}

void
await_database_prepare(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup;
}

void
await_database_reached(void)
{
	if (attempt_failed != NULL)
		*attempt_failed = false;
}

/* What keeps the worker from its database; NULL: nothing. */
static const char *
obstacle(void)
{
	const char *reason = "does not exist";
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (strcmp(NameStr(form->datname), setting_database) == 0)
			reason = form->datallowconn ? NULL : "does not accept connections";
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	return reason;
}

void
await_database(void)
{
	char		said[NAMEDATALEN + 64] = "";
	const char *reason;

	if (attempt_failed == NULL)
		return;
	if (!*attempt_failed)
	{
		*attempt_failed = true;
		return;
	}

	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	pgstat_report_appname("tribe_power worker");
	while ((reason = obstacle()) != NULL)
	{
		char		saying[sizeof(said)];

		snprintf(saying, sizeof(saying), "database \"%s\" %s", setting_database, reason);
		if (strcmp(saying, said) != 0)
			ereport(LOG,
					(errmsg("tribe_power worker waits: %s", saying),
					 errhint("Create the database and the extension in it, or set tribe_power.database to where it is.")));
		strlcpy(said, saying, sizeof(said));
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LOOK_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
	await_database_reached();
	proc_exit(1);
}

/*
 * worker_register.c: has the postmaster start the worker: with the server, or now.
 * What it does then is in worker.c.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"

#include "await_database.h"
#include "worker.h"

static void
describe_worker(BackgroundWorker *worker)
{
	memset(worker, 0, sizeof(*worker));
	strlcpy(worker->bgw_name, "tribe_power worker", BGW_MAXLEN);
	strlcpy(worker->bgw_type, "tribe_power worker", BGW_MAXLEN);
	strlcpy(worker->bgw_library_name, "tribe_power", BGW_MAXLEN);
	strlcpy(worker->bgw_function_name, "tribe_power_worker_main", BGW_MAXLEN);
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = 10;
}

static bool registered = false;

void
worker_register(void)
{
	BackgroundWorker worker;

	describe_worker(&worker);
	RegisterBackgroundWorker(&worker);
	await_database_prepare();
	registered = true;
}

bool
worker_is_registered(void)
{
	return registered;
}

int
worker_start(Oid database)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;
	pid_t		pid;

	describe_worker(&worker);
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("no background worker slot is free"),
				 errhint("Raise max_worker_processes.")));
	if (WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("the worker did not start"),
				 errhint("The server's log says why.")));
	return (int) pid;
}

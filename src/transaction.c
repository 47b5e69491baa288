/*
 * transaction.c: the worker's transactions.  A database error rolls its
 * transaction back and becomes a return value; only FATAL gets past.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "common/version.h"
#include "compat.h"
#include "transaction.h"

/*
 * The lock of the one worker that serves a database.  An advisory lock, but of a
 * kind that pg_advisory_lock() cannot name (that has 1 or 2 in the last field):
 * else anybody who may connect could keep the worker out.
 * tribe_power_is_served() looks for the same numbers.
 */
static void
set_worker_lock(LOCKTAG *tag)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, 0x74726962, 0x65507772, 3);
}

/* How each kind of transaction fares: one may fail for ever while others go well,
 * as storing does on a full disk. */
typedef struct Kind
{
	const char *activity;
	int			failures;		/* in a row */
	char		last_error[256];
} Kind;

static Kind kinds[16];
static char missing_reason[512] = "";

/* By its activity; the last place is shared should there be more. */
static Kind *
kind_of(const char *activity)
{
	int			i;

	for (i = 0; i < lengthof(kinds) - 1; i++)
	{
		if (kinds[i].activity == NULL)
			kinds[i].activity = activity;
		if (strcmp(kinds[i].activity, activity) == 0)
			break;
	}
	return &kinds[i];
}

int
transaction_failures(const char *activity)
{
	return kind_of(activity)->failures;
}

void
transaction_prepare_session(void)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_deferrable", "off"},
		{"statement_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"idle_session_timeout", "0"},
		{"lock_timeout", "2s"},
		{"row_security", "off"},
#ifdef HAVE_TRANSACTION_TIMEOUT
		{"transaction_timeout", "0"},
#endif
	};
	int			i;

	for (i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

bool
transaction_worker_lock(void)
{
	LOCKTAG		tag;

	set_worker_lock(&tag);
	return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
transaction_worker_unlock(void)
{
	LOCKTAG		tag;

	set_worker_lock(&tag);
	LockRelease(&tag, ExclusiveLock, true);
}

/* Says once why the worker idles, and once that it no longer does. */
static bool
extension_ready(ExtensionInfo *extension)
{
	static bool locked = false;
	char		reason[sizeof(missing_reason)] = "";

	/* held until this process ends */
	if (!locked)
		locked = transaction_worker_lock();
	if (!locked)
		snprintf(reason, sizeof(reason), "another worker serves this database");
	else if (!extension_lookup(extension))
		snprintf(reason, sizeof(reason), "extension \"tribe_power\" is not installed in this database");
	else if (!extension_version_matches(extension))
		snprintf(reason, sizeof(reason), "the library is for SQL version %s, the database has %s",
				 TRIBE_POWER_SQL_VERSION, extension->version);
	else if (!extension_schema_matches(extension))
		snprintf(reason, sizeof(reason), "the extension's schema \"%s\" has been renamed to \"%s\"",
				 extension->made_for, extension->schema);

	if (strcmp(reason, missing_reason) != 0)
	{
		if (reason[0] == '\0')
			ereport(LOG, (errmsg("tribe_power worker is at work")));
		else
			ereport(LOG,
					(errmsg("tribe_power worker waits: %s", reason),
					 !locked ? 0 : !extension_lookup(extension) ?
					 errhint("Run CREATE EXTENSION tribe_power, or set tribe_power.database to where it is.") :
					 extension_version_matches(extension) ?
					 errhint("Rename it back.") :
					 errhint("Run ALTER EXTENSION tribe_power UPDATE, or restart the server with the library that fits.")));
		strlcpy(missing_reason, reason, sizeof(missing_reason));
	}
	return reason[0] == '\0';
}

/* In PG_CATCH: logs the error if it is news, and rolls back. */
static void
handle_error(Kind *kind, MemoryContext context)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	HOLD_INTERRUPTS();
	if (kind->failures == 0 ||
		strncmp(kind->last_error, error->message, sizeof(kind->last_error) - 1) != 0)
		EmitErrorReport();
	strlcpy(kind->last_error, error->message, sizeof(kind->last_error));
	FlushErrorState();
	FreeErrorData(error);
	AbortCurrentTransaction();
	kind->failures++;
	RESUME_INTERRUPTS();
}

TransactionResult
transaction_run(void (*body) (const ExtensionInfo *extension, void *arg),
				void *arg, const char *activity)
{
	MemoryContext context = CurrentMemoryContext;
	Kind	   *kind = kind_of(activity);
	volatile TransactionResult result = TRANSACTION_DONE;

	PG_TRY();
	{
		ExtensionInfo extension = {0};

		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		pgstat_report_activity(STATE_RUNNING, activity);
		if (extension_ready(&extension))
		{
			Oid			user;
			int			context_flags;

			/* triggers and defaults that others may have put on our tables run
			 * as the extension's owner, not as the superuser that we are */
			GetUserIdAndSecContext(&user, &context_flags);
			SetUserIdAndSecContext(extension.owner,
								   context_flags | SECURITY_LOCAL_USERID_CHANGE |
								   SECURITY_RESTRICTED_OPERATION);
			SPI_connect();
			body(&extension, arg);
			SPI_finish();
			SetUserIdAndSecContext(user, context_flags);
		}
		else
			result = TRANSACTION_NO_EXTENSION;
		PopActiveSnapshot();
		CommitTransactionCommand();
		if (kind->failures > 0)
		{
			ereport(LOG,
					(errmsg("tribe_power worker can use the database again"),
					 errdetail("It had failed %d times: %s.", kind->failures, activity)));
			kind->failures = 0;
		}
	}
	PG_CATCH();
	{
		handle_error(kind, context);
		result = TRANSACTION_FAILED;
	}
	PG_END_TRY();

	MemoryContextSwitchTo(context);
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	return result;
}

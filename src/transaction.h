/*
 * transaction.h: the worker's transactions: short, as the extension's owner,
 * and no error gets out.
 */
#ifndef TRIBE_POWER_TRANSACTION_H
#define TRIBE_POWER_TRANSACTION_H

#include "postgres.h"

#include "extension.h"

typedef enum TransactionResult
{
	TRANSACTION_DONE,
	TRANSACTION_NO_EXTENSION,	/* not installed here, or of another version */
	TRANSACTION_FAILED,			/* a database error: logged, rolled back */
} TransactionResult;

/*
 * Runs body in a transaction with SPI connected, showing activity in
 * pg_stat_activity.  A failure is logged when it differs from the one
 * before it of the same activity, a constant.
 */
extern TransactionResult transaction_run(void (*body) (const ExtensionInfo *extension, void *arg),
										 void *arg, const char *activity);

/* How often the transactions with this activity have failed in a row until now. */
extern int	transaction_failures(const char *activity);

/*
 * One worker serves a database: takes the lock that says so for this session, or
 * gives false.  Needs a transaction, as does giving it back.
 */
extern bool transaction_worker_lock(void);
extern void transaction_worker_unlock(void);

/* Makes this process independent of what the server, roles and databases have set.
 * To be called before it connects: with a transaction_timeout of a millisecond it would
 * never get that far. */
extern void transaction_prepare_session(void);

#endif

/*
 * worker.h: the background worker.
 */
#ifndef TRIBE_POWER_WORKER_H
#define TRIBE_POWER_WORKER_H

#include "postgres.h"

/* At preload: has the postmaster start the worker. */
extern void worker_register(void);

/* Whether the postmaster did so, before this process was forked. */
extern bool worker_is_registered(void);

/* Now: starts one for that database, waits until it runs, gives its process id.
 * Raises insufficient_resources if it cannot. */
extern int	worker_start(Oid database);

/* The argument: a database's oid, or 0 for tribe_power.database. */
extern PGDLLEXPORT void tribe_power_worker_main(Datum argument);

#endif

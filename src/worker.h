/*
 * worker.h: the background worker.
 */
#ifndef TRIBE_POWER_WORKER_H
#define TRIBE_POWER_WORKER_H

#include "postgres.h"

/* At preload: has the postmaster start the worker. */
extern void worker_register(void);

extern PGDLLEXPORT void tribe_power_worker_main(Datum argument);

#endif

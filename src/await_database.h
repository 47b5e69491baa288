/*
 * await_database.h: what the worker does while the database that
 * tribe_power.database names is not there.
 */
#ifndef TRIBE_POWER_AWAIT_DATABASE_H
#define TRIBE_POWER_AWAIT_DATABASE_H

#include "postgres.h"

/* At preload: asks for the byte of shared memory that this needs. */
extern void await_database_prepare(void);

/*
 * Before the worker connects.  Returns if it should try: an attempt that fails
 * ends the process.  After such a one, waits without a database until the one
 * that is wanted can be had, says once why, and ends the process to be started
 * anew; then it does not return.
 */
extern void await_database(void);

/* The attempt went well. */
extern void await_database_reached(void);

#endif

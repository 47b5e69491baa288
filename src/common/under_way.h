/*
 * under_way.h: what a poller is at, for its owner who finds it dead.
 *
 * A table in a file in memory (memfd) that the poller has mapped as its descriptor 1.
 * A state costs it a store and wakes nobody, and what was stored last outlives any
 * death.  The owner only reads the file, and believes it no more than a message: the
 * poller may have been taken over.
 */
#ifndef TRIBE_POWER_UNDER_WAY_H
#define TRIBE_POWER_UNDER_WAY_H

#include <stdint.h>

/* One for each session that may be under way, max_connections of them.  A place keeps
 * the job that ended until another takes it. */
struct under_way
{
	uint64_t	id;				/* of the job; 0: none yet */
	int64_t		began;			/* microseconds of CLOCK_MONOTONIC */
	uint32_t	state;			/* enum session_state */
	uint32_t	unused;
};

#endif

/*
 * suspects.h: nodes that were under way when a poller ended.
 */
#ifndef TRIBE_POWER_SUSPECTS_H
#define TRIBE_POWER_SUSPECTS_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* A node that was under way at this many ends in a row is set aside … */
#define SUSPECT_MOST_DEATHS 3

/* … for this long, then tried once more, alone. */
#define SUSPECT_ASIDE_MS (60 * 60 * 1000)

typedef enum SuspectVerdict
{
	SUSPECT_CLEAR,				/* polled like any other */
	SUSPECT_ALONE,				/* polled in a poller of its own */
	SUSPECT_ASIDE,				/* not polled for now */
} SuspectVerdict;

typedef struct Suspects Suspects;

extern Suspects *suspects_create(MemoryContext context);

/* After each poll: whether its poller ended meanwhile. */
extern void suspects_note(Suspects *suspects, const char *node_name,
						  bool poller_died, TimestampTz now);

/* How to poll the node now; *until is set for SUSPECT_ASIDE. */
extern SuspectVerdict suspects_judge(Suspects *suspects, const char *node_name,
									 TimestampTz now, TimestampTz *until);

#endif

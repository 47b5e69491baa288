/*
 * suspects.h: nodes that were under way when a poller ended.
 *
 * Any of them may have caused it.  After one end they are polled a few at a time
 * (8, or an eighth of tribe_power.max_connections), apart from all others; one that
 * was there at a second end is polled alone, four of these at a time; after a third
 * end, which nobody else was there to cause, the node is set aside.
 *
 * So a node without fault loses at most two answers to another's, and is held up in
 * its slot only where 8 others (4, if it is polled alone) hang at the same time: then
 * for as long as one node may take, tribe_power.connect_timeout twice and
 * node_timeout, for each 8 (4) of them that are before it.
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
	SUSPECT_FEW,				/* polled with a few others of this kind */
	SUSPECT_ALONE,				/* polled in a poller of its own */
	SUSPECT_ASIDE,				/* not polled for now */
} SuspectVerdict;

typedef struct Suspects Suspects;

extern Suspects *suspects_create(MemoryContext context);

/* After each poll: whether its poller ended meanwhile.  True if that sets the node
 * aside: from now on, or once more. */
extern bool suspects_note(Suspects *suspects, const char *node_name,
						  bool poller_died, TimestampTz now);

/* How to poll the node now; *until is set for SUSPECT_ASIDE. */
extern SuspectVerdict suspects_judge(Suspects *suspects, const char *node_name,
									 TimestampTz now, TimestampTz *until);

#endif

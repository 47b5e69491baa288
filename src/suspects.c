/*
 * suspects.c: remembers, for as long as the worker lives, which nodes were
 * under way when a poller ended, and judges how each is to be polled (suspects.h).
 * A poll that goes well, or fails without the poller's end, clears it.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "common/wire.h"
#include "suspects.h"

typedef struct Suspect
{
	char		node_name[WIRE_MAX_NAME + 1];
	int			deaths;			/* pollers in a row */
	TimestampTz last;			/* when the latest of them ended */
} Suspect;

struct Suspects
{
	HTAB	   *by_name;
};

Suspects *
suspects_create(MemoryContext context)
{
	Suspects   *suspects = MemoryContextAlloc(context, sizeof(Suspects));

	suspects->by_name = hash_create("tribe_power suspects", 16, &(HASHCTL)
									{
										.keysize = WIRE_MAX_NAME + 1,
										.entrysize = sizeof(Suspect),
										.hcxt = context
									},
									HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	return suspects;
}

bool
suspects_note(Suspects *suspects, const char *node_name, bool poller_died, TimestampTz now)
{
	Suspect    *suspect;
	bool		found;

	if (!poller_died)
	{
		hash_search(suspects->by_name, node_name, HASH_REMOVE, NULL);
		return false;
	}
	suspect = hash_search(suspects->by_name, node_name, HASH_ENTER, &found);
	if (!found)
		suspect->deaths = 0;
	suspect->deaths++;
	suspect->last = now;
	return suspect->deaths >= SUSPECT_MOST_DEATHS;
}

SuspectVerdict
suspects_judge(Suspects *suspects, const char *node_name, TimestampTz now, TimestampTz *until)
{
	Suspect    *suspect = hash_search(suspects->by_name, node_name, HASH_FIND, NULL);

	if (suspect == NULL)
		return SUSPECT_CLEAR;
	*until = TimestampTzPlusMilliseconds(suspect->last, SUSPECT_ASIDE_MS);
	if (suspect->deaths == 1)
		return SUSPECT_FEW;
	if (suspect->deaths < SUSPECT_MOST_DEATHS || now >= *until || now < suspect->last)
		return SUSPECT_ALONE;
	return SUSPECT_ASIDE;
}

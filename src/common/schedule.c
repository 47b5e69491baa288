/*
 * schedule.c: slots, spread and back-off (schedule.h).  Pure arithmetic; what
 * would overflow stays at the end of time.
 */
#include "schedule.h"

/* Failures in a row that a node may have before it is asked less often. */
#define PATIENCE 3

static int64_t
add_saturated(int64_t a, int64_t b)
{
	int64_t		sum;

	if (__builtin_add_overflow(a, b, &sum))
		return b > 0 ? INT64_MAX : INT64_MIN;
	return sum;
}

/* The last slot at or before now. */
static int64_t
slot_at(int64_t now, int64_t interval)
{
	int64_t		past = now % interval;

	if (past < 0)
		past += interval;
	return add_saturated(now, -past);
}

int64_t
schedule_next_slot(int64_t now, int64_t interval, int64_t previous)
{
	int64_t		slot;

	if (interval <= 0)
		interval = 1;
	slot = add_saturated(slot_at(now, interval), interval);

	/*
	 * Only the very slot just served is passed over.  Any other slot before
	 * previous means that the clock was set back, and then it is due again.
	 */
	if (slot == previous)
		slot = add_saturated(slot, interval);
	return slot;
}

int64_t
schedule_spread(const char *node_name, int64_t jitter)
{
	uint64_t	hash = UINT64_C(0xcbf29ce484222325);

	if (jitter <= 0)
		return 0;
	for (const unsigned char *c = (const unsigned char *) node_name; *c; c++)
	{
		hash ^= *c;
		hash *= UINT64_C(0x100000001b3);
	}

	/*
	 * Names of a fleet differ in their last letters only, which FNV leaves in
	 * the low bits: mix, so that the high ones decide evenly.
	 */
	hash ^= hash >> 33;
	hash *= UINT64_C(0xff51afd7ed558ccd);
	hash ^= hash >> 33;
	hash *= UINT64_C(0xc4ceb9fe1a85ec53);
	hash ^= hash >> 33;
	return (int64_t) (((unsigned __int128) hash * ((uint64_t) jitter + 1)) >> 64);
}

int64_t
schedule_next_attempt(int64_t slot, int64_t interval, int failures)
{
	int64_t		wait;
	int64_t		longest;

	if (interval <= 0)
		interval = 1;
	longest = interval > SCHEDULE_HOUR ? interval : SCHEDULE_HOUR;
	wait = interval;
	for (int i = PATIENCE - 1; i < failures && wait < longest; i++)
		wait = wait > longest / 2 ? longest : wait * 2;
	return slot_at(add_saturated(slot, wait), interval);
}

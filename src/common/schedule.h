/*
 * schedule.h: when the next slot is, and when a node is asked again.
 *
 * Pure arithmetic on microseconds since the Unix epoch: no clock is read here.
 */
#ifndef TRIBE_POWER_SCHEDULE_H
#define TRIBE_POWER_SCHEDULE_H

#include <stdint.h>

#define SCHEDULE_SECOND INT64_C(1000000)
#define SCHEDULE_HOUR (INT64_C(3600) * SCHEDULE_SECOND)

/*
 * The first slot after now: slots are the multiples of interval, so they are
 * aligned to the wall clock and errors never add up.  A missed slot is skipped,
 * and a clock set back simply makes earlier slots come again.  previous is the
 * slot last served, or INT64_MIN; a timer that fired a moment early must not
 * serve it twice.
 */
int64_t		schedule_next_slot(int64_t now, int64_t interval, int64_t previous);

/*
 * How long a node waits after its slot: between 0 and jitter, the same for
 * one name at every slot, so that the spread is even and intervals are too.
 */
int64_t		schedule_spread(const char *node_name, int64_t jitter);

/*
 * When a node is due again after the attempt at slot: the next slot of its
 * interval while it has failed fewer than three times in a row, then twice as
 * long for each further failure, up to an hour (or its interval, if longer).
 */
int64_t		schedule_next_attempt(int64_t slot, int64_t interval, int failures);

#endif

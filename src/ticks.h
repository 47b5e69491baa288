/*
 * ticks.h: the clock that measures durations: it runs on when somebody sets the
 * wall clock, by which slots, days and the times of readings go.
 */
#ifndef TRIBE_POWER_TICKS_H
#define TRIBE_POWER_TICKS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "portability/instr_time.h"

/* Microseconds since some moment of the past: to be compared with others only.
 * Of PostgreSQL's type, so that its functions for differences serve. */
static inline TimestampTz
ticks_now(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (TimestampTz) INSTR_TIME_GET_MICROSEC(now);
}

#endif

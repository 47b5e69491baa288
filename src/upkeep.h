/*
 * upkeep.h: what history needs done now and then: partitions ahead, totals kept
 * current, retention.
 */
#ifndef TRIBE_POWER_UPKEEP_H
#define TRIBE_POWER_UPKEEP_H

#include "postgres.h"

#include "datatype/timestamp.h"

/*
 * For the worker: does the next piece of what is due, in a transaction of its
 * own, and says when it wants to be called again.  Pieces are small, so that no
 * slot has to wait for long.
 */
extern TimestampTz upkeep_step(TimestampTz now);

#endif

/*
 * alerts.h: alerts are looked for where readings are stored.
 */
#ifndef TRIBE_POWER_ALERTS_H
#define TRIBE_POWER_ALERTS_H

#include "postgres.h"

#include "extension.h"
#include "round.h"

/*
 * Raises and clears the alerts of those of these nodes that have been stored,
 * within the caller's transaction and SPI connection.  No error of the look
 * itself gets out.  The worker calls it in a transaction of its own, after that
 * of the readings: NOTIFY and triggers of others may fail a commit.
 */
extern void alerts_look(const ExtensionInfo *extension, RoundNode **nodes, int count);

#endif

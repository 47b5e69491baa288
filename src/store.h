/*
 * store.h: answers of nodes to rows.
 */
#ifndef TRIBE_POWER_STORE_H
#define TRIBE_POWER_STORE_H

#include "postgres.h"

#include "extension.h"
#include "round.h"

/* Why a reading was not stored: the error of a node that is left_out. */
#define STORE_LEFT_OUT \
	"reading not stored: there is one with its key already (was the clock set back?); " \
	"the next carries its energy"

/*
 * Stores what these nodes answered, within the caller's transaction and SPI
 * connection: locks the status rows in the order of their names, computes each
 * reading from the counters kept there, inserts all readings in one statement
 * and updates all status rows in another.  With skip_locked a node whose row
 * somebody else holds is left with stored = false, to be tried again; else it
 * waits.  Computes the readings and marks the nodes as stored: the marks are to
 * be taken back if the transaction fails.  A node whose reading has a key that is
 * taken is marked as left_out, and its counters and energy stay as they were.
 */
extern void store_nodes(const ExtensionInfo *extension, RoundNode **nodes,
						int count, bool skip_locked);

/* Computes a node's reading as if it were its first; stores nothing. The
 * report is valid until the next call of either function. */
extern const struct report *store_compute_alone(RoundNode *node);

#endif

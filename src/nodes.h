/*
 * nodes.h: the registry's rows as jobs for the poller.
 */
#ifndef TRIBE_POWER_NODES_H
#define TRIBE_POWER_NODES_H

#include "postgres.h"

#include "utils/array.h"

#include "extension.h"
#include "round.h"

/*
 * The nodes due at slot (the worker's), within the caller's SPI connection and
 * in a memory context of the round's own below parent.  Makes status rows where
 * nodes have none and drops those of nodes that are gone.
 */
extern Round *nodes_load_due(const ExtensionInfo *extension, TimestampTz slot,
							 MemoryContext parent);

/*
 * The named nodes, or all enabled ones if names is NULL.  Raises
 * undefined_object for a name that is not registered.
 */
extern Round *nodes_load_named(const ExtensionInfo *extension, ArrayType *names,
							   TimestampTz slot, MemoryContext parent);

/* When the next node is due, or 0 if none is enabled. */
extern TimestampTz nodes_next_due(const ExtensionInfo *extension, TimestampTz after);

#endif

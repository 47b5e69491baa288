/*
 * partition.h: the partitions of tribe_power_metrics.
 */
#ifndef TRIBE_POWER_PARTITION_H
#define TRIBE_POWER_PARTITION_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "extension.h"

/*
 * Makes the partitions that readings of this time span of at most a few minutes
 * go to, where they are missing.  Where that cannot be had without waiting, the
 * default partition takes them.  Needs the caller's SPI connection.
 */
extern void partition_ensure(const ExtensionInfo *extension, TimestampTz from, TimestampTz to);

#endif

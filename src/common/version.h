/*
 * version.h: the release, said once for library and poller.  The SQL version
 * (tribe_power.control) moves only when SQL objects change.
 */
#ifndef TRIBE_POWER_VERSION_H
#define TRIBE_POWER_VERSION_H

#define TRIBE_POWER_VERSION "1.0.0"
#define TRIBE_POWER_SQL_VERSION "1.0"

#endif

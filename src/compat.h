/*
 * compat.h: every difference between the PostgreSQL versions that we build on.
 * No other file looks at PG_VERSION_NUM.
 */
#ifndef TRIBE_POWER_COMPAT_H
#define TRIBE_POWER_COMPAT_H

#include "postgres.h"

#include "storage/latch.h"
#include "utils/guc.h"

#if PG_VERSION_NUM < 150000
#error "tribe_power needs PostgreSQL 15 or later"
#endif

#if PG_VERSION_NUM >= 180000
#include "storage/waiteventset.h"
#endif

/* 17 ties a wait event set to a resource owner; ours are freed by hand. */
#if PG_VERSION_NUM >= 170000
#define create_wait_event_set(nevents) CreateWaitEventSet(NULL, (nevents))
#else
#define create_wait_event_set(nevents) CreateWaitEventSet(TopMemoryContext, (nevents))
#endif

/* 17 has a limit on a transaction's time as well. */
#if PG_VERSION_NUM >= 170000
#define HAVE_TRANSACTION_TIMEOUT 1
#endif

#if PG_VERSION_NUM >= 180000
#define MODULE_MAGIC(version_text) \
	PG_MODULE_MAGIC_EXT(.name = "tribe_power", .version = (version_text))
#else
#define MODULE_MAGIC(version_text) PG_MODULE_MAGIC
#endif

/* Before 16, PG_FUNCTION_INFO_V1 leaves the function's visibility to us. */
#define SQL_FUNCTION(name) \
	extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
	PG_FUNCTION_INFO_V1(name)

#endif

/*
 * tribe_power.c: the module's entry.  Only wires: settings, the worker.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "common/version.h"
#include "compat.h"
#include "settings.h"
#include "worker.h"

MODULE_MAGIC(TRIBE_POWER_VERSION);

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	settings_define();
	if (process_shared_preload_libraries_in_progress && !IsBinaryUpgrade)
		worker_register();
}

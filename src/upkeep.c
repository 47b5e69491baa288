/*
 * upkeep.c: when which piece of upkeep is due.  What each does is SQL
 * (sql/45-storage.sql); the worker calls upkeep_step() while it has nothing
 * else to do.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "settings.h"
#include "statement.h"
#include "transaction.h"
#include "upkeep.h"

SQL_FUNCTION(tribe_power_keep_from);

Datum
tribe_power_keep_from(PG_FUNCTION_ARGS)
{
	const struct
	{
		const char *name;
		int			minutes;
	}			settings[] = {
		{"retention", setting_retention},
		{"raw_data_retention", setting_raw_data_retention},
		{"hourly_retention", setting_hourly_retention},
		{"daily_retention", setting_daily_retention},
	};
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			i;

	for (i = 0; i < lengthof(settings); i++)
	{
		if (strcmp(settings[i].name, name) != 0)
			continue;
		if (settings[i].minutes < 0)
			PG_RETURN_TIMESTAMPTZ(DT_NOBEGIN);
		PG_RETURN_TIMESTAMPTZ(GetCurrentTimestamp() - settings[i].minutes * (int64) USECS_PER_MINUTE);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("no such retention: \"%s\"", name)));
}

/*
 * alerts.c: has SQL look for alerts (sql/72-alerts.sql), and writes its lines
 * into the server's log.  Decides nothing.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "alerts.h"
#include "compat.h"
#include "statement.h"
#include "ticks.h"

SQL_FUNCTION(tribe_power_log);

#define TROUBLE_AGAIN_MS (60 * 60 * 1000)

static Statement evaluate = {"SELECT @s@.tribe_power_evaluate($1)", 1, {TEXTARRAYOID}};

void
alerts_look(const ExtensionInfo *extension, RoundNode **nodes, int count)
{
	char	  **names = palloc(sizeof(char *) * Max(count, 1));
	Datum		value;
	int			n = 0;
	int			i;

	for (i = 0; i < count; i++)
		if (nodes[i]->stored)
			names[n++] = nodes[i]->name;
	if (n == 0)
		return;
	value = statement_text_array(names, n);
	statement_run(&evaluate, extension, &value, NULL, SPI_OK_SELECT);
}

Datum
tribe_power_log(PG_FUNCTION_ARGS)
{
	static char last_trouble[256] = "";
	static TimestampTz last_time = 0;	/* in ticks */
	char	   *message = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (PG_GETARG_BOOL(1))
	{
		TimestampTz now = ticks_now();

		if (strncmp(message, last_trouble, sizeof(last_trouble) - 1) == 0 &&
			!TimestampDifferenceExceeds(last_time, now, TROUBLE_AGAIN_MS))
			PG_RETURN_VOID();
		strlcpy(last_trouble, message, sizeof(last_trouble));
		last_time = now;
	}
	ereport(LOG,
			(errmsg("%s", message), errhidestmt(true), errhidecontext(true)));
	PG_RETURN_VOID();
}

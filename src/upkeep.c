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
		{"event_retention", setting_event_retention},
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

/* --- the worker's turn ------------------------------------------------------ */

/* After a failure, and while it is switched off or the extension is missing. */
#define RETRY_MS 60000

/* Away from the slots of the polls, which most often share the quarter. */
#define OFFSET_SECONDS 20

#define MOST_DAYS 100

static Statement make_partitions = {"SELECT @s@.tribe_power_make_partitions()"};
static Statement days_due = {"SELECT d FROM @s@.tribe_power_days_due() d LIMIT " CppAsString2(MOST_DAYS)};
static Statement refresh = {"SELECT @s@.tribe_power_refresh($1)", 1, {DATEOID}};
static Statement add_up_late = {"SELECT @s@.tribe_power_add_up_late()"};
static Statement drop_partition = {"SELECT @s@.tribe_power_drop_partition()"};
static Statement drop_raw_data = {"SELECT @s@.tribe_power_drop_raw_data()"};
static Statement evaluate_months = {"SELECT @s@.tribe_power_evaluate_months()"};
static Statement trim_totals = {"SELECT @s@.tribe_power_trim_totals()"};

typedef enum Task
{
	TASK_PARTITIONS,
	TASK_DAYS,
	TASK_TOTALS,
	TASK_LATE,
	TASK_ALERTS,
	TASK_RAW_DATA,
	TASK_RETENTION,
	TASK_TRIM,
	TASK_COUNT
} Task;

static const char *const activities[TASK_COUNT] = {
	"tribe_power: making partitions",
	"tribe_power: looking for days to add up",
	"tribe_power: adding up a day",
	"tribe_power: looking for late readings",
	"tribe_power: looking for alerts",
	"tribe_power: dropping raw data",
	"tribe_power: dropping readings",
	"tribe_power: deleting old totals",
};

static struct
{
	TimestampTz due;			/* 0: not yet known */
	Task		task;
	DateADT		days[MOST_DAYS];	/* to add up, oldest first */
	int			day_count;
	int			day;
	bool		again;			/* the task in hand has more to do */
}			upkeep;

static bool
first_isnull(void)
{
	bool		isnull;

	(void) SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull;
}

static void
task_body(const ExtensionInfo *extension, void *arg)
{
	uint64		i;
	bool		isnull;
	Datum		value;

	upkeep.again = false;
	switch (upkeep.task)
	{
		case TASK_PARTITIONS:
			statement_run(&make_partitions, extension, NULL, NULL, SPI_OK_SELECT);
			break;
		case TASK_DAYS:
			statement_run(&days_due, extension, NULL, NULL, SPI_OK_SELECT);
			upkeep.day_count = SPI_processed;
			upkeep.day = 0;
			for (i = 0; i < SPI_processed; i++)
				upkeep.days[i] = DatumGetDateADT(SPI_getbinval(SPI_tuptable->vals[i],
															   SPI_tuptable->tupdesc, 1, &isnull));
			break;
		case TASK_TOTALS:
			if (upkeep.day >= upkeep.day_count)
				break;
			value = DateADTGetDatum(upkeep.days[upkeep.day++]);
			statement_run(&refresh, extension, &value, NULL, SPI_OK_SELECT);
			upkeep.again = upkeep.day < upkeep.day_count;
			break;
		case TASK_LATE:
			statement_run(&add_up_late, extension, NULL, NULL, SPI_OK_SELECT);
			upkeep.again = !first_isnull();
			break;
		case TASK_ALERTS:
			statement_run(&evaluate_months, extension, NULL, NULL, SPI_OK_SELECT);
			break;
		case TASK_RAW_DATA:
			statement_run(&drop_raw_data, extension, NULL, NULL, SPI_OK_SELECT);
			upkeep.again = !first_isnull();
			break;
		case TASK_RETENTION:
			statement_run(&drop_partition, extension, NULL, NULL, SPI_OK_SELECT);
			upkeep.again = !first_isnull();
			break;
		case TASK_TRIM:
			statement_run(&trim_totals, extension, NULL, NULL, SPI_OK_SELECT);
			break;
		case TASK_COUNT:
			break;
	}
}

/* The next multiple of the interval; a little later where there is room for it. */
static TimestampTz
next_due(TimestampTz now)
{
	int64		interval = setting_upkeep_interval * USECS_PER_SEC;
	int64		offset = setting_upkeep_interval > 3 * OFFSET_SECONDS ? OFFSET_SECONDS * USECS_PER_SEC : 0;

	return ((now - offset) / interval + 1) * interval + offset;
}

TimestampTz
upkeep_step(TimestampTz now)
{
	if (setting_upkeep_interval == 0)
		return TimestampTzPlusMilliseconds(now, RETRY_MS);
	/* at the start, or the clock was set back, or the setting changed */
	if (upkeep.due == 0 ||
		upkeep.due - now > Max((setting_upkeep_interval + OFFSET_SECONDS) * USECS_PER_SEC, RETRY_MS * INT64CONST(1000)))
		upkeep.due = now;
	if (now < upkeep.due)
		return upkeep.due;

	if (transaction_run(task_body, NULL, activities[upkeep.task]) != TRANSACTION_DONE)
	{
		upkeep.task = TASK_PARTITIONS;
		upkeep.due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
												 Min(RETRY_MS, setting_upkeep_interval * 1000));
	}
	else if (!upkeep.again && ++upkeep.task == TASK_COUNT)
	{
		upkeep.task = TASK_PARTITIONS;
		upkeep.due = next_due(GetCurrentTimestamp());
	}
	return upkeep.due;
}

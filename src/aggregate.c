/*
 * aggregate.c: tribe_power_totals(): one pass over the readings of a time, into
 * totals by node and by equal steps of that time.
 *
 * A reading carries the energy of the interval that ends with it, so each adds
 * its share to every step that its interval touches, in whatever order rows
 * come.  Rows go from the executor straight into the sums and are never kept.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "extension.h"

SQL_FUNCTION(tribe_power_totals);

/* Readings of longer intervals have an index of their own in each partition, so
 * that those that reach back over the end are found without reading what
 * follows it.  No interval that is believed is longer than the latter. */
#define LONG_INTERVAL_SECONDS 900
#define LONGEST_INTERVAL_DAYS 8

/* The columns that are looked at.  All are selected, for then the executor hands
 * on its rows as they lie in the page, which is half of the cost. */
enum
{
	COLUMN_NODE,
	COLUMN_TIMESTAMP,
	COLUMN_INTERVAL,
	COLUMN_ENERGY,
	COLUMN_QUALITY,
	COLUMN_REBOOTED,
	COLUMN_MEASURES,
	COLUMN_COUNT = COLUMN_MEASURES + 7
};

static const struct
{
	const char *name;
	Oid			type;
}			columns[COLUMN_COUNT] = {
	{"node_name", TEXTOID},
	{"timestamp", TIMESTAMPTZOID},
	{"interval_seconds", FLOAT8OID},
	{"energy_joules", FLOAT8OID},
	{"energy_quality", TEXTOID},
	{"rebooted", BOOLOID},
	{"cpu_power_watts", FLOAT4OID},
	{"gpu_power_watts", FLOAT4OID},
	{"total_power_watts", FLOAT4OID},
	{"cpu_utilization", FLOAT4OID},
	{"gpu_utilization", FLOAT4OID},
	{"cpu_temp_celsius", FLOAT4OID},
	{"gpu_temp_celsius", FLOAT4OID},
};

/* Measures that are averaged over time; the first three are power and have
 * maxima. */
#define MEASURES (COLUMN_COUNT - COLUMN_MEASURES)
#define MAXIMA 3

typedef struct Totals
{
	double		weighted[MEASURES];
	double		seconds[MEASURES];
	double		highest[MAXIMA];	/* -inf: none */
	double		joules;
	double		counter_joules;
	int64		known;			/* us of known energy */
	bool		has_joules;
	bool		has_counter;
	bool		touched;		/* part of some interval lies in it */
	int32		samples;
	int32		reboots;
} Totals;

typedef struct NodeKey
{
	const char *name;
	uint32		length;
} NodeKey;

typedef struct NodeTotals
{
	NodeKey		key;
	uint32		hash;
	char		status;
	Totals	   *steps;
} NodeTotals;

#define SH_PREFIX nodes
#define SH_ELEMENT_TYPE NodeTotals
#define SH_KEY_TYPE NodeKey
#define SH_KEY key
#define SH_STORE_HASH
#define SH_GET_HASH(table, entry) ((entry)->hash)
#define SH_HASH_KEY(table, key) hash_bytes((const unsigned char *) (key).name, (key).length)
#define SH_EQUAL(table, a, b) ((a).length == (b).length && memcmp((a).name, (b).name, (a).length) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct Aggregation
{
	DestReceiver receiver;		/* first: the executor gives it back */
	MemoryContext context;
	nodes_hash *nodes;
	TimestampTz start;
	TimestampTz end;
	int64		step;			/* us */
	int			steps;
	int			column[COLUMN_COUNT];	/* where each is in the rows, from 0 */
	int			last_column;
} Aggregation;

/* A column of the row in hand, and whether it is NULL. */
#define VALUE(c) (slot->tts_values[aggregation->column[c]])
#define ISNULL(c) (slot->tts_isnull[aggregation->column[c]])

static Totals *
totals_of(Aggregation *aggregation, text *node)
{
	NodeKey		key = {VARDATA_ANY(node), VARSIZE_ANY_EXHDR(node)};
	NodeTotals *entry = nodes_lookup(aggregation->nodes, key);
	MemoryContext previous;
	bool		found;
	char	   *name;
	int			i,
				j;

	if (entry != NULL)
		return entry->steps;
	previous = MemoryContextSwitchTo(aggregation->context);
	name = palloc(key.length + 1);
	memcpy(name, key.name, key.length);
	name[key.length] = '\0';
	key.name = name;
	entry = nodes_insert(aggregation->nodes, key, &found);
	entry->steps = palloc_extended(sizeof(Totals) * aggregation->steps,
								   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (i = 0; i < aggregation->steps; i++)
		for (j = 0; j < MAXIMA; j++)
			entry->steps[i].highest[j] = -INFINITY;
	MemoryContextSwitchTo(previous);
	return entry->steps;
}

/* What one reading adds to the step that its timestamp is in. */
static void
add_reading(const Aggregation *aggregation, Totals *totals, const TupleTableSlot *slot)
{
	int			i;

	totals->samples++;
	if (!ISNULL(COLUMN_REBOOTED) && DatumGetBool(VALUE(COLUMN_REBOOTED)))
		totals->reboots++;
	for (i = 0; i < MAXIMA; i++)
	{
		double		value;

		if (ISNULL(COLUMN_MEASURES + i))
			continue;
		value = DatumGetFloat4(VALUE(COLUMN_MEASURES + i));
		if (value > totals->highest[i])
			totals->highest[i] = value;
	}
}

static bool
is_counter(const Aggregation *aggregation, const TupleTableSlot *slot)
{
	text	   *quality;

	if (ISNULL(COLUMN_QUALITY))
		return false;
	quality = DatumGetTextPP(VALUE(COLUMN_QUALITY));
	return VARSIZE_ANY_EXHDR(quality) == strlen("counter") &&
		memcmp(VARDATA_ANY(quality), "counter", strlen("counter")) == 0;
}

/* What so much of its interval (us) adds to a step. */
static void
add_share(const Aggregation *aggregation, Totals *totals, const TupleTableSlot *slot,
		  int64 share, double interval)
{
	double		seconds = share / (double) USECS_PER_SEC;
	int			i;

	totals->touched = true;
	for (i = 0; i < MEASURES; i++)
	{
		if (ISNULL(COLUMN_MEASURES + i))
			continue;
		totals->weighted[i] += seconds * DatumGetFloat4(VALUE(COLUMN_MEASURES + i));
		totals->seconds[i] += seconds;
	}
	if (!ISNULL(COLUMN_ENERGY))
	{
		double		joules = DatumGetFloat8(VALUE(COLUMN_ENERGY)) * seconds / interval;

		totals->joules += joules;
		totals->has_joules = true;
		totals->known += share;
		if (is_counter(aggregation, slot))
		{
			totals->counter_joules += joules;
			totals->has_counter = true;
		}
	}
}

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	Aggregation *aggregation = (Aggregation *) self;
	TimestampTz at;
	TimestampTz from;
	double		interval = 0;
	Totals	   *steps;
	int64		i;

	slot_getsomeattrs(slot, aggregation->last_column + 1);
	at = DatumGetTimestampTz(VALUE(COLUMN_TIMESTAMP));
	if (!ISNULL(COLUMN_INTERVAL))
		interval = DatumGetFloat8(VALUE(COLUMN_INTERVAL));
	if (!(interval > 0))
		interval = 0;
	interval = Min(interval, LONGEST_INTERVAL_DAYS * (double) SECS_PER_DAY);
	from = at - (int64) rint(interval * USECS_PER_SEC);

	/* after the end only what began before it counts, and only its energy's share */
	if (at >= aggregation->end &&
		(from >= aggregation->end || ISNULL(COLUMN_ENERGY)))
		return true;
	steps = totals_of(aggregation, DatumGetTextPP(VALUE(COLUMN_NODE)));
	if (at < aggregation->end)
		add_reading(aggregation, &steps[(at - aggregation->start) / aggregation->step], slot);
	for (i = from <= aggregation->start ? 0 : (from - aggregation->start) / aggregation->step;
		 i < aggregation->steps; i++)
	{
		TimestampTz start = aggregation->start + i * aggregation->step;
		TimestampTz end = Min(start + aggregation->step, aggregation->end);
		TimestampTz first = Max(from, start);
		TimestampTz last = Min(at, end);

		if (last <= first)
			break;
		add_share(aggregation, &steps[i], slot, last - first, interval);
	}
	return true;
}

static void
receive_startup(DestReceiver *self, int operation, TupleDesc type)
{
	Aggregation *aggregation = (Aggregation *) self;
	int			i;

	aggregation->last_column = 0;
	for (i = 0; i < COLUMN_COUNT; i++)
	{
		int			number = SPI_fnumber(type, columns[i].name);

		if (number <= 0 || SPI_gettypeid(type, number) != columns[i].type)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of tribe_power_metrics is not as it was made",
							columns[i].name)));
		aggregation->column[i] = number - 1;
		aggregation->last_column = Max(aggregation->last_column, number - 1);
	}
}

static void
receive_shutdown(DestReceiver *self)
{
}

/* Has the executor hand the rows that meet a condition to receive(). */
static void
read_rows(Aggregation *aggregation, const char *schema, const char *condition,
		  TimestampTz from, TimestampTz to)
{
	SPIExecuteOptions options = {0};
	ParamListInfo params = makeParamList(2);
	const TimestampTz times[2] = {from, to};
	int			i;

	for (i = 0; i < 2; i++)
		params->params[i] = (ParamExternData)
		{
			.value = TimestampTzGetDatum(times[i]), .pflags = PARAM_FLAG_CONST,
			.ptype = TIMESTAMPTZOID
		};
	options.params = params;
	options.read_only = true;
	options.dest = &aggregation->receiver;
	/* with a receiver of one's own it does not call it a SELECT */
	if (SPI_execute_extended(psprintf("SELECT * FROM %s.tribe_power_metrics "
									  "WHERE \"timestamp\" >= $1 AND \"timestamp\" < $2%s",
									  quote_identifier(schema), condition),
							 &options) < 0)
		elog(ERROR, "could not read the readings");
}

static void
return_number(Datum *value, bool *isnull, bool known, double number)
{
	*isnull = !known;
	*value = Float8GetDatum(number);
}

/* One row a node and step that something is known of. */
static void
return_totals(ReturnSetInfo *result, Aggregation *aggregation)
{
	nodes_iterator iterator;
	NodeTotals *node;
	int			i,
				j;

	nodes_start_iterate(aggregation->nodes, &iterator);
	while ((node = nodes_iterate(aggregation->nodes, &iterator)) != NULL)
	{
		Datum		name = PointerGetDatum(cstring_to_text_with_len(node->key.name, node->key.length));

		for (i = 0; i < aggregation->steps; i++)
		{
			const Totals *totals = &node->steps[i];
			TimestampTz start = aggregation->start + i * aggregation->step;
			TimestampTz end = Min(start + aggregation->step, aggregation->end);
			double		length = (end - start) / (double) USECS_PER_SEC;
			Datum		values[18];
			bool		nulls[18] = {false};

			if (totals->samples == 0 && !totals->touched)
				continue;
			values[0] = name;
			values[1] = TimestampTzGetDatum(start);
			values[2] = Float8GetDatum(length);
			for (j = 0; j < MEASURES; j++)
				return_number(&values[3 + j], &nulls[3 + j], totals->seconds[j] > 0,
							  totals->weighted[j] / totals->seconds[j]);
			for (j = 0; j < MAXIMA; j++)
				return_number(&values[10 + j], &nulls[10 + j], totals->highest[j] > -INFINITY,
							  totals->highest[j]);
			return_number(&values[13], &nulls[13], totals->has_joules, totals->joules);
			return_number(&values[14], &nulls[14], totals->has_counter, totals->counter_joules);
			values[15] = Int32GetDatum(totals->samples);
			/* clocks of hub and node differ a little: never more than the step */
			values[16] = Float8GetDatum(Min(totals->known / (double) USECS_PER_SEC, length));
			values[17] = Int32GetDatum(totals->reboots);
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
		CHECK_FOR_INTERRUPTS();
	}
}

Datum
tribe_power_totals(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	double		step = PG_GETARG_FLOAT8(2);
	Aggregation aggregation = {
		.start = PG_GETARG_TIMESTAMPTZ(0),
		.end = PG_GETARG_TIMESTAMPTZ(1),
		.context = CurrentMemoryContext,
		.receiver = {receive, receive_startup, receive_shutdown, receive_shutdown, DestNone}
	};
	ExtensionInfo extension;
	TimestampTz soon;

	if (TIMESTAMP_NOT_FINITE(aggregation.start) || TIMESTAMP_NOT_FINITE(aggregation.end) ||
		aggregation.end <= aggregation.start || !(step >= 1) ||
		(aggregation.end - aggregation.start) / USECS_PER_SEC / step > 100000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid range or step of totals")));
	InitMaterializedSRF(fcinfo, 0);
	extension_require(&extension);

	aggregation.context = AllocSetContextCreate(CurrentMemoryContext, "tribe_power totals",
												ALLOCSET_DEFAULT_SIZES);
	aggregation.step = (int64) (Min(step, 1e9) * USECS_PER_SEC);
	aggregation.steps = (aggregation.end - aggregation.start + aggregation.step - 1) / aggregation.step;
	aggregation.nodes = nodes_create(aggregation.context, 256, NULL);

	SPI_connect();
	soon = aggregation.end + LONG_INTERVAL_SECONDS * USECS_PER_SEC;
	read_rows(&aggregation, extension.schema, "", aggregation.start, soon);
	read_rows(&aggregation, extension.schema,
			  " AND interval_seconds > " CppAsString2(LONG_INTERVAL_SECONDS)
			  " AND energy_joules IS NOT NULL",
			  soon, aggregation.end + LONGEST_INTERVAL_DAYS * USECS_PER_DAY);
	SPI_finish();
	return_totals(result, &aggregation);
	MemoryContextDelete(aggregation.context);
	return (Datum) 0;
}

/*
 * nodes.c: the registry's rows as jobs for the poller, with the settings filled
 * in where a node says nothing.  Reads tables only; decides nothing about SSH.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/schedule.h"
#include "nodes.h"
#include "settings.h"
#include "statement.h"
#include "ticks.h"

#define NODE_COLUMNS \
	"n.node_name, n.address, n.port, n.ssh_user, n.node_type, n.identity_file, " \
	"n.host_key, extract(epoch FROM n.poll_interval)::float8, n.max_watts::float8 "

static Statement add_status = {
	"INSERT INTO @s@.tribe_power_node_status (node_name) "
	"SELECT n.node_name FROM @s@.tribe_power_nodes n "
	"WHERE NOT EXISTS (SELECT FROM @s@.tribe_power_node_status t WHERE t.node_name = n.node_name) "
	"ON CONFLICT DO NOTHING"
};

static Statement drop_status = {
	"DELETE FROM @s@.tribe_power_node_status t "
	"WHERE NOT EXISTS (SELECT FROM @s@.tribe_power_nodes n WHERE n.node_name = t.node_name)"
};

/*
 * Due: never tried, its time has come, or its next attempt lies further ahead
 * than its interval allows (a shorter interval was set, or the clock set back).
 */
static Statement load_due = {
	"SELECT " NODE_COLUMNS
	"FROM @s@.tribe_power_nodes n JOIN @s@.tribe_power_node_status t USING (node_name) "
	"WHERE n.enabled AND (t.next_attempt IS NULL OR t.next_attempt <= $1 "
	"OR t.last_attempt > $2 "
	"OR t.next_attempt > $1 + CASE WHEN t.failures < 3 "
	"  THEN coalesce(n.poll_interval, $3) "
	"  ELSE greatest(coalesce(n.poll_interval, $3), '1 hour') END) "
	"AND NOT EXISTS (SELECT FROM @s@.tribe_power_maintenance_at($2) m "
	"  WHERE m.skip_polls AND coalesce(m.node_name, n.node_name) = n.node_name) "
	"ORDER BY n.node_name",
	3, {TIMESTAMPTZOID, TIMESTAMPTZOID, INTERVALOID}
};

static Statement load_enabled = {
	"SELECT " NODE_COLUMNS
	"FROM @s@.tribe_power_nodes n WHERE n.enabled ORDER BY n.node_name"
};

static Statement load_named = {
	"SELECT " NODE_COLUMNS
	"FROM @s@.tribe_power_nodes n WHERE n.node_name = ANY ($1) ORDER BY n.node_name",
	1, {TEXTARRAYOID}
};

static Statement find_unknown = {
	"SELECT u FROM unnest($1) AS u "
	"WHERE u IS NULL OR NOT EXISTS (SELECT FROM @s@.tribe_power_nodes n WHERE n.node_name = u) "
	"LIMIT 1",
	1, {TEXTARRAYOID}
};

static Statement next_due = {
	"SELECT min(t.next_attempt) FROM @s@.tribe_power_node_status t "
	"JOIN @s@.tribe_power_nodes n USING (node_name) "
	"WHERE n.enabled AND t.next_attempt > $1",
	1, {TIMESTAMPTZOID}
};

static char *
text_value(HeapTuple tuple, int column)
{
	return SPI_getvalue(tuple, SPI_tuptable->tupdesc, column);
}

static double
double_value(HeapTuple tuple, int column, double fallback)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? fallback : DatumGetFloat8(value);
}

static const char *
value_or(const char *value, const char *fallback)
{
	return value != NULL && value[0] != '\0' ? value : fallback;
}

static void
fill_node(RoundNode *node, HeapTuple tuple, Round *round)
{
	struct job *job = &node->job.job;
	char	   *identity_file = text_value(tuple, 6);
	bool		isnull;

	node->round = round;
	node->name = text_value(tuple, 1);
	if (!node_type_parse(text_value(tuple, 5), &node->context.type))
		node->context.type = NODE_AUTO;
	node->context.poll_interval = double_value(tuple, 8, setting_interval);
	node->context.max_watts = double_value(tuple, 9, NAN);

	job->kind = JOB_PROBE;
	job->node_name = node->name;
	job->address = text_value(tuple, 2);
	job->port = DatumGetInt32(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 3, &isnull));
	job->user = value_or(text_value(tuple, 4), pstrdup(setting_ssh_user));
	job->identity_file = settings_expand_path(value_or(identity_file, setting_identity_file));
	job->known_hosts_file = settings_expand_path(setting_known_hosts_file);
	job->host_key = value_or(text_value(tuple, 7), "");
	job->host_key_policy = setting_host_key_policy;
	job->keep_session = round->by_worker && setting_keep_sessions;
	job->connect_timeout_ms = Min(setting_connect_timeout, setting_node_timeout);
	job->node_timeout_ms = setting_node_timeout;
	job->sample_window_ms = setting_sample_window;
	if (round->by_worker)
	{
		int64		jitter = Min((int64) setting_jitter * SCHEDULE_SECOND,
								 (int64) (node->context.poll_interval * SCHEDULE_SECOND) / 4);

		job->start_delay_ms = schedule_spread(node->name, jitter) / 1000;
	}
}

/* The rows of the statement that has just run, as a round. */
static Round *
make_round(TimestampTz slot, bool by_worker, MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "tribe_power round",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	Round	   *round = palloc0(sizeof(Round));
	int			i;

	round->context = context;
	round->slot = slot;
	round->started = ticks_now();
	round->by_worker = by_worker;
	round->count = SPI_processed;
	round->nodes = palloc_extended(sizeof(RoundNode) * Max(round->count, 1),
								   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (i = 0; i < round->count; i++)
		fill_node(&round->nodes[i], SPI_tuptable->vals[i], round);
	MemoryContextSwitchTo(previous);
	SPI_freetuptable(SPI_tuptable);
	return round;
}

Round *
nodes_load_due(const ExtensionInfo *extension, TimestampTz slot, MemoryContext parent)
{
	Interval   *interval = palloc0(sizeof(Interval));
	Datum		values[3];

	statement_run(&add_status, extension, NULL, NULL, SPI_OK_INSERT);
	statement_run(&drop_status, extension, NULL, NULL, SPI_OK_DELETE);

	interval->time = (int64) setting_interval * USECS_PER_SEC;
	values[0] = TimestampTzGetDatum(slot);
	values[1] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[2] = IntervalPGetDatum(interval);
	statement_run(&load_due, extension, values, NULL, SPI_OK_SELECT);
	return make_round(slot, true, parent);
}

Round *
nodes_load_named(const ExtensionInfo *extension, ArrayType *names,
				 TimestampTz slot, MemoryContext parent)
{
	Datum		values[1];

	if (names == NULL)
	{
		statement_run(&load_enabled, extension, NULL, NULL, SPI_OK_SELECT);
		return make_round(slot, false, parent);
	}

	values[0] = PointerGetDatum(names);
	statement_run(&find_unknown, extension, values, NULL, SPI_OK_SELECT);
	if (SPI_processed > 0)
	{
		char	   *name = text_value(SPI_tuptable->vals[0], 1);

		if (name == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a node name must not be null")));
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("node \"%s\" is not registered", name),
				 errhint("Register it with INSERT INTO tribe_power_nodes (node_name, address) VALUES (…).")));
	}
	statement_run(&load_named, extension, values, NULL, SPI_OK_SELECT);
	return make_round(slot, false, parent);
}

TimestampTz
nodes_next_due(const ExtensionInfo *extension, TimestampTz after)
{
	Datum		values[1];
	Datum		value;
	bool		isnull = true;

	values[0] = TimestampTzGetDatum(after);
	statement_run(&next_due, extension, values, NULL, SPI_OK_SELECT);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? 0 : DatumGetTimestampTz(value);
}

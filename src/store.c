/*
 * store.c: answers of nodes to rows.
 *
 * The one place where energy is counted, so everything rests on its order: the
 * status row is locked before its counters are read, and what they become is
 * written in the same transaction as the reading.  Two rounds at once therefore
 * never count a joule twice, and a crash loses none.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/schedule.h"
#include "compat.h"
#include "partition.h"
#include "settings.h"
#include "statement.h"
#include "store.h"

static Statement add_status = {
	"INSERT INTO @s@.tribe_power_node_status (node_name) "
	"SELECT u FROM unnest($1) AS u ON CONFLICT DO NOTHING",
	1, {TEXTARRAYOID}
};

#define LOCK_STATUS \
	"SELECT t.node_name, t.failures, t.last_attempt IS NOT NULL, t.last_reading, t.counters " \
	"FROM @s@.tribe_power_node_status t WHERE t.node_name = ANY ($1) " \
	"ORDER BY t.node_name FOR UPDATE"

static Statement lock_status = {LOCK_STATUS, 1, {TEXTARRAYOID}};
static Statement lock_status_skipping = {LOCK_STATUS " SKIP LOCKED", 1, {TEXTARRAYOID}};

/* The columns of a reading, in the order of struct RowArrays. */
static Statement insert_readings = {
	"INSERT INTO @s@.tribe_power_metrics (node_name, node_ip, \"timestamp\", "
	"cpu_power_watts, cpu_temp_celsius, cpu_utilization, "
	"gpu_power_watts, gpu_temp_celsius, gpu_utilization, "
	"memory_used_gb, memory_total_gb, dram_power_watts, platform_power_watts, "
	"total_power_watts, interval_seconds, energy_joules, "
	"energy_quality, rebooted, problems, raw_data) "
	"SELECT node_name, node_ip, ts, a, b, c, d, e, f, g, h, i, j, k, l, m, "
	"quality, rebooted, problems::jsonb, raw::jsonb "
	"FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, "
	"$15, $16, $17, $18, $19, $20) "
	"AS u (node_name, node_ip, ts, a, b, c, d, e, f, g, h, i, j, k, l, m, "
	"quality, rebooted, problems, raw) WHERE ts IS NOT NULL "
	/* whatever key the partition has: nothing may fail a batch for ever */
	"ON CONFLICT DO NOTHING",
	20, {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID,
		FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID,
		FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID,
		FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID,
	TEXTARRAYOID, BOOLARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

#define READING_NUMBERS 13

#define NEWEST(column) \
	#column " = CASE WHEN u.reading IS NULL THEN t." #column " ELSE u." #column " END"

/* A poll by hand leaves the schedule alone, except that success ends waiting.
 * A failed one leaves the newest reading as it was. */
static Statement update_status = {
	"UPDATE @s@.tribe_power_node_status t SET "
	"last_attempt = u.received, "
	"last_success = CASE WHEN u.outcome = 'read' THEN u.received ELSE t.last_success END, "
	"last_outcome = u.outcome, last_error = u.error, failures = u.failures, "
	"next_attempt = CASE WHEN u.next IS NOT NULL THEN u.next "
	"  WHEN u.outcome = 'read' AND t.failures > 0 THEN NULL ELSE t.next_attempt END, "
	"elapsed_ms = u.elapsed_ms, "
	"last_reading = coalesce(u.reading, t.last_reading), "
	"counters = coalesce(u.counters, t.counters), "
	NEWEST(cpu_power_watts) ", " NEWEST(cpu_temp_celsius) ", " NEWEST(cpu_utilization) ", "
	NEWEST(gpu_power_watts) ", " NEWEST(gpu_temp_celsius) ", " NEWEST(gpu_utilization) ", "
	NEWEST(memory_used_gb) ", " NEWEST(memory_total_gb) ", " NEWEST(dram_power_watts) ", "
	NEWEST(platform_power_watts) ", " NEWEST(total_power_watts) ", "
	"problems = CASE WHEN u.reading IS NULL THEN t.problems ELSE u.problems::jsonb END "
	"FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
	"$16, $17, $18, $19, $20, $21) "
	"AS u (node_name, received, outcome, error, failures, next, elapsed_ms, reading, counters, "
	"cpu_power_watts, cpu_temp_celsius, cpu_utilization, "
	"gpu_power_watts, gpu_temp_celsius, gpu_utilization, "
	"memory_used_gb, memory_total_gb, dram_power_watts, platform_power_watts, "
	"total_power_watts, problems) "
	"WHERE t.node_name = u.node_name",
	21, {TEXTARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT4ARRAYOID,
		TIMESTAMPTZARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID, BYTEAARRAYOID,
		FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID,
		FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID,
	FLOAT8ARRAYOID, TEXTARRAYOID}
};

/* The first of a reading's numbers; the status row keeps no more of them. */
#define STATUS_NUMBERS 11

/* accept-new: the key that a node showed at its first login is its pin. */
static Statement pin_host_keys = {
	"UPDATE @s@.tribe_power_nodes n SET host_key = u.host_key "
	"FROM unnest($1, $2) AS u (node_name, host_key) "
	"WHERE n.node_name = u.node_name AND n.host_key IS NULL",
	2, {TEXTARRAYOID, TEXTARRAYOID}
};

/* Too large for the stack, and PostgreSQL's processes have one thread. */
static struct report report;
static struct power_state previous;
static struct power_state next;
static char json[REPORT_JSON_SIZE];
static uint8_t state_bytes[POWER_STATE_MAX_SIZE];

/* The payload was checked when it came; this only reads it again. */
static bool
read_report(const RoundNode *node)
{
	static struct job_result result;
	struct wire_frame frame = {
		.type = WIRE_RESULT, .payload = node->payload,
		.payload_length = node->payload_length
	};

	if (node->payload == NULL || !wire_decode_result(&frame, &result) || !result.has_report)
		return false;
	report = result.report;
	return true;
}

const struct report *
store_compute_alone(RoundNode *node)
{
	bool		newer;

	if (!read_report(node))
		return NULL;
	memset(&previous, 0, sizeof(previous));
	power_compute(&node->context, &report, &previous, &node->reading, &next, &newer);
	return &report;
}

char *
store_problems_json(const struct reading *reading)
{
	StringInfoData buffer;
	int			i;

	if (reading->problem_count == 0)
		return NULL;
	initStringInfo(&buffer);
	for (i = 0; i < reading->problem_count; i++)
		appendStringInfo(&buffer, "%s\"%s\": \"%s\"", i == 0 ? "{" : ", ",
						 section_name(reading->problems[i].section),
						 problem_reason_name(reading->problems[i].reason));
	appendStringInfoChar(&buffer, '}');
	return buffer.data;
}

/* One column each, in step with StatusArrays: without a timestamp where the
 * node gave no reading. */
typedef struct RowArrays
{
	int			count;			/* readings */
	TimestampTz first;			/* the span of their times */
	TimestampTz last;
	char	  **node_name;
	char	  **node_ip;
	Datum	   *timestamp;
	bool	   *no_timestamp;
	Datum	   *numbers[READING_NUMBERS];
	bool	   *number_nulls[READING_NUMBERS];
	char	  **quality;
	Datum	   *rebooted;
	char	  **problems;
	char	  **raw;
} RowArrays;

typedef struct StatusArrays
{
	char	  **node_name;
	Datum	   *received;
	char	  **outcome;
	char	  **error;
	Datum	   *failures;
	Datum	   *next;
	bool	   *next_null;
	Datum	   *elapsed_ms;
	Datum	   *reading;
	Datum	   *counters;
	bool	   *no_reading;
	bool	   *no_counters;
} StatusArrays;

static void
rows_init(RowArrays *rows, int count)
{
	int			i;

	rows->count = 0;
	rows->first = DT_NOEND;
	rows->last = DT_NOBEGIN;
	rows->node_name = palloc0(sizeof(char *) * count);
	rows->node_ip = palloc0(sizeof(char *) * count);
	rows->timestamp = palloc0(sizeof(Datum) * count);
	rows->no_timestamp = palloc(sizeof(bool) * count);
	memset(rows->no_timestamp, true, sizeof(bool) * count);
	for (i = 0; i < READING_NUMBERS; i++)
	{
		rows->numbers[i] = palloc0(sizeof(Datum) * count);
		rows->number_nulls[i] = palloc(sizeof(bool) * count);
		memset(rows->number_nulls[i], true, sizeof(bool) * count);
	}
	rows->quality = palloc0(sizeof(char *) * count);
	rows->rebooted = palloc0(sizeof(Datum) * count);
	rows->problems = palloc0(sizeof(char *) * count);
	rows->raw = palloc0(sizeof(char *) * count);
}

static void
status_init(StatusArrays *status, int count)
{
	status->node_name = palloc(sizeof(char *) * count);
	status->received = palloc(sizeof(Datum) * count);
	status->outcome = palloc(sizeof(char *) * count);
	status->error = palloc(sizeof(char *) * count);
	status->failures = palloc(sizeof(Datum) * count);
	status->next = palloc(sizeof(Datum) * count);
	status->next_null = palloc(sizeof(bool) * count);
	status->elapsed_ms = palloc(sizeof(Datum) * count);
	status->reading = palloc(sizeof(Datum) * count);
	status->counters = palloc(sizeof(Datum) * count);
	status->no_reading = palloc(sizeof(bool) * count);
	status->no_counters = palloc(sizeof(bool) * count);
}

static void
add_row(RowArrays *rows, int row, const RoundNode *node, TimestampTz timestamp)
{
	const struct reading *reading = &node->reading;
	const double numbers[READING_NUMBERS] = {
		reading->cpu_power_watts, reading->cpu_temp_celsius, reading->cpu_utilization,
		reading->gpu_power_watts, reading->gpu_temp_celsius, reading->gpu_utilization,
		reading->memory_used_gib, reading->memory_total_gib,
		reading->dram_power_watts, reading->platform_power_watts,
		reading->total_power_watts, reading->interval_seconds, reading->energy_joules
	};
	int			i;

	rows->count++;
	rows->first = Min(rows->first, timestamp);
	rows->last = Max(rows->last, timestamp);
	rows->node_name[row] = node->name;
	rows->node_ip[row] = node->peer_address[0] != '\0' ? node->peer_address : NULL;
	rows->timestamp[row] = TimestampTzGetDatum(timestamp);
	rows->no_timestamp[row] = false;
	for (i = 0; i < READING_NUMBERS; i++)
	{
		rows->number_nulls[i][row] = !isfinite(numbers[i]);
		rows->numbers[i][row] = Float8GetDatum(numbers[i]);
	}
	rows->quality[row] = unconstify(char *, energy_quality_name(reading->energy_quality));
	rows->rebooted[row] = BoolGetDatum(reading->rebooted);
	rows->problems[row] = store_problems_json(reading);
	if (setting_raw_data_retention != 0 && report_json(&report, json, sizeof(json)) > 0)
		rows->raw[row] = pstrdup(json);
}

/* Computes one node's reading from its locked status row. */
static void
store_one(RoundNode *node, HeapTuple tuple, TupleDesc desc,
		  RowArrays *rows, StatusArrays *status, int slot)
{
	bool		isnull;
	bool		newer = false;
	int			failures = DatumGetInt32(SPI_getbinval(tuple, desc, 2, &isnull));
	Datum		last_reading;
	bool		never_read;

	node->failures_before = failures;
	node->known_before = DatumGetBool(SPI_getbinval(tuple, desc, 3, &isnull));
	last_reading = SPI_getbinval(tuple, desc, 4, &never_read);

	status->no_reading[slot] = status->no_counters[slot] = true;
	if (node->outcome == OUTCOME_READ && read_report(node))
	{
		TimestampTz timestamp = node->received;
		Datum		counters = SPI_getbinval(tuple, desc, 5, &isnull);

		memset(&previous, 0, sizeof(previous));
		if (!isnull)
		{
			bytea	   *bytes = DatumGetByteaPP(counters);

			power_state_decode(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), &previous);
		}
		power_compute(&node->context, &report, &previous, &node->reading, &next, &newer);

		/* the key is (node, time): two answers within a microsecond */
		if (!never_read && DatumGetTimestampTz(last_reading) == timestamp)
			timestamp++;
		add_row(rows, slot, node, timestamp);
		status->reading[slot] = TimestampTzGetDatum(timestamp);
		status->no_reading[slot] = false;
		if (newer)
		{
			size_t		length = power_state_encode(&next, state_bytes, sizeof(state_bytes));
			bytea	   *bytes;

			if (length == 0)
				elog(ERROR, "counters of node \"%s\" do not fit", node->name);
			bytes = palloc(VARHDRSZ + length);
			SET_VARSIZE(bytes, VARHDRSZ + length);
			memcpy(VARDATA(bytes), state_bytes, length);
			status->counters[slot] = PointerGetDatum(bytes);
			status->no_counters[slot] = false;
		}
		failures = 0;
	}
	else if (failures < INT_MAX)
		failures++;

	status->node_name[slot] = node->name;
	status->received[slot] = TimestampTzGetDatum(node->received);
	status->outcome[slot] = unconstify(char *, outcome_name(node->outcome));
	status->error[slot] = node->error[0] != '\0' ? node->error : NULL;
	status->failures[slot] = Int32GetDatum(failures);
	status->elapsed_ms[slot] = Int32GetDatum(node->elapsed_ms);
	status->next_null[slot] = !node->round->by_worker;
	if (node->round->by_worker)
	{
		/* the schedule counts from the Unix epoch */
		const int64 epoch = (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
		int64		at = schedule_next_attempt(node->round->slot + epoch,
											   (int64) (node->context.poll_interval * SCHEDULE_SECOND),
											   failures);

		status->next[slot] = TimestampTzGetDatum(at - epoch);
	}
}

static void
write_arrays(const ExtensionInfo *extension, RowArrays *rows, StatusArrays *status, int n)
{
	Datum		reading[20];
	Datum		values[9 + STATUS_NUMBERS + 1];
	int			i;

	reading[0] = statement_text_array(rows->node_name, n);
	reading[1] = statement_text_array(rows->node_ip, n);
	reading[2] = statement_array(rows->timestamp, rows->no_timestamp, n, TIMESTAMPTZOID);
	for (i = 0; i < READING_NUMBERS; i++)
		reading[3 + i] = statement_array(rows->numbers[i], rows->number_nulls[i], n, FLOAT8OID);
	reading[16] = statement_text_array(rows->quality, n);
	reading[17] = statement_array(rows->rebooted, NULL, n, BOOLOID);
	reading[18] = statement_text_array(rows->problems, n);
	reading[19] = statement_text_array(rows->raw, n);
	if (rows->count > 0)
	{
		partition_ensure(extension, rows->first, rows->last);
		statement_run(&insert_readings, extension, reading, NULL, SPI_OK_INSERT);
	}

	values[0] = statement_text_array(status->node_name, n);
	values[1] = statement_array(status->received, NULL, n, TIMESTAMPTZOID);
	values[2] = statement_text_array(status->outcome, n);
	values[3] = statement_text_array(status->error, n);
	values[4] = statement_array(status->failures, NULL, n, INT4OID);
	values[5] = statement_array(status->next, status->next_null, n, TIMESTAMPTZOID);
	values[6] = statement_array(status->elapsed_ms, NULL, n, INT4OID);
	values[7] = statement_array(status->reading, status->no_reading, n, TIMESTAMPTZOID);
	values[8] = statement_array(status->counters, status->no_counters, n, BYTEAOID);
	for (i = 0; i < STATUS_NUMBERS; i++)
		values[9 + i] = reading[3 + i];
	values[9 + STATUS_NUMBERS] = reading[18];
	statement_run(&update_status, extension, values, NULL, SPI_OK_UPDATE);
}

/* Pins what accept-new accepted. */
static void
write_pins(const ExtensionInfo *extension, RoundNode **nodes, int count)
{
	char	  **names = palloc(sizeof(char *) * count);
	char	  **keys = palloc(sizeof(char *) * count);
	Datum		values[2];
	int			n = 0;
	int			i;

	for (i = 0; i < count; i++)
	{
		if (nodes[i]->outcome == OUTCOME_READ && nodes[i]->stored &&
			nodes[i]->job.job.host_key_policy == HOST_KEY_ACCEPT_NEW &&
			nodes[i]->job.job.host_key[0] == '\0' && nodes[i]->host_key[0] != '\0')
		{
			names[n] = nodes[i]->name;
			keys[n++] = nodes[i]->host_key;
		}
	}
	if (n == 0)
		return;
	values[0] = statement_text_array(names, n);
	values[1] = statement_text_array(keys, n);
	statement_run(&pin_host_keys, extension, values, NULL, SPI_OK_UPDATE);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp((*(RoundNode *const *) a)->name, (*(RoundNode *const *) b)->name);
}

static RoundNode *
find_node(RoundNode **nodes, int count, const char *name)
{
	RoundNode	key = {.name = unconstify(char *, name)};
	RoundNode  *pointer = &key;
	RoundNode **found = bsearch(&pointer, nodes, count, sizeof(RoundNode *), compare_names);

	return found != NULL ? *found : NULL;
}

void
store_nodes(const ExtensionInfo *extension, RoundNode **nodes, int count, bool skip_locked)
{
	char	  **names = palloc(sizeof(char *) * Max(count, 1));
	Datum		values[1];
	RowArrays	rows;
	StatusArrays status;
	SPITupleTable *table;
	uint64		locked,
				i;
	int			done = 0;

	if (count == 0)
		return;
	qsort(nodes, count, sizeof(RoundNode *), compare_names);
	for (i = 0; i < count; i++)
		names[i] = nodes[i]->name;
	values[0] = statement_text_array(names, count);

	/* the worker has made the rows when it loaded the nodes */
	if (!skip_locked)
		statement_run(&add_status, extension, values, NULL, SPI_OK_INSERT);
	statement_run(skip_locked ? &lock_status_skipping : &lock_status,
				  extension, values, NULL, SPI_OK_SELECT);
	table = SPI_tuptable;
	locked = SPI_processed;

	rows_init(&rows, count);
	status_init(&status, count);
	for (i = 0; i < locked; i++)
	{
		RoundNode  *node = find_node(nodes, count,
									 SPI_getvalue(table->vals[i], table->tupdesc, 1));

		if (node == NULL)
			continue;
		store_one(node, table->vals[i], table->tupdesc, &rows, &status, done++);
		node->stored = true;
	}
	if (done > 0)
		write_arrays(extension, &rows, &status, done);
	write_pins(extension, nodes, count);
}

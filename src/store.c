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

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "common/schedule.h"
#include "compat.h"
#include "partition.h"
#include "raw_data.h"
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

/*
 * What a batch of nodes answered, as the two statements below read it: a
 * relation of their session that only they see, which is cheaper by half than
 * arrays to unnest.  reading is NULL where a node gave none.
 */
#define ANSWERS "tribe_power_answers"

#define STATUS_NUMBERS 11		/* those that the status row keeps too */

enum
{
	ANSWER_NODE_NAME,
	ANSWER_RECEIVED,
	ANSWER_OUTCOME,
	ANSWER_ERROR,
	ANSWER_FAILURES,
	ANSWER_NEXT,
	ANSWER_ELAPSED_MS,
	ANSWER_COUNTERS,
	ANSWER_READING,
	ANSWER_NODE_IP,
	ANSWER_NUMBERS,
	ANSWER_INTERVAL = ANSWER_NUMBERS + STATUS_NUMBERS,
	ANSWER_ENERGY,
	ANSWER_QUALITY,
	ANSWER_REBOOTED,
	ANSWER_PROBLEMS,
	ANSWER_RAW_DATA,
	ANSWER_COLUMNS
};

static const struct
{
	const char *name;
	Oid			type;
}			answer_columns[ANSWER_COLUMNS] = {
	{"node_name", TEXTOID},
	{"received", TIMESTAMPTZOID},
	{"outcome", TEXTOID},
	{"error", TEXTOID},
	{"failures", INT4OID},
	{"next", TIMESTAMPTZOID},
	{"elapsed_ms", INT4OID},
	{"counters", BYTEAOID},
	{"reading", TIMESTAMPTZOID},
	{"node_ip", TEXTOID},
	{"cpu_power_watts", FLOAT4OID},
	{"cpu_temp_celsius", FLOAT4OID},
	{"cpu_utilization", FLOAT4OID},
	{"gpu_power_watts", FLOAT4OID},
	{"gpu_temp_celsius", FLOAT4OID},
	{"gpu_utilization", FLOAT4OID},
	{"memory_used_gb", FLOAT4OID},
	{"memory_total_gb", FLOAT4OID},
	{"dram_power_watts", FLOAT4OID},
	{"platform_power_watts", FLOAT4OID},
	{"total_power_watts", FLOAT4OID},
	{"interval_seconds", FLOAT8OID},
	{"energy_joules", FLOAT8OID},
	{"energy_quality", TEXTOID},
	{"rebooted", BOOLOID},
	{"problems", JSONBOID},
	{"raw_data", JSONBOID},
};

/* The plan is kept: many answers to come must not make it a scan of all nodes. */
#define ANSWERS_EXPECTED 16

#define INSERT_READINGS \
	"INSERT INTO @s@.tribe_power_metrics (node_name, node_ip, \"timestamp\", " \
	"cpu_power_watts, cpu_temp_celsius, cpu_utilization, " \
	"gpu_power_watts, gpu_temp_celsius, gpu_utilization, " \
	"memory_used_gb, memory_total_gb, dram_power_watts, platform_power_watts, " \
	"total_power_watts, interval_seconds, energy_joules, " \
	"energy_quality, rebooted, problems, raw_data) " \
	"SELECT node_name, node_ip, reading, " \
	"cpu_power_watts, cpu_temp_celsius, cpu_utilization, " \
	"gpu_power_watts, gpu_temp_celsius, gpu_utilization, " \
	"memory_used_gb, memory_total_gb, dram_power_watts, platform_power_watts, " \
	"total_power_watts, interval_seconds, energy_joules, " \
	"energy_quality, rebooted, problems, raw_data " \
	"FROM " ANSWERS " WHERE reading IS NOT NULL"

static Statement insert_readings = {INSERT_READINGS};
static Statement insert_new_readings = {
	INSERT_READINGS " ON CONFLICT DO NOTHING RETURNING node_name"
};

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
	"energy_joules = t.energy_joules + coalesce(u.energy_joules, 0), "
	"energy_seconds = t.energy_seconds + CASE WHEN u.energy_joules IS NULL THEN 0 "
	"  ELSE coalesce(u.interval_seconds, 0) END, "
	NEWEST(cpu_power_watts) ", " NEWEST(cpu_temp_celsius) ", " NEWEST(cpu_utilization) ", "
	NEWEST(gpu_power_watts) ", " NEWEST(gpu_temp_celsius) ", " NEWEST(gpu_utilization) ", "
	NEWEST(memory_used_gb) ", " NEWEST(memory_total_gb) ", " NEWEST(dram_power_watts) ", "
	NEWEST(platform_power_watts) ", " NEWEST(total_power_watts) ", " NEWEST(problems) " "
	"FROM " ANSWERS " u WHERE t.node_name = u.node_name"
};

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

/* A batch of answers: the relation, and the span of its readings' times. */
typedef struct Answers
{
	EphemeralNamedRelationData relation;	/* with desc and rows in it */
	TupleDesc	desc;
	Tuplestorestate *rows;
	MemoryContext context;		/* of the row in hand */
	int			count;
	int			readings;
	TimestampTz first;
	TimestampTz last;
} Answers;

static void
answers_begin(Answers *answers)
{
	int			i;

	memset(answers, 0, sizeof(*answers));
	answers->first = DT_NOEND;
	answers->last = DT_NOBEGIN;
	answers->desc = CreateTemplateTupleDesc(ANSWER_COLUMNS);
	for (i = 0; i < ANSWER_COLUMNS; i++)
		TupleDescInitEntry(answers->desc, i + 1, answer_columns[i].name,
						   answer_columns[i].type, -1, 0);
	answers->rows = tuplestore_begin_heap(false, false, work_mem);
	answers->context = AllocSetContextCreate(CurrentMemoryContext, "tribe_power answer",
											 ALLOCSET_DEFAULT_SIZES);
	answers->relation.md.name = ANSWERS;
	answers->relation.md.tupdesc = answers->desc;
	answers->relation.md.enrtype = ENR_NAMED_TUPLESTORE;
	answers->relation.md.enrtuples = ANSWERS_EXPECTED;
	answers->relation.reldata = answers->rows;
	if (SPI_register_relation(&answers->relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the answers");
}

static void
answers_end(Answers *answers)
{
	if (SPI_unregister_relation(ANSWERS) != SPI_OK_REL_UNREGISTER)
		elog(ERROR, "could not unregister the answers");
	tuplestore_end(answers->rows);
	MemoryContextDelete(answers->context);
}

static void
set_value(Datum *values, bool *nulls, int column, Datum value)
{
	values[column] = value;
	nulls[column] = false;
}

static void
set_text(Datum *values, bool *nulls, int column, const char *text)
{
	if (text != NULL && text[0] != '\0')
		set_value(values, nulls, column, CStringGetTextDatum(text));
}

static void
set_reading(Datum *values, bool *nulls, const RoundNode *node, TimestampTz timestamp)
{
	const struct reading *reading = &node->reading;
	const double numbers[STATUS_NUMBERS] = {
		reading->cpu_power_watts, reading->cpu_temp_celsius, reading->cpu_utilization,
		reading->gpu_power_watts, reading->gpu_temp_celsius, reading->gpu_utilization,
		reading->memory_used_gib, reading->memory_total_gib,
		reading->dram_power_watts, reading->platform_power_watts,
		reading->total_power_watts
	};
	int			i;

	set_value(values, nulls, ANSWER_READING, TimestampTzGetDatum(timestamp));
	set_text(values, nulls, ANSWER_NODE_IP, node->peer_address);
	for (i = 0; i < STATUS_NUMBERS; i++)
		if (isfinite((float) numbers[i]))
			set_value(values, nulls, ANSWER_NUMBERS + i, Float4GetDatum((float) numbers[i]));
	if (isfinite(reading->interval_seconds))
		set_value(values, nulls, ANSWER_INTERVAL, Float8GetDatum(reading->interval_seconds));
	if (isfinite(reading->energy_joules))
		set_value(values, nulls, ANSWER_ENERGY, Float8GetDatum(reading->energy_joules));
	set_text(values, nulls, ANSWER_QUALITY, energy_quality_name(reading->energy_quality));
	set_value(values, nulls, ANSWER_REBOOTED, BoolGetDatum(reading->rebooted));
	if (reading->problem_count > 0)
		set_value(values, nulls, ANSWER_PROBLEMS, problems_jsonb(reading));
	if (setting_raw_data_retention != 0)
		set_value(values, nulls, ANSWER_RAW_DATA, raw_data_jsonb(&report));
}

static void
set_counters(Datum *values, bool *nulls, const RoundNode *node)
{
	size_t		length = power_state_encode(&next, state_bytes, sizeof(state_bytes));
	bytea	   *bytes;

	if (length == 0)
		elog(ERROR, "counters of node \"%s\" do not fit", node->name);
	bytes = palloc(VARHDRSZ + length);
	SET_VARSIZE(bytes, VARHDRSZ + length);
	memcpy(VARDATA(bytes), state_bytes, length);
	set_value(values, nulls, ANSWER_COUNTERS, PointerGetDatum(bytes));
}

/* Computes one node's reading from its locked status row. */
static void
store_one(RoundNode *node, HeapTuple tuple, TupleDesc desc, Answers *answers)
{
	MemoryContext context = MemoryContextSwitchTo(answers->context);
	Datum		values[ANSWER_COLUMNS];
	bool		nulls[ANSWER_COLUMNS];
	bool		isnull;
	bool		newer = false;
	int			failures = DatumGetInt32(SPI_getbinval(tuple, desc, 2, &isnull));
	Datum		last_reading;
	bool		never_read;

	memset(nulls, true, sizeof(nulls));
	node->left_out = false;
	node->failures_before = failures;
	node->known_before = DatumGetBool(SPI_getbinval(tuple, desc, 3, &isnull));
	last_reading = SPI_getbinval(tuple, desc, 4, &never_read);

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
		set_reading(values, nulls, node, timestamp);
		if (newer)
			set_counters(values, nulls, node);
		answers->readings++;
		answers->first = Min(answers->first, timestamp);
		answers->last = Max(answers->last, timestamp);
		failures = 0;
	}
	else if (failures < INT_MAX)
		failures++;

	set_text(values, nulls, ANSWER_NODE_NAME, node->name);
	set_value(values, nulls, ANSWER_RECEIVED, TimestampTzGetDatum(node->received));
	set_text(values, nulls, ANSWER_OUTCOME, outcome_name(node->outcome));
	set_text(values, nulls, ANSWER_ERROR, node->error);
	set_value(values, nulls, ANSWER_FAILURES, Int32GetDatum(failures));
	set_value(values, nulls, ANSWER_ELAPSED_MS, Int32GetDatum(node->elapsed_ms));
	if (node->round->by_worker)
	{
		/* the schedule counts from the Unix epoch */
		const int64 epoch = (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
		int64		at = schedule_next_attempt(node->round->slot + epoch,
											   (int64) (node->context.poll_interval * SCHEDULE_SECOND),
											   failures);

		set_value(values, nulls, ANSWER_NEXT, TimestampTzGetDatum(at - epoch));
	}
	tuplestore_putvalues(answers->rows, answers->desc, values, nulls);
	answers->count++;
	MemoryContextSwitchTo(context);
	MemoryContextReset(answers->context);
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

/*
 * Takes out the readings of all nodes but those that were inserted, and what
 * would have become of their counters and energy: the next reading starts where
 * this one did.
 */
static void
leave_out_readings(Answers *answers, RoundNode **nodes, int count,
				   SPITupleTable *inserted, uint64 inserted_count)
{
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(answers->desc, &TTSOpsMinimalTuple);
	uint64		i;

	for (i = 0; i < (uint64) count; i++)
		nodes[i]->left_out = true;
	for (i = 0; i < inserted_count; i++)
	{
		RoundNode  *node = find_node(nodes, count,
									 SPI_getvalue(inserted->vals[i], inserted->tupdesc, 1));

		if (node != NULL)
			node->left_out = false;
	}
	tuplestore_select_read_pointer(answers->rows, 0);
	tuplestore_rescan(answers->rows);
	while (tuplestore_gettupleslot(answers->rows, true, false, slot))
	{
		RoundNode  *node;
		int			column;

		slot_getallattrs(slot);
		node = find_node(nodes, count, TextDatumGetCString(slot->tts_values[ANSWER_NODE_NAME]));
		if (node != NULL && slot->tts_isnull[ANSWER_READING])
			node->left_out = false;
		if (node != NULL && node->left_out)
		{
			for (column = ANSWER_READING; column < ANSWER_COLUMNS; column++)
				slot->tts_isnull[column] = true;
			slot->tts_isnull[ANSWER_COUNTERS] = true;
			set_text(slot->tts_values, slot->tts_isnull, ANSWER_ERROR, STORE_LEFT_OUT);
		}
		tuplestore_putvalues(rows, answers->desc, slot->tts_values, slot->tts_isnull);
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_end(answers->rows);
	answers->rows = rows;
	answers->relation.reldata = rows;
}

/*
 * Whatever key the partition has, nothing may fail a batch for ever: a reading
 * that is there already is left out.  To look for one first costs a quarter of
 * the insert, so that is done only after it failed.
 */
static void
write_readings(const ExtensionInfo *extension, Answers *answers, RoundNode **nodes, int count)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool taken = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		statement_run(&insert_readings, extension, NULL, NULL, SPI_OK_INSERT);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION &&
			error->sqlerrcode != ERRCODE_EXCLUSION_VIOLATION)
			ReThrowError(error);
		FreeErrorData(error);
		taken = true;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (taken)
	{
		statement_run(&insert_new_readings, extension, NULL, NULL, SPI_OK_INSERT_RETURNING);
		leave_out_readings(answers, nodes, count, SPI_tuptable, SPI_processed);
	}
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

void
store_nodes(const ExtensionInfo *extension, RoundNode **nodes, int count, bool skip_locked)
{
	char	  **names = palloc(sizeof(char *) * Max(count, 1));
	Datum		values[1];
	Answers		answers;
	SPITupleTable *table;
	uint64		locked,
				i;

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

	answers_begin(&answers);
	for (i = 0; i < locked; i++)
	{
		RoundNode  *node = find_node(nodes, count,
									 SPI_getvalue(table->vals[i], table->tupdesc, 1));

		if (node == NULL)
			continue;
		store_one(node, table->vals[i], table->tupdesc, &answers);
		node->stored = true;
	}
	if (answers.readings > 0)
	{
		partition_ensure(extension, answers.first, answers.last);
		write_readings(extension, &answers, nodes, count);
	}
	if (answers.count > 0)
		statement_run(&update_status, extension, NULL, NULL, SPI_OK_UPDATE);
	answers_end(&answers);
	SPI_freetuptable(table);
	write_pins(extension, nodes, count);
}

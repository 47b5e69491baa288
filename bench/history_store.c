/*
 * history_store.c: has store.c store rounds of made-up answers in a backend, and
 * takes the time.  Loaded by bench/history beside the extension, with the
 * extension's own objects linked in.
 */
#include "postgres.h"

#include <time.h>

#include "executor/spi.h"
#include "fmgr.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "../src/compat.h"
#include "../src/extension.h"
#include "../src/round.h"
#include "../src/store.h"

#define BATCH 256				/* as the worker stores them */

MODULE_MAGIC("bench");
SQL_FUNCTION(bench_store);
SQL_FUNCTION(cpu_ms);

static struct job_result result;
static uint8_t frame_bytes[WIRE_MAX_FRAME];

/* What an Intel machine with DRAM counters answers at this time of its life. */
static void
make_report(struct report *report, int node, double uptime)
{
	static const char *const zones[][2] = {{"intel-rapl:0", "package-0"}, {"intel-rapl:0:2", "dram"}};
	int			i,
				end;

	report_init(report);
	report->system = SYSTEM_LINUX;
	strcpy(report->system_text, "Linux 6.1.0-28-amd64");
	snprintf(report->boot_id, sizeof(report->boot_id), "3e40f5a2-6ef1-4bb4-a5a0-%012d", node);
	for (end = 0; end < 2; end++)
	{
		report->clock[end].known = true;
		report->clock[end].before = uptime + end - 0.01;
		report->clock[end].after = uptime + end;
		report->cpu[end].known = true;
		report->cpu[end].user = (uptime + end) * 25;
		report->cpu[end].idle = (uptime + end) * 75;
	}
	report->sections[SECTION_RAPL].present = true;
	report->zone_count = 2;
	for (i = 0; i < 2; i++)
	{
		struct rapl_zone *zone = &report->zones[i];

		strcpy(zone->path, zones[i][0]);
		strcpy(zone->name, zones[i][1]);
		zone->range_uj = UINT64CONST(262143328850);
		for (end = 0; end < 2; end++)
		{
			zone->known[end] = true;
			zone->energy_uj[end] = (uint64) ((uptime + end) * (60 - 50 * i + node % 20) * 1e6) % zone->range_uj;
		}
	}
	report->temperature_count = 5;
	for (i = 0; i < 5; i++)
	{
		strcpy(report->temperatures[i].source, "coretemp");
		snprintf(report->temperatures[i].label, sizeof(report->temperatures[i].label),
				 i == 0 ? "Package id %d" : "Core %d", Max(i - 1, 0));
		report->temperatures[i].value = 50 + i;
	}
	report->memory_used_bytes = 12e9;
	report->memory_total_bytes = 64e9;
}

static void
make_answer(RoundNode *node, Round *round, int number, double uptime, TimestampTz at)
{
	struct wire_writer writer;

	node->round = round;
	node->name = psprintf("node%05d", number);
	node->context.type = NODE_LINUX_INTEL;
	node->context.max_watts = 1000;
	node->context.poll_interval = 300;
	node->answered = true;
	node->outcome = OUTCOME_READ;
	node->received = at + number * INT64CONST(3000);
	node->elapsed_ms = 1200;
	node->error = "";
	node->host_key = "";
	node->peer_address = psprintf("10.0.%d.%d", number / 250, number % 250);

	memset(&result, 0, sizeof(result));
	result.outcome = OUTCOME_READ;
	result.error = result.host_key = "";
	result.peer_address = node->peer_address;
	result.has_report = true;
	make_report(&result.report, number, uptime);
	wire_writer_init(&writer, frame_bytes, sizeof(frame_bytes));
	if (!wire_encode_result(&writer, &result))
		elog(ERROR, "a made-up answer does not fit");
	node->payload_length = writer.length - WIRE_HEADER_SIZE;
	node->payload = palloc(node->payload_length);
	memcpy(node->payload, frame_bytes + WIRE_HEADER_SIZE, node->payload_length);
}

static double
cpu_spent(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* CPU time of this backend, ms. */
Datum
cpu_ms(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(cpu_spent());
}

/* bench_store(nodes, at, uptime): ms of CPU that storing one round took. */
Datum
bench_store(PG_FUNCTION_ARGS)
{
	int			count = PG_GETARG_INT32(0);
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(1);
	double		uptime = PG_GETARG_FLOAT8(2);
	Round		round = {.context = CurrentMemoryContext, .slot = at, .by_worker = true, .count = count};
	RoundNode **nodes = palloc(sizeof(RoundNode *) * count);
	ExtensionInfo extension;
	double		start;
	int			i;

	extension_require(&extension);
	round.nodes = palloc0(sizeof(RoundNode) * count);
	for (i = 0; i < count; i++)
	{
		make_answer(&round.nodes[i], &round, i, uptime, at);
		nodes[i] = &round.nodes[i];
	}
	SPI_connect();
	start = cpu_spent();
	for (i = 0; i < count; i += BATCH)
		store_nodes(&extension, nodes + i, Min(BATCH, count - i), true);
	start = cpu_spent() - start;
	SPI_finish();
	PG_RETURN_FLOAT8(start);
}

/*
 * collect.c: tribe_power_collect() and tribe_power_probe(): a round by hand, in
 * the caller's backend, over the same parts as the worker's.
 *
 * While it waits it answers a cancel at once, whatever the nodes do; an error
 * or a cancel ends the poller with the function's memory context.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "alerts.h"
#include "compat.h"
#include "nodes.h"
#include "remedy.h"
#include "settings.h"
#include "store.h"

SQL_FUNCTION(tribe_power_collect);
SQL_FUNCTION(tribe_power_probe);

static RoundNode **
round_pointers(Round *round)
{
	RoundNode **pointers = palloc(sizeof(RoundNode *) * Max(round->count, 1));
	int			i;

	for (i = 0; i < round->count; i++)
		pointers[i] = &round->nodes[i];
	return pointers;
}

/* ok: nothing is missing but what such a machine cannot have, and the total is
 * known where there is anything to measure it by. */
static bool
reading_is_whole(const struct reading *reading)
{
	int			i;

	if (reading->problem_count > 0 && !isfinite(reading->total_power_watts))
		return false;
	for (i = 0; i < reading->problem_count; i++)
		if (reading->problems[i].reason != REASON_ABSENT)
			return false;
	return true;
}

static void
return_node(ReturnSetInfo *result, const RoundNode *node)
{
	Datum		values[7];
	bool		nulls[7] = {false};
	const char *remedy = remedy_of_node(node);
	const char *error = node->left_out ? STORE_LEFT_OUT : node->error;
	char		summary[256];

	values[0] = CStringGetTextDatum(node->name);
	if (node->outcome == OUTCOME_READ)
	{
		values[1] = CStringGetTextDatum(reading_is_whole(&node->reading) ? "ok" : "partial");
		nulls[2] = !isfinite(node->reading.total_power_watts);
		values[2] = Float8GetDatum(node->reading.total_power_watts);
		reading_summary(&node->reading, node->context.type, summary, sizeof(summary));
	}
	else
	{
		values[1] = CStringGetTextDatum(outcome_name(node->outcome));
		nulls[2] = true;
		snprintf(summary, sizeof(summary), "N/A (%s)", outcome_name(node->outcome));
	}
	values[3] = CStringGetTextDatum(summary);
	nulls[4] = error[0] == '\0';
	if (!nulls[4])
		values[4] = CStringGetTextDatum(error);
	nulls[5] = remedy == NULL;
	if (!nulls[5])
		values[5] = CStringGetTextDatum(remedy);
	values[6] = Int32GetDatum(node->elapsed_ms);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
tribe_power_collect(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ExtensionInfo extension;
	MemoryContext caller = CurrentMemoryContext;
	Round	   *round;
	RoundNode **nodes;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	PreventCommandIfReadOnly("tribe_power_collect()");
	PreventCommandIfParallelMode("tribe_power_collect()");
	extension_require(&extension);

	SPI_connect();
	round = nodes_load_named(&extension, PG_ARGISNULL(0) ? NULL : PG_GETARG_ARRAYTYPE_P(0),
							 GetCurrentTimestamp(), caller);
	round_poll(round);

	/* the extension may have been updated meanwhile */
	extension_require(&extension);

	/* all at once and last, so that no row stays locked while we wait */
	nodes = round_pointers(round);
	store_nodes(&extension, nodes, round->count, false);
	alerts_look(&extension, nodes, round->count);
	for (i = 0; i < round->count; i++)
		return_node(result, &round->nodes[i]);
	SPI_finish();
	round_free(round);
	return (Datum) 0;
}

/* --- tribe_power_probe -------------------------------------------------- */

static void
return_item(ReturnSetInfo *result, const char *section, const char *item,
			const char *value, const char *unit, const char *problem)
{
	const char *texts[5] = {section, item, value, unit, problem};
	Datum		values[5];
	bool		nulls[5];
	int			i;

	for (i = 0; i < 5; i++)
	{
		nulls[i] = texts[i] == NULL;
		if (!nulls[i])
			values[i] = CStringGetTextDatum(texts[i]);
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
return_number(ReturnSetInfo *result, const char *section, const char *item,
			  double value, int digits, const char *unit)
{
	char		text[64];

	if (!isfinite(value))
		return_item(result, section, item, NULL, unit, NULL);
	else
	{
		snprintf(text, sizeof(text), "%.*f", digits, value);
		return_item(result, section, item, text, unit, NULL);
	}
}

static void
return_reading(ReturnSetInfo *result, const struct reading *reading)
{
	return_number(result, "reading", "total_power_watts", reading->total_power_watts, 2, "W");
	return_number(result, "reading", "cpu_power_watts", reading->cpu_power_watts, 2, "W");
	return_number(result, "reading", "dram_power_watts", reading->dram_power_watts, 2, "W");
	return_number(result, "reading", "gpu_power_watts", reading->gpu_power_watts, 2, "W");
	return_number(result, "reading", "platform_power_watts", reading->platform_power_watts, 2, "W");
	return_number(result, "reading", "cpu_temp_celsius", reading->cpu_temp_celsius, 1, "°C");
	return_number(result, "reading", "gpu_temp_celsius", reading->gpu_temp_celsius, 1, "°C");
	return_number(result, "reading", "cpu_utilization", reading->cpu_utilization, 1, "%");
	return_number(result, "reading", "gpu_utilization", reading->gpu_utilization, 1, "%");
	return_number(result, "reading", "memory_used_gb", reading->memory_used_gib, 2, "GiB");
	return_number(result, "reading", "memory_total_gb", reading->memory_total_gib, 2, "GiB");
	return_number(result, "reading", "interval_seconds", reading->interval_seconds, 3, "s");
}

/* Sections by their names: how each went, and what to do where that is a
 * problem of this node: what such a machine does not have is none. */
static void
return_sections(ReturnSetInfo *result, const struct report *report,
				const RoundNode *node)
{
	const struct reading *reading = &node->reading;
	enum problem_reason problems[SECTION_COUNT] = {REASON_NONE};
	enum section section;
	int			i;

	for (i = 0; i < reading->problem_count; i++)
		problems[reading->problems[i].section] = reading->problems[i].reason;
	for (section = 0; section < SECTION_COUNT; section++)
	{
		const struct section_status *status = &report->sections[section];
		enum problem_reason reason = problems[section];
		const char *problem = NULL;

		if (!status->present && reason == REASON_NONE)
			continue;
		if (reason != REASON_NONE)
			problem = status->detail[0] != '\0' ? status->detail : problem_reason_name(reason);
		else
			reason = status->reason;
		return_item(result, section_name(section), "status",
					reason == REASON_NONE ? "ok" : problem_reason_name(reason), NULL, problem);
		if (problem != NULL && problem_remedy(section, reason)[0] != '\0')
			return_item(result, section_name(section), "remedy",
						remedy_fill_in(problem_remedy(section, reason), node), NULL, NULL);
	}
}

static void
return_facts(ReturnSetInfo *result, const struct report *report)
{
	char		value[64];
	int			i;

	for (i = 0; i < report->zone_count; i++)
	{
		const struct rapl_zone *zone = &report->zones[i];

		snprintf(value, sizeof(value), UINT64_FORMAT, (uint64) zone->energy_uj[1]);
		return_item(result, "rapl", psprintf("%s (%s)", zone->path, zone->name),
					zone->known[1] ? value : NULL, "µJ", NULL);
	}
	for (i = 0; i < report->gpu_count; i++)
	{
		const struct gpu *gpu = &report->gpus[i];

		return_number(result, "gpu", psprintf("%s (%s)", gpu->id, gpu->name),
					  gpu->power_watts, 2, "W");
	}
	for (i = 0; i < report->temperature_count; i++)
		return_number(result, "temperature",
					  psprintf("%s %s", report->temperatures[i].source, report->temperatures[i].label),
					  report->temperatures[i].value, 1, "°C");
	for (i = 0; i < report->platform_count; i++)
		return_number(result, "platform",
					  psprintf("%s %s", report->platform[i].source, report->platform[i].label),
					  report->platform[i].value, 2, "W");
}

Datum
tribe_power_probe(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ExtensionInfo extension;
	MemoryContext caller = CurrentMemoryContext;
	Datum		name = PG_GETARG_DATUM(0);
	const struct report *report;
	Round	   *round;
	RoundNode  *node;

	InitMaterializedSRF(fcinfo, 0);
	PreventCommandIfParallelMode("tribe_power_probe()");
	extension_require(&extension);

	SPI_connect();
	round = nodes_load_named(&extension,
							 construct_array(&name, 1, TEXTOID, -1, false, TYPALIGN_INT),
							 GetCurrentTimestamp(), caller);
	round_poll(round);
	node = &round->nodes[0];

	return_item(result, "session", "outcome", outcome_name(node->outcome), NULL,
				node->error[0] != '\0' ? node->error : NULL);
	if (node->outcome != OUTCOME_READ)
		return_item(result, "session", "remedy", remedy_of_node(node), NULL, NULL);
	return_item(result, "session", "address",
				node->peer_address[0] != '\0' ? node->peer_address : NULL, NULL, NULL);
	return_number(result, "session", "elapsed", node->elapsed_ms, 0, "ms");
	report = store_compute_alone(node);
	if (report != NULL)
	{
		return_item(result, "session", "system", report->system_text, NULL, NULL);
		return_item(result, "session", "boot_id",
					report->boot_id[0] != '\0' ? report->boot_id : NULL, NULL, NULL);
		return_reading(result, &node->reading);
		return_sections(result, report, node);
		return_facts(result, report);
	}
	SPI_finish();
	round_free(round);
	return (Datum) 0;
}

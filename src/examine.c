/*
 * examine.c: tribe_power_examine(), the live part of tribe_power_doctor(): polls
 * nodes and says what is wrong with each; stores nothing.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "nodes.h"
#include "remedy.h"
#include "store.h"

SQL_FUNCTION(tribe_power_examine);

static void
return_row(ReturnSetInfo *result, const RoundNode *node, const char *section,
		   const char *reason, const char *detail, const char *remedy)
{
	const char *texts[5] = {node->name, section, reason, detail, remedy};
	Datum		values[5];
	bool		nulls[5];
	int			i;

	for (i = 0; i < 5; i++)
	{
		nulls[i] = texts[i] == NULL || texts[i][0] == '\0';
		if (!nulls[i])
			values[i] = CStringGetTextDatum(texts[i]);
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
tribe_power_examine(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ExtensionInfo extension;
	MemoryContext caller = CurrentMemoryContext;
	Round	   *round;
	int			i,
				p;

	InitMaterializedSRF(fcinfo, 0);
	PreventCommandIfParallelMode("tribe_power_examine()");
	extension_require(&extension);

	SPI_connect();
	round = nodes_load_named(&extension, PG_ARGISNULL(0) ? NULL : PG_GETARG_ARRAYTYPE_P(0),
							 GetCurrentTimestamp(), caller);
	round_poll(round);
	for (i = 0; i < round->count; i++)
	{
		RoundNode  *node = &round->nodes[i];
		const struct report *report = store_compute_alone(node);

		return_row(result, node, "login", outcome_name(node->outcome), node->error,
				   report == NULL ? remedy_of_node(node) : NULL);
		if (report == NULL)
			continue;
		for (p = 0; p < node->reading.problem_count; p++)
		{
			const struct problem *problem = &node->reading.problems[p];

			return_row(result, node, section_name(problem->section),
					   problem_reason_name(problem->reason),
					   report->sections[problem->section].detail,
					   remedy_fill_in(problem_remedy(problem->section, problem->reason), node));
		}
	}
	SPI_finish();
	round_free(round);
	return (Datum) 0;
}

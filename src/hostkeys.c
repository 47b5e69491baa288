/*
 * hostkeys.c: tribe_power_scan(), which asks a node for its host key and says
 * nothing about us.  Pinning is SQL (sql/55-hostkeys.sql).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "extension.h"
#include "nodes.h"
#include "remedy.h"
#include "round.h"

SQL_FUNCTION(tribe_power_scan);

Datum
tribe_power_scan(PG_FUNCTION_ARGS)
{
	ExtensionInfo extension;
	MemoryContext caller = CurrentMemoryContext;
	Datum		name = PG_GETARG_DATUM(0);
	Datum		key;
	Round	   *round;
	RoundNode  *node;

	extension_require(&extension);
	SPI_connect();
	round = nodes_load_named(&extension,
							 construct_array(&name, 1, TEXTOID, -1, false, TYPALIGN_INT),
							 GetCurrentTimestamp(), caller);
	node = &round->nodes[0];
	node->job.job.kind = JOB_SCAN_HOST_KEY;
	round_poll(round);
	if (node->outcome != OUTCOME_READ || node->host_key[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("could not learn the host key of node \"%s\": %s", node->name,
						node->error[0] != '\0' ? node->error : outcome_name(node->outcome)),
				 remedy_of_node(node) != NULL ? errhint("%s", remedy_of_node(node)) : 0));
	SPI_finish();
	key = CStringGetTextDatum(node->host_key);
	round_free(round);
	PG_RETURN_DATUM(key);
}

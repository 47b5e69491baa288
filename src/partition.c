/*
 * partition.c: looks at the partitions of tribe_power_metrics as the relation
 * cache has them.  Making one is SQL (sql/45-storage.sql).
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "partition.h"
#include "settings.h"
#include "statement.h"

SQL_FUNCTION(tribe_power_partitions);
SQL_FUNCTION(tribe_power_partition_width);
SQL_FUNCTION(tribe_power_has_partition);

static Statement make_partition = {
	"SELECT @s@.tribe_power_make_partition($1)", 1, {TIMESTAMPTZOID}
};

static Relation
open_metrics(const ExtensionInfo *extension)
{
	Oid			schema = get_namespace_oid(extension->schema, false);
	Relation	relation = table_open(get_relname_relid("tribe_power_metrics", schema), AccessShareLock);

	if (relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("tribe_power_metrics is not partitioned")));
	return relation;
}

/* The bound at this place, between those of the partitions before and after. */
static TimestampTz
bound_at(PartitionBoundInfo bounds, int i)
{
	switch (bounds->kind[i][0])
	{
		case PARTITION_RANGE_DATUM_MINVALUE:
			return DT_NOBEGIN;
		case PARTITION_RANGE_DATUM_MAXVALUE:
			return DT_NOEND;
		default:
			return DatumGetTimestampTz(bounds->datums[i][0]);
	}
}

static bool
covered(PartitionBoundInfo bounds, TimestampTz at)
{
	int			low = 0,
				high = bounds == NULL ? 0 : bounds->ndatums;

	/* the first bound above it ends the partition that it is in, if there is one */
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (bound_at(bounds, middle) > at)
			high = middle;
		else
			low = middle + 1;
	}
	return bounds != NULL && low < bounds->ndatums && bounds->indexes[low] >= 0;
}

void
partition_ensure(const ExtensionInfo *extension, TimestampTz from, TimestampTz to)
{
	const TimestampTz times[2] = {from, to};
	int			i;

	for (i = 0; i < 2; i++)
	{
		Relation	relation = open_metrics(extension);
		bool		there = covered(RelationGetPartitionDesc(relation, false)->boundinfo, times[i]);
		Datum		value = TimestampTzGetDatum(times[i]);

		table_close(relation, AccessShareLock);
		if (!there)
			statement_run(&make_partition, extension, &value, NULL, SPI_OK_SELECT);
	}
}

static void
return_partition(ReturnSetInfo *result, Oid partition, bool is_default,
				 TimestampTz from, TimestampTz to)
{
	Datum		values[5];
	bool		nulls[5] = {false};

	values[0] = ObjectIdGetDatum(partition);
	nulls[1] = nulls[2] = is_default;
	values[1] = TimestampTzGetDatum(from);
	values[2] = TimestampTzGetDatum(to);
	values[3] = BoolGetDatum(is_default);
	values[4] = DirectFunctionCall1(pg_total_relation_size, ObjectIdGetDatum(partition));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
tribe_power_partitions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ExtensionInfo extension;
	Relation	relation;
	PartitionDesc partitions;
	PartitionBoundInfo bounds;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	extension_require(&extension);
	relation = open_metrics(&extension);
	partitions = RelationGetPartitionDesc(relation, false);
	bounds = partitions->boundinfo;
	for (i = 1; bounds != NULL && i < bounds->ndatums; i++)
		if (bounds->indexes[i] >= 0)
			return_partition(result, partitions->oids[bounds->indexes[i]], false,
							 bound_at(bounds, i - 1), bound_at(bounds, i));
	if (bounds != NULL && partition_bound_has_default(bounds))
		return_partition(result, partitions->oids[bounds->default_index], true, 0, 0);
	table_close(relation, AccessShareLock);
	return (Datum) 0;
}

Datum
tribe_power_partition_width(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(settings_partition_width()));
}

Datum
tribe_power_has_partition(PG_FUNCTION_ARGS)
{
	ExtensionInfo extension;
	Relation	relation;
	bool		there;

	extension_require(&extension);
	relation = open_metrics(&extension);
	there = covered(RelationGetPartitionDesc(relation, false)->boundinfo, PG_GETARG_TIMESTAMPTZ(0));
	table_close(relation, AccessShareLock);
	PG_RETURN_BOOL(there);
}

/*
 * extension.c: looks our extension up in pg_extension, by catalog scan so that
 * it needs no SPI and no search_path.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "common/version.h"
#include "extension.h"

/* The schema that tribe_power_schema() was made with; "" if that is not there.
 * Its text is read: to call a function that its owner may replace is not for the
 * worker, who is superuser. */
static void
look_up_home(Oid namespace, char *home, size_t size)
{
	const char *before = "SELECT '";
	size_t		length;
	bool		quoted;
	HeapTuple	tuple = SearchSysCache3(PROCNAMEARGSNSP, CStringGetDatum("tribe_power_schema"),
										PointerGetDatum(buildoidvector(NULL, 0)),
										ObjectIdGetDatum(namespace));
	char	   *source;
	bool		isnull;

	home[0] = '\0';
	if (!HeapTupleIsValid(tuple))
		return;
	source = TextDatumGetCString(SysCacheGetAttr(PROCNAMEARGSNSP, tuple, Anum_pg_proc_prosrc, &isnull));
	ReleaseSysCache(tuple);
	if (strncmp(source, before, strlen(before)) != 0)
		return;

	/* as quote_identifier() wrote it, whatever quote_all_identifiers says now;
	 * CREATE EXTENSION lets no quote into it */
	source += strlen(before);
	quoted = source[0] == '"';
	source += quoted;
	length = strcspn(source, quoted ? "\"" : "'");
	if (length < size)
		strlcpy(home, source, length + 1);
}

bool
extension_lookup(ExtensionInfo *info)
{
	Relation	relation;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	relation = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum("tribe_power"));
	scan = systable_beginscan(relation, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_extension form = (Form_pg_extension) GETSTRUCT(tuple);
		char	   *schema = get_namespace_name(form->extnamespace);
		bool		isnull;
		Datum		version = heap_getattr(tuple, Anum_pg_extension_extversion,
										   RelationGetDescr(relation), &isnull);

		if (schema != NULL && !isnull)
		{
			info->oid = form->oid;
			info->owner = form->extowner;
			strlcpy(info->schema, schema, sizeof(info->schema));
			strlcpy(info->version, TextDatumGetCString(version), sizeof(info->version));
			look_up_home(form->extnamespace, info->made_for, sizeof(info->made_for));
			found = true;
		}
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return found;
}

bool
extension_version_matches(const ExtensionInfo *info)
{
	return strcmp(info->version, TRIBE_POWER_SQL_VERSION) == 0;
}

bool
extension_schema_matches(const ExtensionInfo *info)
{
	return strcmp(info->made_for, info->schema) == 0;
}

void
extension_require(ExtensionInfo *info)
{
	if (!extension_lookup(info))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"tribe_power\" is not installed in this database"),
				 errhint("Run CREATE EXTENSION tribe_power.")));
	if (!extension_version_matches(info))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("library and SQL objects of tribe_power differ in version"),
				 errdetail("The library is for SQL version %s, the database has %s.",
						   TRIBE_POWER_SQL_VERSION, info->version),
				 errhint("Run ALTER EXTENSION tribe_power UPDATE, and restart the server if the library was replaced while it ran.")));
	if (!extension_schema_matches(info))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the schema of extension \"tribe_power\" has been renamed"),
				 errdetail("Its functions were made for schema \"%s\", it is in \"%s\".",
						   info->made_for, info->schema),
				 errhint("Run ALTER SCHEMA %s RENAME TO %s. To move for good: pg_dump the database and restore it into another.",
						 pstrdup(quote_identifier(info->schema)), quote_identifier(info->made_for))));
}

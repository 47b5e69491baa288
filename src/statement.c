/*
 * statement.c: prepares our SQL once a session, for the schema in which the
 * extension is; names in it are qualified, so search_path does not matter.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "statement.h"

static char *
qualify(const char *text, const char *schema)
{
	StringInfoData buffer;
	const char *quoted = quote_identifier(schema);
	const char *mark;

	initStringInfo(&buffer);
	while ((mark = strstr(text, "@s@")) != NULL)
	{
		appendBinaryStringInfo(&buffer, text, mark - text);
		appendStringInfoString(&buffer, quoted);
		text = mark + strlen("@s@");
	}
	appendStringInfoString(&buffer, text);
	return buffer.data;
}

void
statement_run(Statement *statement, const ExtensionInfo *extension,
			  Datum *values, const char *nulls, int expected)
{
	int			rc;

	if (statement->plan != NULL && strcmp(statement->schema, extension->schema) != 0)
	{
		SPI_freeplan(statement->plan);
		statement->plan = NULL;
	}
	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(qualify(statement->text, extension->schema),
									   statement->nargs, statement->types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
		strlcpy(statement->schema, extension->schema, NAMEDATALEN);
		statement->plan = plan;
	}
	rc = SPI_execute_plan(statement->plan, values, nulls, false, 0);
	if (rc != expected)
		elog(ERROR, "unexpected result of a statement: %s", SPI_result_code_string(rc));
}

static Datum
make_array(Datum *values, bool *nulls, int count, Oid type)
{
	int			dims[1];
	int			bounds[1] = {1};
	int16		length;
	bool		byval;
	char		align;

	dims[0] = count;
	get_typlenbyvalalign(type, &length, &byval, &align);
	return PointerGetDatum(construct_md_array(values, nulls, 1, dims, bounds,
											  type, length, byval, align));
}

Datum
statement_text_array(char **values, int count)
{
	Datum	   *datums = palloc(sizeof(Datum) * count);
	bool	   *nulls = palloc(sizeof(bool) * count);
	int			i;

	for (i = 0; i < count; i++)
	{
		nulls[i] = values[i] == NULL;
		datums[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(values[i]);
	}
	return make_array(datums, nulls, count, TEXTOID);
}

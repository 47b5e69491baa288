/*
 * statement.h: SQL that we run again and again, prepared once.
 */
#ifndef TRIBE_POWER_STATEMENT_H
#define TRIBE_POWER_STATEMENT_H

#include "postgres.h"

#include "executor/spi.h"

#include "extension.h"

#define STATEMENT_MAX_ARGUMENTS 32

/* One statement: text and types are constant, the rest is its cache. */
typedef struct Statement
{
	const char *text;			/* "@s@" stands for the extension's schema, quoted */
	int			nargs;
	Oid			types[STATEMENT_MAX_ARGUMENTS];
	SPIPlanPtr	plan;
	char		schema[NAMEDATALEN];	/* that it was prepared for */
} Statement;

/*
 * Runs it within the caller's SPI connection; nulls as for SPI_execute_plan.
 * Raises an error unless it gives the expected SPI_OK_* code.
 */
extern void statement_run(Statement *statement, const ExtensionInfo *extension,
						  Datum *values, const char *nulls, int expected);

/* An array of text in the caller's order; NULL becomes null. */
extern Datum statement_text_array(char **values, int count);

#endif

/*
 * extension.h: what the catalog says about our extension in this database.
 */
#ifndef TRIBE_POWER_EXTENSION_H
#define TRIBE_POWER_EXTENSION_H

#include "postgres.h"

typedef struct ExtensionInfo
{
	Oid			oid;
	Oid			owner;
	char		schema[NAMEDATALEN];	/* unquoted */
	char		version[64];
	char		made_for[NAMEDATALEN];	/* the schema of its creation, unquoted */
} ExtensionInfo;

/* False if the extension is not installed here. Needs a transaction. */
extern bool extension_lookup(ExtensionInfo *info);

/* Raises an error (object_not_in_prerequisite_state) unless the extension is
 * installed here, its SQL is of this library's version and in its schema. */
extern void extension_require(ExtensionInfo *info);

/* False after ALTER SCHEMA ... RENAME: its functions name the schema of old. */
extern bool extension_schema_matches(const ExtensionInfo *info);

/* True if the SQL objects are those that this library was written for. */
extern bool extension_version_matches(const ExtensionInfo *info);

#endif

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
} ExtensionInfo;

/* False if the extension is not installed here. Needs a transaction. */
extern bool extension_lookup(ExtensionInfo *info);

/* Raises an error (object_not_in_prerequisite_state) unless the extension is
 * installed here and its SQL is of this library's version. */
extern void extension_require(ExtensionInfo *info);

/* True if the SQL objects are those that this library was written for. */
extern bool extension_version_matches(const ExtensionInfo *info);

#endif

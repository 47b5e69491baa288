/*
 * checks.c: the registry's CHECK constraints and small facts for SQL.  Refuses
 * what a person mistyped with a hint that says what is wanted.
 */
#include "postgres.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "fmgr.h"
#include "utils/builtins.h"

#include "common/hostkey_text.h"
#include "common/power.h"
#include "common/text.h"
#include "common/version.h"
#include "common/wire.h"
#include "compat.h"
#include "settings.h"

SQL_FUNCTION(tribe_power_check);
SQL_FUNCTION(tribe_power_timezone);
SQL_FUNCTION(tribe_power_version);
SQL_FUNCTION(tribe_power_sql_version);
SQL_FUNCTION(tribe_power_remedy);

static void
refuse(const char *field, const char *value, const char *hint)
{
	char		shown[128];

	text_clean(shown, sizeof(shown), value, strlen(value));
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("invalid %s: \"%s\"", field, shown),
			 errhint("%s", hint)));
}

static bool
number_within(const char *value, double min, double max)
{
	char	   *end;
	double		number = strtod(value, &end);

	return end != value && *end == '\0' && number >= min && number <= max;
}

/* Letters, digits and what names, IPv4, IPv6 and zone ids are made of. */
static bool
address_valid(const char *value)
{
	const char *p;

	if (value[0] == '\0' || value[0] == '-' || strlen(value) > WIRE_MAX_NAME)
		return false;
	for (p = value; *p != '\0'; p++)
	{
		if (!isalnum((unsigned char) *p) && strchr(".:_-%", *p) == NULL)
			return false;
	}
	return true;
}

static bool
name_valid(const char *value, size_t max)
{
	size_t		length = strlen(value);

	return length > 0 && length <= max && text_is_printable(value, length);
}

static bool
login_valid(const char *value)
{
	return name_valid(value, 64) && strchr(value, ' ') == NULL && value[0] != '-';
}

static bool
path_valid(const char *value)
{
	return name_valid(value, WIRE_MAX_PATH) &&
		(value[0] == '/' || strncmp(value, "~/", 2) == 0);
}

Datum
tribe_power_check(PG_FUNCTION_ARGS)
{
	char	   *field = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *value = text_to_cstring(PG_GETARG_TEXT_PP(1));
	enum node_type type;
	char		error[256];

	if (strcmp(field, "node_name") == 0)
	{
		if (!name_valid(value, WIRE_MAX_NAME))
			refuse(field, value, "Give 1 to 255 bytes without control characters.");
	}
	else if (strcmp(field, "address") == 0)
	{
		if (!address_valid(value))
			refuse(field, value, "Give a host name, an IPv4 or an IPv6 address, without port, user or brackets.");
	}
	else if (strcmp(field, "port") == 0)
	{
		if (!number_within(value, 1, 65535))
			refuse(field, value, "A port is a number from 1 to 65535; sshd listens on 22 unless told otherwise.");
	}
	else if (strcmp(field, "ssh_user") == 0)
	{
		if (!login_valid(value))
			refuse(field, value, "Give a login name of 1 to 64 characters without spaces or control characters.");
	}
	else if (strcmp(field, "node_type") == 0)
	{
		if (!node_type_parse(value, &type))
			refuse(field, value, "Use auto, linux_intel, linux_nvidia, linux_amd or macos.");
	}
	else if (strcmp(field, "identity_file") == 0)
	{
		if (!path_valid(value))
			refuse(field, value, "Give the absolute path of a private key on the database server, or one that starts with \"~/\".");
	}
	else if (strcmp(field, "poll_interval") == 0)
	{
		if (!number_within(value, 1, 86400) || floor(atof(value)) != atof(value))
			refuse(field, psprintf("%s seconds", value),
				   "Give whole seconds from '1 second' to '1 day'; NULL means tribe_power.interval.");
	}
	else if (strcmp(field, "host_key") == 0)
	{
		if (strlen(value) > WIRE_MAX_HOST_KEY)
			refuse(field, value, "At most 16383 bytes: name the node's own keys only.");
		if (!hostkey_text_valid(value, error, sizeof(error)))
			refuse(field, value,
				   psprintf("%s. Paste one or more lines of the node's ssh_host_*_key.pub, or what ssh-keyscan prints for it.", error));
	}
	else
		elog(ERROR, "tribe_power_check: no such field: %s", field);
	PG_RETURN_BOOL(true);
}

Datum
tribe_power_timezone(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(settings_timezone()));
}

Datum
tribe_power_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(TRIBE_POWER_VERSION));
}

Datum
tribe_power_sql_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(TRIBE_POWER_SQL_VERSION));
}

/* The remedy for a problem by the names stored in problems; NULL: none known. */
Datum
tribe_power_remedy(PG_FUNCTION_ARGS)
{
	char	   *section_text = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *reason_text = text_to_cstring(PG_GETARG_TEXT_PP(1));
	enum section section;
	enum problem_reason reason;

	for (section = 0; section < SECTION_COUNT; section++)
		if (strcmp(section_name(section), section_text) == 0)
			break;
	for (reason = REASON_ABSENT; reason < REASON_COUNT; reason++)
		if (strcmp(problem_reason_name(reason), reason_text) == 0)
			break;
	if (section < SECTION_COUNT && reason < REASON_COUNT &&
		problem_remedy(section, reason)[0] != '\0')
		PG_RETURN_TEXT_P(cstring_to_text(problem_remedy(section, reason)));
	PG_RETURN_NULL();
}

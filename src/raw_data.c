/*
 * raw_data.c: reports and problems as jsonb, made without the detour by text,
 * which costs several times as much.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "raw_data.h"

typedef struct Jsonbing
{
	JsonbParseState *state;
	JsonbValue *whole;
} Jsonbing;

static JsonbValue
string_value(const char *text)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = unconstify(char *, text);
	value.val.string.len = strlen(text);
	return value;
}

/* A member's name, or nothing for an element. */
static void
put_key(Jsonbing *to, const char *name)
{
	JsonbValue	key;

	if (name == NULL)
		return;
	key = string_value(name);
	pushJsonbValue(&to->state, WJB_KEY, &key);
}

static void
put_value(Jsonbing *to, const char *name, JsonbValue *value)
{
	put_key(to, name);
	pushJsonbValue(&to->state, name == NULL ? WJB_ELEM : WJB_VALUE, value);
}

static void
put_numeric(Jsonbing *to, const char *name, Numeric number)
{
	JsonbValue	value = {.type = jbvNumeric};

	value.val.numeric = number;
	put_value(to, name, &value);
}

static void
jsonb_open(void *arg, const char *name, bool array)
{
	Jsonbing   *to = arg;

	put_key(to, name);
	pushJsonbValue(&to->state, array ? WJB_BEGIN_ARRAY : WJB_BEGIN_OBJECT, NULL);
}

static void
jsonb_close(void *arg, bool array)
{
	Jsonbing   *to = arg;

	to->whole = pushJsonbValue(&to->state, array ? WJB_END_ARRAY : WJB_END_OBJECT, NULL);
}

static void
jsonb_text(void *arg, const char *name, const char *text)
{
	JsonbValue	value;
	const char *p;

	/* whatever the database's encoding is, ASCII is valid in it */
	for (p = text; *p >= ' ' && *p < 0x7f; p++)
		;
	if (*p != '\0')
	{
		char	   *copy = pstrdup(text);
		char	   *q;

		for (q = copy + (p - text); *q != '\0'; q++)
			if (!(*q >= ' ' && *q < 0x7f))
				*q = '?';
		text = copy;
	}
	value = string_value(text);
	put_value(arg, name, &value);
}

/* The number that "%.15g" shows. */
static Numeric
numeric_of(double value)
{
	static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
	char		text[40];
	int			i;

	/* Most have few decimals.  An integer below 10^15 over such a power is the
	 * double next to that decimal, which no other decimal of 15 digits is. */
	for (i = 0; i < lengthof(powers); i++)
	{
		double		scaled = rint(value * powers[i]);

		if (!(fabs(scaled) < 1e15))
			break;
		if (scaled / powers[i] == value)
			return i == 0 ? int64_to_numeric((int64) scaled) : int64_div_fast_to_numeric((int64) scaled, i);
	}
	snprintf(text, sizeof(text), "%.15g", value);
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
											   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

static void
jsonb_number(void *arg, const char *name, double value)
{
	put_numeric(arg, name, numeric_of(value));
}

static void
jsonb_count(void *arg, const char *name, uint64_t value)
{
	char		text[24];

	if (value <= PG_INT64_MAX)
	{
		put_numeric(arg, name, int64_to_numeric((int64) value));
		return;
	}
	snprintf(text, sizeof(text), UINT64_FORMAT, (uint64) value);
	put_numeric(arg, name, DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
															  ObjectIdGetDatum(InvalidOid),
															  Int32GetDatum(-1))));
}

static void
jsonb_truth(void *arg, const char *name)
{
	JsonbValue	value = {.type = jbvBool};

	value.val.boolean = true;
	put_value(arg, name, &value);
}

static void
jsonb_null(void *arg, const char *name)
{
	JsonbValue	value = {.type = jbvNull};

	put_value(arg, name, &value);
}

Datum
raw_data_jsonb(const struct report *report)
{
	static const struct json_sink sink = {
		jsonb_open, jsonb_close, jsonb_text, jsonb_number, jsonb_count, jsonb_truth, jsonb_null
	};
	Jsonbing	to = {NULL, NULL};

	report_members(report, &sink, &to);
	return JsonbPGetDatum(JsonbValueToJsonb(to.whole));
}

Datum
problems_jsonb(const struct reading *reading)
{
	Jsonbing	to = {NULL, NULL};
	int			i;

	if (reading->problem_count == 0)
		return (Datum) 0;
	jsonb_open(&to, NULL, false);
	for (i = 0; i < reading->problem_count; i++)
		jsonb_text(&to, section_name(reading->problems[i].section),
				   problem_reason_name(reading->problems[i].reason));
	jsonb_close(&to, false);
	return JsonbPGetDatum(JsonbValueToJsonb(to.whole));
}

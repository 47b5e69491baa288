/*
 * reports.h: texts to reports, for the tests of the measurement.
 */
#ifndef TRIBE_POWER_TEST_REPORTS_H
#define TRIBE_POWER_TEST_REPORTS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "report_parse.h"

#define OPENING "tribe_power_probe 1\n"
#define END "end\n"

/* The body of a report between its marks, parsed; it must be good. */
static inline void
parse_body(const char *body, struct report *report)
{
	static char text[REPORT_MAX_TEXT];
	char		error[256];

	snprintf(text, sizeof(text), OPENING "%s" END, body);
	if (report_parse(text, strlen(text), report, error, sizeof(error)) != OUTCOME_READ)
		fail_msg("not a report: %s", error);
	assert_string_equal(error, "");
}

/* A file of test/unit/fixtures; the tests run in the repository's root. */
static inline size_t
read_fixture(const char *name, char *buffer, size_t size)
{
	char		path[256];
	FILE	   *file;
	size_t		length;

	snprintf(path, sizeof(path), "test/unit/fixtures/%s", name);
	file = fopen(path, "r");
	if (file == NULL)
		fail_msg("cannot open %s", path);
	length = fread(buffer, 1, size - 1, file);
	fclose(file);
	buffer[length] = '\0';
	return length;
}

static inline void
parse_fixture(const char *name, struct report *report)
{
	static char text[REPORT_MAX_TEXT + 1];
	char		error[256];
	size_t		length = read_fixture(name, text, sizeof(text));

	if (report_parse(text, length, report, error, sizeof(error)) != OUTCOME_READ)
		fail_msg("%s: %s", name, error);
}

#define assert_near(a, b, tolerance) \
	do { \
		double		near_a = (a), near_b = (b); \
		if (!(fabs(near_a - near_b) <= (tolerance))) \
			fail_msg("%s is %.9g, expected %.9g", #a, near_a, near_b); \
	} while (0)

#define assert_unknown(a) \
	do { \
		double		unknown_a = (a); \
		if (!isnan(unknown_a)) \
			fail_msg("%s is %.9g, expected unknown", #a, unknown_a); \
	} while (0)

#endif

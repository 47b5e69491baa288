/*
 * report_parse.h: the probe's text to struct report.  The text comes from a
 * machine that may be hostile: the parser is a pure function of its bytes,
 * bounded and strict.
 */
#ifndef TRIBE_POWER_REPORT_PARSE_H
#define TRIBE_POWER_REPORT_PARSE_H

#include <stddef.h>

#include "../common/report.h"

/* A report longer than this is an error, never cut short. */
#define REPORT_MAX_TEXT (64 * 1024)

/*
 * Parses text (not NUL-terminated).  Gives OUTCOME_READ, or
 * OUTCOME_REPORT_INCOMPLETE, _GARBLED or _OVERSIZED with one printable line
 * in error; then report is not to be used.
 */
enum outcome report_parse(const char *text, size_t length, struct report *report,
						  char *error, size_t error_size);

#endif

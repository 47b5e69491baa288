/*
 * report.c: the probe's text to struct report: the frame, the lines, and what
 * all sections need.  The sections stand in report_linux.c, report_gpu.c and
 * report_macos.c.
 *
 * The text is a stranger's.  A text that the probe cannot have printed is no
 * report at all; a number that a node's file or tool got wrong only costs its
 * section.  Nothing here allocates, and no input makes it run long.
 */
#include "report_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPENING "tribe_power_probe 1"

char *
report_word(char **rest)
{
	char	   *start = *rest;
	char	   *end;

	while (*start == ' ')
		start++;
	if (*start == '\0')
	{
		*rest = start;
		return NULL;
	}
	end = start;
	while (*end != ' ' && *end != '\0')
		end++;
	if (*end == ' ')
		*end++ = '\0';
	while (*end == ' ')
		end++;
	*rest = end;
	return start;
}

bool
report_u64(const char *word, uint64_t *value)
{
	uint64_t	sum = 0;

	if (word == NULL || *word == '\0')
		return false;
	for (; *word != '\0'; word++)
	{
		if (*word < '0' || *word > '9')
			return false;
		if (__builtin_mul_overflow(sum, (uint64_t) 10, &sum) ||
			__builtin_add_overflow(sum, (uint64_t) (*word - '0'), &sum))
			return false;
	}
	*value = sum;
	return true;
}

bool
report_double(const char *word, double *value)
{
	char	   *end;
	double		number;

	/* No hexadecimal, "inf", "nan" or leading space, all of which strtod takes. */
	if (word == NULL || strspn(word, "0123456789.+-eE") != strlen(word) || strlen(word) > 40)
		return false;
	number = strtod(word, &end);
	if (end == word || *end != '\0' || !isfinite(number))
		return false;
	*value = number;
	return true;
}

bool
report_end(struct parse *parse, const char *word, int *end)
{
	if (word == NULL || (strcmp(word, "0") != 0 && strcmp(word, "1") != 0))
	{
		parse->fault = "a line without the window's end";
		return false;
	}
	*end = word[0] - '0';
	return true;
}

void
report_copy(char *target, size_t size, const char *text)
{
	snprintf(target, size, "%s", text);
}

void
report_status(struct parse *parse, enum section section, enum problem_reason reason,
			  const char *detail)
{
	struct section_status *status = &parse->report->sections[section];

	status->present = true;
	if (status->reason == REASON_NONE)
		status->reason = reason;
	if (status->detail[0] == '\0')
		report_copy(status->detail, sizeof(status->detail), detail);
}

void
report_add_sensor(struct sensor *sensors, uint16_t *count, const char *source,
				  const char *label, double value)
{
	struct sensor *sensor;

	if (*count >= REPORT_MAX_SENSORS)
		return;
	sensor = &sensors[(*count)++];
	report_copy(sensor->source, sizeof(sensor->source), source);
	report_copy(sensor->label, sizeof(sensor->label), label);
	sensor->value = value;
}

/* The GPU of that vendor and id, made if new; NULL if there are too many. */
struct gpu *
report_add_gpu(struct parse *parse, enum gpu_vendor vendor, const char *id)
{
	struct report *report = parse->report;
	struct gpu *gpu;
	int			index = 0;

	for (int i = 0; i < report->gpu_count; i++)
	{
		if (report->gpus[i].vendor != vendor)
			continue;
		if (strncmp(report->gpus[i].id, id, REPORT_MAX_NAME) == 0)
			return &report->gpus[i];
		index++;
	}
	if (report->gpu_count >= REPORT_MAX_GPUS)
		return NULL;

	gpu = &report->gpus[report->gpu_count++];
	memset(gpu, 0, sizeof(*gpu));
	gpu->vendor = vendor;
	gpu->index = index;
	report_copy(gpu->id, sizeof(gpu->id), id);
	gpu->power_watts = NAN;
	gpu->temperature_celsius = NAN;
	gpu->utilization_percent = NAN;
	gpu->memory_used_bytes = NAN;
	gpu->memory_total_bytes = NAN;
	return gpu;
}

/* --- lines of every system -------------------------------------------------- */

static void
handle_system(struct parse *parse, char *rest)
{
	struct report *report = parse->report;

	if (report->system_text[0] != '\0')
	{
		parse->fault = "two lines about the system";
		return;
	}
	report_copy(report->system_text, sizeof(report->system_text), rest);
	if (strncmp(rest, "Linux", 5) == 0)
		report->system = SYSTEM_LINUX;
	else if (strncmp(rest, "Darwin", 6) == 0)
		report->system = SYSTEM_MACOS;
	else if (strncmp(rest, "FreeBSD", 7) == 0)
		report->system = SYSTEM_FREEBSD;
}

static void
handle_boot(struct parse *parse, char *rest)
{
	if (parse->report->boot_id[0] != '\0')
		parse->fault = "two boot ids";
	else
		report_copy(parse->report->boot_id, sizeof(parse->report->boot_id), rest);
}

static void
handle_expect(struct parse *parse, char *rest)
{
	for (int i = 0; i < SECTION_COUNT; i++)
		if (strcmp(rest, section_name(i)) == 0)
		{
			parse->expected[i] = true;
			return;
		}
	parse->fault = "an unknown section";
}

static void
handle_done(struct parse *parse, char *rest)
{
	for (int i = 0; i < SECTION_COUNT; i++)
		if (strcmp(rest, section_name(i)) == 0)
		{
			parse->ended[i] = true;
			return;
		}
	parse->fault = "an unknown section";
}

static void
handle_clock(struct parse *parse, char *rest)
{
	struct clock_mark *mark;
	int			end;

	if (!report_end(parse, report_word(&rest), &end))
		return;
	mark = &parse->report->clock[end];
	if (mark->known)
	{
		parse->fault = "two clock lines for one end";
		return;
	}
	mark->known = report_double(report_word(&rest), &mark->before) &&
		report_double(report_word(&rest), &mark->after);
	if (!mark->known)
		report_status(parse, SECTION_CLOCK, REASON_ERROR, "not a number");
}

static void
handle_stat(struct parse *parse, char *rest)
{
	struct cpu_times *cpu;
	uint64_t   *fields[8];
	int			end;

	if (!report_end(parse, report_word(&rest), &end))
		return;
	cpu = &parse->report->cpu[end];
	if (cpu->known)
	{
		parse->fault = "two stat lines for one end";
		return;
	}
	fields[0] = &cpu->user;
	fields[1] = &cpu->nice;
	fields[2] = &cpu->system;
	fields[3] = &cpu->idle;
	fields[4] = &cpu->iowait;
	fields[5] = &cpu->irq;
	fields[6] = &cpu->softirq;
	fields[7] = &cpu->steal;
	for (int i = 0; i < 8; i++)
	{
		char	   *word = report_word(&rest);

		/* kernels of long ago have fewer fields */
		if (word == NULL && i >= 4)
			break;
		if (!report_u64(word, fields[i]))
		{
			report_status(parse, SECTION_CPU_UTILIZATION, REASON_ERROR, "not a number");
			return;
		}
	}
	cpu->known = true;
}

static const struct line_kind common_lines[] = {
	{"system", handle_system},
	{"boot", handle_boot},
	{"expect", handle_expect},
	{"done", handle_done},
	{"clock", handle_clock},
	{"stat", handle_stat},
	{NULL, NULL}
};

/* --- the frame -------------------------------------------------------------- */

static void
handle_line(struct parse *parse, char *line)
{
	const struct line_kind *const tables[] = {
		common_lines, report_linux_lines, report_gpu_lines, report_macos_lines
	};
	char	   *rest = line;
	char	   *key = report_word(&rest);

	if (key == NULL)
		return;
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct line_kind *kind = tables[t]; kind->key != NULL; kind++)
			if (strcmp(kind->key, key) == 0)
			{
				kind->handle(parse, rest);
				return;
			}
	parse->report->unknown_lines++;
}

/*
 * Copies a line without its end; false where no probe wrote it.  Bytes beyond
 * ASCII come from names and messages: they become '?'.
 */
static bool
copy_line(char *target, const char *text, size_t length)
{
	if (length > MAX_LINE)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = text[i];

		if (c < ' ' || c == 0x7f)
			return false;
		target[i] = c < 0x7f ? (char) c : '?';
	}
	target[length] = '\0';
	return true;
}

static bool
is_line(const char *text, size_t length, const char *line)
{
	return length == strlen(line) && memcmp(text, line, length) == 0;
}

/* Where the opening line ends: what the login shell printed stands before it. */
static const char *
skip_noise(const char *text, const char *limit)
{
	while (text < limit)
	{
		const char *newline = memchr(text, '\n', limit - text);
		size_t		length = (newline ? newline : limit) - text;

		if (newline == NULL)
			return NULL;
		if (is_line(text, length, OPENING))
			return newline + 1;
		text = newline + 1;
	}
	return NULL;
}

static void
finish(struct parse *parse)
{
	struct report *report = parse->report;

	report_status(parse, SECTION_CLOCK, report->clock[1].known ? REASON_NONE : REASON_ABSENT, "");
	report_finish_linux(parse);
	report_finish_gpus(parse);
	report_finish_macos(parse);
	if (report->cpu[1].known || !isnan(report->cpu_utilization_percent))
		report_status(parse, SECTION_CPU_UTILIZATION, REASON_NONE, "");
	else
		report_status(parse, SECTION_CPU_UTILIZATION, REASON_ABSENT, "");
	report_status(parse, SECTION_MEMORY,
				  isnan(report->memory_used_bytes) ? REASON_ABSENT : REASON_NONE, "");
	report_status(parse, SECTION_CPU_TEMPERATURE,
				  report->temperature_count > 0 ? REASON_NONE : REASON_ABSENT, "");
}

static void
parse_init(struct parse *parse, struct report *report)
{
	memset(parse, 0, sizeof(*parse));
	report_init(report);
	parse->report = report;
	parse->nvidia_status = NO_STATUS;
	parse->ipmi_status = NO_STATUS;
	parse->meminfo = (struct meminfo) {NAN, NAN, NAN, NAN, NAN, NAN, NAN};
	parse->vm_stat = (struct vm_stat) {NAN, NAN, NAN, NAN, NAN};
	parse->now = NAN;
	parse->file_time = NAN;
}

enum outcome
report_parse(const char *text, size_t length, struct report *report,
			 char *error, size_t error_size)
{
	const char *limit = text + length;
	const char *start;
	struct parse parse;
	char		line[MAX_LINE + 1];
	int			number = 0;

	report_copy(error, error_size, "");
	parse_init(&parse, report);
	if (length > REPORT_MAX_TEXT)
	{
		snprintf(error, error_size, "the report is longer than %d bytes", REPORT_MAX_TEXT);
		return OUTCOME_REPORT_OVERSIZED;
	}
	start = skip_noise(text, limit);
	if (start == NULL)
	{
		report_copy(error, error_size, "the report has no opening line");
		return OUTCOME_REPORT_INCOMPLETE;
	}

	while (start < limit)
	{
		const char *newline = memchr(start, '\n', limit - start);

		if (newline == NULL)
			break;				/* cut short */
		number++;
		if (is_line(start, newline - start, "end"))
		{
			finish(&parse);
			return OUTCOME_READ;
		}
		if (is_line(start, newline - start, OPENING))
			parse.fault = "a second opening line";
		else if (!copy_line(line, start, newline - start))
			parse.fault = "a control character or an endless line";
		else
			handle_line(&parse, line);
		if (parse.fault != NULL)
		{
			snprintf(error, error_size, "line %d of the report has %s", number, parse.fault);
			report_init(report);
			return OUTCOME_REPORT_GARBLED;
		}
		start = newline + 1;
	}
	snprintf(error, error_size, "the report ends after %d lines, without its closing line", number);
	report_init(report);
	return OUTCOME_REPORT_INCOMPLETE;
}

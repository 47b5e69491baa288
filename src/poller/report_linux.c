/*
 * report_linux.c: energy counters, temperatures, memory and whole-machine
 * power of a report, as Linux (and FreeBSD) show them.
 */
#include "report_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* zone PATH RANGE NAME */
static void
handle_zone(struct parse *parse, char *rest)
{
	struct report *report = parse->report;
	struct rapl_zone *zone;
	char	   *path = report_word(&rest);
	char	   *range = report_word(&rest);

	if (path == NULL || range == NULL || *rest == '\0' || strlen(path) > REPORT_MAX_NAME)
	{
		parse->fault = "a zone without its path, range or name";
		return;
	}
	for (int i = 0; i < report->zone_count; i++)
		if (strcmp(report->zones[i].path, path) == 0)
		{
			parse->fault = "one zone twice";
			return;
		}
	if (report->zone_count >= REPORT_MAX_ZONES)
	{
		report_status(parse, SECTION_RAPL, REASON_INCOMPLETE, "too many zones");
		return;
	}
	zone = &report->zones[report->zone_count++];
	report_copy(zone->path, sizeof(zone->path), path);
	report_copy(zone->name, sizeof(zone->name), rest);
	/* a missing or odd range is 0: then no wrap can be resolved */
	if (!report_u64(range, &zone->range_uj))
		zone->range_uj = 0;
}

/* energy END PATH MICROJOULES | absent | denied | error */
static void
handle_energy(struct parse *parse, char *rest)
{
	struct report *report = parse->report;
	struct rapl_zone *zone = NULL;
	char	   *path;
	char	   *value;
	int			end;

	if (!report_end(parse, report_word(&rest), &end))
		return;
	path = report_word(&rest);
	value = report_word(&rest);
	for (int i = 0; path != NULL && i < report->zone_count; i++)
		if (strcmp(report->zones[i].path, path) == 0)
			zone = &report->zones[i];
	if (zone == NULL || value == NULL)
	{
		if (report->zone_count < REPORT_MAX_ZONES || value == NULL)
			parse->fault = "energy of no known zone";
		return;
	}
	if (zone->known[end])
	{
		parse->fault = "one zone's energy twice";
		return;
	}
	zone->known[end] = report_u64(value, &zone->energy_uj[end]);
	if (!zone->known[end])
		report_status(parse, SECTION_RAPL,
					  strcmp(value, "denied") == 0 ? REASON_DENIED : REASON_ERROR, path);
}

static void
add_temperature(struct parse *parse, char *rest, double unit)
{
	struct report *report = parse->report;
	char	   *source = report_word(&rest);
	char	   *word = report_word(&rest);
	double		value;

	if (source == NULL || word == NULL)
	{
		parse->fault = "a temperature without its source or value";
		return;
	}
	if (report_double(word, &value))
		report_add_sensor(report->temperatures, &report->temperature_count, source, rest,
						  value * unit);
}

/* temperature SOURCE MILLIDEGREES LABEL */
static void
handle_temperature(struct parse *parse, char *rest)
{
	add_temperature(parse, rest, 0.001);
}

static void
handle_celsius(struct parse *parse, char *rest)
{
	add_temperature(parse, rest, 1);
}

static void
handle_meminfo(struct parse *parse, char *rest)
{
	struct
	{
		const char *name;
		double	   *value;
	}			known[] = {
		{"MemTotal", &parse->meminfo.total},
		{"MemAvailable", &parse->meminfo.available},
		{"MemFree", &parse->meminfo.free},
		{"Buffers", &parse->meminfo.buffers},
		{"Cached", &parse->meminfo.cached},
		{"SReclaimable", &parse->meminfo.reclaimable},
		{"Shmem", &parse->meminfo.shared},
	};
	char	   *name = report_word(&rest);

	if (name == NULL)
	{
		parse->fault = "a meminfo line without its name";
		return;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].name, name) == 0 &&
			!report_double(report_word(&rest), known[i].value))
			report_status(parse, SECTION_MEMORY, REASON_ERROR, "not a number");
}

/* memory_bytes USED TOTAL */
static void
handle_memory_bytes(struct parse *parse, char *rest)
{
	double		used;
	double		total;

	if (report_double(report_word(&rest), &used) && report_double(report_word(&rest), &total))
	{
		parse->report->memory_used_bytes = used;
		parse->report->memory_total_bytes = total;
	}
	else
		report_status(parse, SECTION_MEMORY, REASON_ERROR, "not a number");
}

/* --- the whole machine ------------------------------------------------------ */

static void
add_platform(struct parse *parse, const char *source, const char *label, double watts)
{
	report_add_sensor(parse->report->platform, &parse->report->platform_count,
					  source, label, watts);
}

/* power_meter MICROWATTS FILE */
static void
handle_power_meter(struct parse *parse, char *rest)
{
	char	   *word = report_word(&rest);
	double		value;

	if (report_double(word, &value))
		add_platform(parse, "power_meter", rest, value / 1e6);
	else
		report_status(parse, SECTION_PLATFORM,
					  word != NULL && strcmp(word, "denied") == 0 ? REASON_DENIED : REASON_ERROR,
					  "power_meter");
}

/* battery NAME STATUS MICROWATTS MICROAMPERES MICROVOLTS, "-" where unknown */
static void
handle_battery(struct parse *parse, char *rest)
{
	char	   *name = report_word(&rest);
	char	   *status = report_word(&rest);
	double		power;
	double		current;
	double		voltage;

	if (status == NULL)
	{
		parse->fault = "a battery without its status";
		return;
	}
	/* on mains, power_now is what goes into the battery */
	if (strcmp(status, "Discharging") != 0)
		return;
	if (report_double(report_word(&rest), &power))
		add_platform(parse, "battery", name, fabs(power) / 1e6);
	else if (report_double(report_word(&rest), &current) &&
			 report_double(report_word(&rest), &voltage))
		add_platform(parse, "battery", name, fabs(current) / 1e6 * voltage / 1e6);
}

/* ipmi "    Instantaneous power reading:                   220 Watts" */
static void
handle_ipmi(struct parse *parse, char *rest)
{
	const char *key = "Instantaneous power reading:";
	double		watts;

	if (strncmp(rest, key, strlen(key)) == 0)
	{
		rest += strlen(key);
		if (report_double(report_word(&rest), &watts))
			add_platform(parse, "ipmi_dcmi", "", watts);
	}
	else if (parse->ipmi_text[0] == '\0')
		report_copy(parse->ipmi_text, sizeof(parse->ipmi_text), rest);
}

static void
handle_ipmi_exit(struct parse *parse, char *rest)
{
	uint64_t	status;

	if (strcmp(rest, "denied") == 0)
		parse->ipmi_denied = true;
	else if (report_u64(rest, &status) && status < 256)
		parse->ipmi_status = (int) status;
	else
		parse->fault = "no exit status of ipmitool";
}

static void
handle_nut(struct parse *parse, char *rest)
{
	double		watts;

	if (report_double(report_word(&rest), &watts))
		add_platform(parse, "nut", "", watts);
}

const struct line_kind report_linux_lines[] = {
	{"zone", handle_zone},
	{"energy", handle_energy},
	{"temperature", handle_temperature},
	{"celsius", handle_celsius},
	{"meminfo", handle_meminfo},
	{"memory_bytes", handle_memory_bytes},
	{"power_meter", handle_power_meter},
	{"battery", handle_battery},
	{"ipmi", handle_ipmi},
	{"ipmi_exit", handle_ipmi_exit},
	{"nut", handle_nut},
	{NULL, NULL}
};

/* --- once all lines are in -------------------------------------------------- */

static double
or_zero(double value)
{
	return isnan(value) ? 0 : value;
}

static void
finish_memory(struct parse *parse)
{
	const struct meminfo *m = &parse->meminfo;
	double		available = m->available;

	if (isnan(m->total))
		return;
	/* kernels before 3.14 leave the sum to us */
	if (isnan(available))
		available = m->free + or_zero(m->buffers) + or_zero(m->cached) +
			or_zero(m->reclaimable) - or_zero(m->shared);
	parse->report->memory_total_bytes = m->total * 1024;
	parse->report->memory_used_bytes = (m->total - available) * 1024;
}

static void
finish_platform(struct parse *parse)
{
	const char *text = parse->ipmi_text;
	bool		has_dcmi = false;

	for (int i = 0; i < parse->report->platform_count; i++)
		if (strcmp(parse->report->platform[i].source, "ipmi_dcmi") == 0)
			has_dcmi = true;

	if (parse->expected[SECTION_PLATFORM] && !parse->ended[SECTION_PLATFORM])
		report_status(parse, SECTION_PLATFORM, REASON_TIMEOUT, "");
	if (parse->ipmi_denied || strstr(text, "ermission denied") != NULL ||
		strstr(text, "nsufficient privilege") != NULL)
		report_status(parse, SECTION_PLATFORM, REASON_DENIED, text[0] ? text : "/dev/ipmi0");
	else if (parse->ipmi_status == 124 || parse->ipmi_status == 137 || parse->ipmi_status == 142)
		report_status(parse, SECTION_PLATFORM, REASON_TIMEOUT, "ipmitool");
	else if (parse->ipmi_status > 0 && strstr(text, "nvalid command") == NULL &&
			 strstr(text, "not support") == NULL && strstr(text, "ould not open device") == NULL)
		report_status(parse, SECTION_PLATFORM, REASON_ERROR, text);
	else if (parse->ipmi_status != NO_STATUS && !has_dcmi)
		report_status(parse, SECTION_PLATFORM, REASON_ABSENT, text);	/* no such BMC */
	else if (parse->report->platform_count == 0)
		report_status(parse, SECTION_PLATFORM, REASON_ABSENT, "");
	else
		report_status(parse, SECTION_PLATFORM, REASON_NONE, "");
}

void
report_finish_linux(struct parse *parse)
{
	report_status(parse, SECTION_RAPL,
				  parse->report->zone_count == 0 ? REASON_ABSENT : REASON_NONE, "");
	finish_memory(parse);
	finish_platform(parse);
}

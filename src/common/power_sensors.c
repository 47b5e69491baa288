/*
 * power_sensors.c: what needs no energy: the CPU's temperature by the right
 * sensor, its utilisation, and the whole machine's power by the best source.
 */
#include "power_internal.h"

#include <math.h>
#include <string.h>
#include <strings.h>

static bool
begins(const char *text, const char *start)
{
	return strncasecmp(text, start, strlen(start)) == 0;
}

/*
 * How good a sensor is for the CPU's temperature; the lowest is best, 0 is not
 * the CPU's at all.  hwmon numbers change at every boot: only names count.
 */
static int
temperature_rank(const struct sensor *sensor)
{
	if (strcmp(sensor->source, "coretemp") == 0)
		return begins(sensor->label, "Package id") || begins(sensor->label, "Physical id") ? 1 : 2;
	if (strcmp(sensor->source, "k10temp") == 0 || strcmp(sensor->source, "zenpower") == 0)
		return strcmp(sensor->label, "Tdie") == 0 ? 3 : strcmp(sensor->label, "Tctl") == 0 ? 4 :
			sensor->label[0] == '\0' ? 5 : 0;
	if (begins(sensor->source, "cpu_thermal") || begins(sensor->source, "cpu-thermal"))
		return 6;
	if (strcmp(sensor->source, "macmon") == 0 || strcmp(sensor->source, "sysctl") == 0)
		return 6;
	if (strcmp(sensor->source, "thermal") == 0)
	{
		if (begins(sensor->label, "cpu"))
			return 6;
		if (begins(sensor->label, "soc"))
			return 7;
		if (strcmp(sensor->label, "x86_pkg_temp") == 0)
			return 8;
		if (begins(sensor->label, "acpitz"))
			return 9;
	}
	if (strcmp(sensor->source, "acpitz") == 0)
		return 9;
	return 0;
}

double
power_cpu_temperature(const struct report *report, enum problem_reason *reason)
{
	double		best = NAN;
	int			best_rank = 0;
	bool		seen = false;

	for (int i = 0; i < report->temperature_count; i++)
	{
		const struct sensor *sensor = &report->temperatures[i];
		int			rank = temperature_rank(sensor);

		if (rank == 0)
			continue;
		seen = true;
		/* -44 and 8.3 occur on acpitz, and a stray 120 and more on boards */
		if (!(sensor->value >= 5 && sensor->value <= 125))
			continue;
		if (best_rank == 0 || rank < best_rank || (rank == best_rank && sensor->value > best))
		{
			best = sensor->value;
			best_rank = rank;
		}
	}

	*reason = REASON_NONE;
	if (isnan(best))
	{
		*reason = report->sections[SECTION_CPU_TEMPERATURE].reason;
		if (seen)
			*reason = REASON_IMPLAUSIBLE;
		else if (*reason == REASON_NONE)
			*reason = REASON_ABSENT;
	}
	return best;
}

/* A field may run back (iowait does): that is no time, not negative time. */
static double
spent(uint64_t from, uint64_t to)
{
	return to > from ? (double) (to - from) : 0;
}

double
power_cpu_utilization(const struct cpu_times *from, const struct cpu_times *to)
{
	double		idle = spent(from->idle, to->idle) + spent(from->iowait, to->iowait);
	double		total = idle + spent(from->user, to->user) + spent(from->nice, to->nice) +
		spent(from->system, to->system) + spent(from->irq, to->irq) +
		spent(from->softirq, to->softirq) + spent(from->steal, to->steal);

	if (total <= 0)
		return NAN;
	return 100 * (total - idle) / total;
}

/* Best first: what measures the whole machine and nothing else. */
static int
platform_rank(const char *source)
{
	static const char *const order[] = {
		"ipmi_dcmi", "power_meter", "battery", "psys", "macmon", "nut"
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (strcmp(source, order[i]) == 0)
			return i + 1;
	return 0;
}

double
power_platform(const struct power_context *context, const struct report *report,
			   const struct rapl_reading *rapl, enum problem_reason *reason)
{
	double		ceiling = context->max_watts > 0 ? context->max_watts :
		DEVICE_MAX_WATTS * (1 + rapl->packages + report->gpu_count);
	double		best = NAN;
	double		battery = NAN;
	int			best_rank = 0;
	bool		seen = false;

	if (rapl->psys_watts > 0 && rapl->psys_watts <= ceiling)
	{
		best = rapl->psys_watts;
		best_rank = platform_rank("psys");
	}

	for (int i = 0; i < report->platform_count; i++)
	{
		const struct sensor *sensor = &report->platform[i];
		int			rank = platform_rank(sensor->source);

		if (rank == 0)
			continue;
		seen = true;
		/* 0 is what a meter says that has none, as are absurd values */
		if (!(sensor->value > 0 && sensor->value <= ceiling))
			continue;
		/* a laptop may discharge two batteries at once */
		if (strcmp(sensor->source, "battery") == 0)
			battery = isnan(battery) ? sensor->value : battery + sensor->value;
		if (best_rank == 0 || rank < best_rank || (rank == best_rank && sensor->value > best))
		{
			best = sensor->value;
			best_rank = rank;
		}
	}
	if (best_rank == platform_rank("battery"))
		best = battery;

	*reason = REASON_NONE;
	if (isnan(best))
	{
		*reason = report->sections[SECTION_PLATFORM].reason;
		if (seen)
			*reason = REASON_IMPLAUSIBLE;
		else if (*reason == REASON_NONE || *reason == REASON_DENIED)
			*reason = REASON_ABSENT;	/* a column nobody promised: raw_data
										 * says who denied it */
	}
	return best;
}

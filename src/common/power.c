/*
 * power.c: puts a reading together: where it lies in time, the parts (CPU by
 * power_rapl.c, GPUs and Macs by power_gpu.c, the rest by power_sensors.c), what
 * the node's type promises, and the totals.
 *
 * Time is the node's uptime.  On Linux that is /proc/uptime, which goes on
 * through a suspend, so a nap counts as time at (nearly) no power, and a step of
 * the wall clock changes nothing.
 */
#include "power_internal.h"

#include <math.h>
#include <string.h>

/* Below this, two readings are one moment: the later one carries no energy. */
#define SAME_MOMENT 0.05

/* Below this, watts over the interval would be mostly the clock's error. */
#define BRIEF 0.8

double
power_device_ceiling(const struct power_context *context)
{
	return context->max_watts > 0 ? context->max_watts : DEVICE_MAX_WATTS;
}

static void
add_problem(struct reading *reading, enum section section, enum problem_reason reason)
{
	if (reason == REASON_NONE || reading->problem_count >= READING_MAX_PROBLEMS)
		return;
	for (int i = 0; i < reading->problem_count; i++)
		if (reading->problems[i].section == section)
			return;
	reading->problems[reading->problem_count].section = section;
	reading->problems[reading->problem_count].reason = reason;
	reading->problem_count++;
}

static bool
mark_is_sane(const struct clock_mark *mark)
{
	return mark->known && mark->before >= 0 && mark->after >= mark->before && mark->after < 1e12;
}

static double
total_jiffies(const struct cpu_times *cpu)
{
	return (double) cpu->user + cpu->nice + cpu->system + cpu->idle + cpu->iowait +
		cpu->irq + cpu->softirq + cpu->steal;
}

/*
 * Whether the machine slept since the previous reading: /proc/stat counts
 * only time awake.  The window tells how fast it counts.
 */
static bool
has_slept(const struct report *report, const struct power_state *previous, const struct span *span)
{
	double		window;
	double		awake;

	if (!report->cpu[0].known || !report->cpu[1].known || !previous->cpu.known)
		return false;
	window = total_jiffies(&report->cpu[1]) - total_jiffies(&report->cpu[0]);
	awake = total_jiffies(&report->cpu[1]) - total_jiffies(&previous->cpu);
	if (!(window >= 20) || !(awake >= window) || !(span->window > 0))
		return false;
	awake = awake / window * span->window;
	return awake < span->since * 0.9 && span->since - awake > 10;
}

/* False: the report is not newer than the previous reading. */
static bool
find_span(const struct power_context *context, const struct report *report,
		  const struct power_state *previous, struct span *span, bool *rebooted)
{
	const struct clock_mark *from = &report->clock[0];
	const struct clock_mark *to = &report->clock[1];
	bool		ids_known = report->boot_id[0] != '\0' && previous->boot_id[0] != '\0';
	double		start,
				doubt;

	memset(span, 0, sizeof(*span));
	span->window = NAN;
	span->since = NAN;
	span->now = NAN;
	*rebooted = previous->known && ids_known && strcmp(report->boot_id, previous->boot_id) != 0;

	if (!mark_is_sane(to))
		return true;
	span->clock = true;
	span->now = (to->before + to->after) / 2;

	if (mark_is_sane(from))
	{
		start = (from->before + from->after) / 2;
		doubt = (from->after - from->before) / 2 + (to->after - to->before) / 2;
		if (span->now - start > 0 && doubt <= (span->now - start) / 10)
			span->window = span->now - start;
	}

	if (!previous->known || *rebooted)
		return true;
	if (span->now - previous->uptime < SAME_MOMENT)
	{
		/* Time never runs back within a boot: without ids, it was a reboot. */
		if (ids_known || span->now > previous->uptime - 2 * SAME_MOMENT)
			return false;
		*rebooted = true;
		return true;
	}
	span->follows = true;
	span->since = span->now - previous->uptime;
	span->brief = span->since < BRIEF;
	span->gap = span->since > GAP_INTERVALS * context->poll_interval;
	span->slept = has_slept(report, previous, span);
	return true;
}

static void
reading_init(struct reading *reading)
{
	memset(reading, 0, sizeof(*reading));
	reading->cpu_power_watts = NAN;
	reading->cpu_temp_celsius = NAN;
	reading->cpu_utilization = NAN;
	reading->gpu_power_watts = NAN;
	reading->gpu_temp_celsius = NAN;
	reading->gpu_utilization = NAN;
	reading->memory_used_gib = NAN;
	reading->memory_total_gib = NAN;
	reading->dram_power_watts = NAN;
	reading->platform_power_watts = NAN;
	reading->total_power_watts = NAN;
	reading->interval_seconds = NAN;
	reading->energy_joules = NAN;
}

static bool
is_expected(enum node_type type, enum node_system system, enum section section)
{
	bool		linux_type = type == NODE_LINUX_INTEL || type == NODE_LINUX_NVIDIA ||
		type == NODE_LINUX_AMD;

	switch (section)
	{
		case SECTION_CLOCK:
		case SECTION_CPU_UTILIZATION:
		case SECTION_MEMORY:
		case SECTION_CPU_TEMPERATURE:
			return type != NODE_AUTO;
		case SECTION_RAPL:
			return linux_type;
		case SECTION_NVIDIA:
			return type == NODE_LINUX_NVIDIA;
		case SECTION_AMDGPU:
			return type == NODE_LINUX_AMD;
		case SECTION_POWERMETRICS:
			/* every Mac can have it, it only wants setting up */
			return type == NODE_MACOS || (type == NODE_AUTO && system == SYSTEM_MACOS);
		default:
			return false;
	}
}

/* Notes why a section gave no number; what the node cannot have is none. */
static void
judge(struct reading *reading, const struct power_context *context, const struct report *report,
	  enum section section, enum problem_reason reason)
{
	if (reason == REASON_ABSENT && !is_expected(context->type, report->system, section))
		return;
	add_problem(reading, section, reason);
}

static void
read_vitals(const struct power_context *context, const struct report *report,
			const struct power_state *previous, const struct span *span, struct reading *reading)
{
	const double gib = 1024.0 * 1024 * 1024;
	enum problem_reason reason;

	reading->cpu_temp_celsius = power_cpu_temperature(report, &reason);
	judge(reading, context, report, SECTION_CPU_TEMPERATURE, reason);

	if (report->cpu[1].known)
	{
		if (span->follows && !span->brief && previous->cpu.known)
			reading->cpu_utilization = power_cpu_utilization(&previous->cpu, &report->cpu[1]);
		if (isnan(reading->cpu_utilization) && report->cpu[0].known)
			reading->cpu_utilization = power_cpu_utilization(&report->cpu[0], &report->cpu[1]);
	}
	else if (report->cpu_utilization_percent >= 0 && report->cpu_utilization_percent <= 100)
		reading->cpu_utilization = report->cpu_utilization_percent;
	reason = report->sections[SECTION_CPU_UTILIZATION].reason;
	if (isnan(reading->cpu_utilization))
		judge(reading, context, report, SECTION_CPU_UTILIZATION,
			  reason != REASON_NONE ? reason : report->cpu[1].known ? REASON_ERROR : REASON_ABSENT);

	if (report->memory_total_bytes > 0 && report->memory_total_bytes < 1e18)
	{
		reading->memory_total_gib = report->memory_total_bytes / gib;
		if (report->memory_used_bytes >= 0 &&
			report->memory_used_bytes <= report->memory_total_bytes)
			reading->memory_used_gib = report->memory_used_bytes / gib;
	}
	reason = report->sections[SECTION_MEMORY].reason;
	if (isnan(reading->memory_used_gib))
		judge(reading, context, report, SECTION_MEMORY,
			  reason != REASON_NONE ? reason :
			  isnan(report->memory_total_bytes) ? REASON_ABSENT : REASON_ERROR);
}

static void
add_part(struct part *sum, const struct part *part)
{
	sum->watts += part->watts;
	sum->joules += part->joules;
	sum->by_window |= part->by_window;
	sum->sampled |= part->sampled;
}

/* The parts that make up the node's total; false if an expected one is missing. */
static bool
read_power(const struct power_context *context, const struct report *report,
		   const struct power_state *previous, const struct span *span,
		   struct reading *reading, struct part *sum, struct power_state *next)
{
	struct rapl_reading rapl;
	struct gpu_reading gpus;
	struct part mac;
	enum problem_reason mac_reason;
	enum problem_reason platform_reason;
	bool		whole;

	power_rapl(context, report, previous, span, &rapl, next);
	power_gpus(context, report, previous, span, &gpus, next);

	judge(reading, context, report, SECTION_RAPL, rapl.reason);
	judge(reading, context, report, SECTION_NVIDIA, gpus.nvidia);
	judge(reading, context, report, SECTION_AMDGPU, gpus.amd);
	judge(reading, context, report, SECTION_INTEL_GPU, gpus.intel);
	reading->gpu_power_watts = gpus.watts;
	reading->gpu_temp_celsius = gpus.temperature;
	reading->gpu_utilization = gpus.utilization;

	memset(sum, 0, sizeof(*sum));
	if (report->system == SYSTEM_MACOS)
	{
		power_powermetrics(context, report, previous, span, reading, &mac, &mac_reason, next);
		add_part(sum, &mac);
		whole = context->type == NODE_AUTO || context->type == NODE_MACOS;
	}
	else
	{
		mac_reason = REASON_ABSENT;
		reading->cpu_power_watts = rapl.cpu.watts;
		reading->dram_power_watts = rapl.dram_watts;
		if (!isnan(rapl.dram_watts))
			sum->watts = rapl.dram_watts;
		add_part(sum, &rapl.cpu);
		add_part(sum, &gpus.discrete);
		whole = !rapl.missing && !gpus.missing &&
			!(is_expected(context->type, report->system, SECTION_NVIDIA) && gpus.nvidia == REASON_ABSENT) &&
			!(is_expected(context->type, report->system, SECTION_AMDGPU) && gpus.amd == REASON_ABSENT) &&
			context->type != NODE_MACOS;
	}
	judge(reading, context, report, SECTION_POWERMETRICS, mac_reason);

	reading->platform_power_watts = power_platform(context, report, &rapl, &platform_reason);
	judge(reading, context, report, SECTION_PLATFORM, platform_reason);

	if (whole && context->max_watts > 0 && sum->watts > context->max_watts)
	{
		/* each part is believable, together they are not: blame the largest */
		add_problem(reading,
					report->system == SYSTEM_MACOS ? SECTION_POWERMETRICS :
					rapl.cpu.watts >= gpus.discrete.watts ? SECTION_RAPL :
					report->gpus[0].vendor == GPU_AMD ? SECTION_AMDGPU :
					report->gpus[0].vendor == GPU_INTEL ? SECTION_INTEL_GPU : SECTION_NVIDIA,
					REASON_IMPLAUSIBLE);
		whole = false;
	}
	return whole && !isnan(sum->watts);
}

void
power_compute(const struct power_context *context, const struct report *report,
			  const struct power_state *previous, struct reading *reading,
			  struct power_state *next, bool *newer)
{
	struct span span;
	struct part sum;

	reading_init(reading);
	memset(next, 0, sizeof(*next));
	next->sampled_watts = NAN;

	*newer = find_span(context, report, previous, &span, &reading->rebooted);
	if (!span.clock)
		judge(reading, context, report, SECTION_CLOCK,
			  report->clock[1].known ? REASON_ERROR : REASON_ABSENT);
	else if (isnan(span.window) && !span.follows && report->zone_count > 0)
		add_problem(reading, SECTION_CLOCK,
					report->clock[0].known ? REASON_IMPLAUSIBLE : REASON_INCOMPLETE);

	if (read_power(context, report, previous, &span, reading, &sum, next))
	{
		reading->total_power_watts = sum.watts;
		reading->energy_joules = sum.joules;
	}
	read_vitals(context, report, previous, &span, reading);

	reading->interval_seconds = span.follows ? span.since : span.window;
	if (!*newer || !span.clock)
		reading->energy_joules = NAN;
	if (!isnan(reading->energy_joules))
		reading->energy_quality = !span.follows || sum.by_window ? ENERGY_WINDOW :
			sum.sampled ? ENERGY_SAMPLED : ENERGY_COUNTER;

	/* Without a clock, or out of order, the next delta starts where this did. */
	if (!*newer || !span.clock)
	{
		*next = *previous;
		return;
	}
	next->known = true;
	strcpy(next->boot_id, report->boot_id);
	next->uptime = span.now;
	next->cpu = report->cpu[1];
}

/*
 * power_gpu.c: GPUs, and the Mac's powermetrics: mostly samples of power, which
 * become energy by trapezoid; Intel's cards have a counter.
 *
 * A GPU that is there but gives no power makes the sum unknown, never smaller.
 * One that was seen since the node's boot and has gone (fallen off the bus,
 * handed to a virtual machine) still draws power: it is remembered, and is
 * missing until the node restarts or it is back.
 */
#include "power_internal.h"

#include <math.h>
#include <string.h>

double
power_trapezoid(const struct span *span, bool known_before, double before, double now)
{
	if (!span->follows)
		return now * span->window;
	if (span->gap || !known_before)
		return NAN;
	return (before + now) / 2 * span->since;
}

static const char *
state_id(const struct gpu *gpu)
{
	return gpu->bus_id[0] != '\0' ? gpu->bus_id : gpu->id;
}

/* What one GPU adds; reason where its watts are not known. */
static enum problem_reason
read_gpu(const struct gpu *gpu, const struct power_state *previous, const struct span *span,
		 double ceiling, struct part *part)
{
	int			before = -1;
	double		joules;

	part->watts = gpu->power_watts;
	part->joules = NAN;
	part->by_window = false;
	part->sampled = true;

	for (int i = 0; span->follows && i < previous->gpu_count; i++)
		if (previous->gpus[i].vendor == gpu->vendor &&
			strcmp(previous->gpus[i].id, state_id(gpu)) == 0)
			before = i;

	if (gpu->has_energy)
	{
		part->sampled = false;
		part->watts = NAN;
		if (gpu->energy_uj[1] >= gpu->energy_uj[0])
			part->watts = (gpu->energy_uj[1] - gpu->energy_uj[0]) / 1e6 / span->window;
		part->by_window = before < 0;
		if (before >= 0 && previous->gpus[before].has_energy &&
			gpu->energy_uj[1] >= previous->gpus[before].energy_uj)
		{
			joules = (gpu->energy_uj[1] - previous->gpus[before].energy_uj) / 1e6;
			if (joules > ceiling * (span->since + 1))
				return REASON_IMPLAUSIBLE;
			part->joules = joules;
			if (!span->brief || isnan(part->watts))
				part->watts = joules / span->since;
		}
		else if (!span->follows)
			part->joules = part->watts * span->window;
		else if (!span->gap)
		{
			part->joules = part->watts * span->since;
			part->by_window = true;
		}
	}
	else if (gpu->reason == REASON_ASLEEP)
	{
		part->watts = 0;
		part->joules = power_trapezoid(span, before >= 0 && !isnan(previous->gpus[before].power_watts),
									   before >= 0 ? previous->gpus[before].power_watts : NAN, 0);
		return REASON_ASLEEP;
	}
	else
		part->joules = power_trapezoid(span, before >= 0,
									   before >= 0 ? previous->gpus[before].power_watts : NAN,
									   part->watts);

	if (isnan(part->watts))
		return gpu->reason == REASON_NONE || gpu->reason == REASON_ABSENT
			? REASON_INCOMPLETE : gpu->reason;
	if (part->watts < 0 || part->watts > ceiling)
	{
		part->watts = NAN;
		part->joules = NAN;
		return REASON_IMPLAUSIBLE;
	}
	return REASON_NONE;
}

static void
remember_gpu(const struct gpu *gpu, double watts, struct power_state *next)
{
	int			n = next->gpu_count;

	if (n >= REPORT_MAX_GPUS)
		return;
	strcpy(next->gpus[n].id, state_id(gpu));
	next->gpus[n].vendor = gpu->vendor;
	next->gpus[n].power_watts = watts;
	next->gpus[n].has_energy = gpu->has_energy;
	next->gpus[n].energy_uj = gpu->energy_uj[1];
	next->gpu_count++;
}

/* GPUs seen since the boot that this report lacks: kept, and said. */
static void
keep_lost(const struct power_state *previous, struct gpu_reading *gpus,
		  enum problem_reason *reasons, struct power_state *next)
{
	int			found = next->gpu_count;

	for (int i = 0; i < previous->gpu_count; i++)
	{
		bool		lost = true;

		for (int j = 0; j < found; j++)
			if (next->gpus[j].vendor == previous->gpus[i].vendor &&
				strcmp(next->gpus[j].id, previous->gpus[i].id) == 0)
				lost = false;
		if (!lost)
			continue;
		gpus->missing = true;
		if (reasons[previous->gpus[i].vendor] == REASON_NONE ||
			reasons[previous->gpus[i].vendor] == REASON_ABSENT)
			reasons[previous->gpus[i].vendor] = REASON_INCOMPLETE;
		if (next->gpu_count < REPORT_MAX_GPUS)
		{
			next->gpus[next->gpu_count] = previous->gpus[i];
			next->gpus[next->gpu_count].power_watts = NAN;
			next->gpus[next->gpu_count].has_energy = false;
			next->gpu_count++;
		}
	}
}

void
power_gpus(const struct power_context *context, const struct report *report,
		   const struct power_state *previous, const struct span *span,
		   struct gpu_reading *gpus, struct power_state *next)
{
	double		ceiling = power_device_ceiling(context);
	enum problem_reason reasons[GPU_APPLE + 1] = {0};
	int			counted[GPU_APPLE + 1] = {0};
	int			unknown[GPU_APPLE + 1] = {0};
	double		utilization = 0;
	int			utilizations = 0;
	int			awake = 0;

	memset(gpus, 0, sizeof(*gpus));
	gpus->temperature = NAN;

	reasons[GPU_NVIDIA] = report->sections[SECTION_NVIDIA].reason;
	reasons[GPU_AMD] = report->sections[SECTION_AMDGPU].reason;
	reasons[GPU_INTEL] = report->sections[SECTION_INTEL_GPU].reason;

	/* A source that failed leaves its GPUs unknown. */
	for (int vendor = GPU_NVIDIA; vendor <= GPU_INTEL; vendor++)
		if (reasons[vendor] != REASON_NONE && reasons[vendor] != REASON_ABSENT &&
			reasons[vendor] != REASON_ASLEEP)
			gpus->missing = true;

	for (int i = 0; i < report->gpu_count; i++)
	{
		const struct gpu *gpu = &report->gpus[i];
		struct part part;
		enum problem_reason reason;

		if (gpu->temperature_celsius > 0 && gpu->temperature_celsius <= 125 &&
			!(gpu->temperature_celsius <= gpus->temperature))
			gpus->temperature = gpu->temperature_celsius;
		if (gpu->utilization_percent >= 0 && gpu->utilization_percent <= 100)
		{
			utilization += gpu->utilization_percent;
			utilizations++;
		}
		if (gpu->vendor == GPU_APPLE)
			continue;			/* its power is powermetrics' */

		reason = read_gpu(gpu, previous, span, ceiling, &part);
		counted[gpu->vendor]++;
		if (reason == REASON_ASLEEP)
		{
			if (reasons[gpu->vendor] == REASON_NONE)
				reasons[gpu->vendor] = REASON_ASLEEP;
		}
		else
		{
			awake++;
			gpus->watts += part.watts;
			if (reason != REASON_NONE)
			{
				unknown[gpu->vendor]++;
				reasons[gpu->vendor] = reason;
			}
		}
		if (gpu->integrated)
			continue;
		remember_gpu(gpu, part.watts, next);
		if (reason != REASON_NONE && reason != REASON_ASLEEP)
			gpus->missing = true;
		gpus->discrete.watts += part.watts;
		gpus->discrete.joules += part.joules;
		gpus->discrete.by_window |= part.by_window;
		gpus->discrete.sampled |= part.sampled;
	}

	for (int vendor = GPU_NVIDIA; vendor <= GPU_INTEL; vendor++)
	{
		if (unknown[vendor] > 0 && unknown[vendor] < counted[vendor])
			reasons[vendor] = REASON_INCOMPLETE;
		if (counted[vendor] == 0 && reasons[vendor] == REASON_NONE)
			reasons[vendor] = REASON_ABSENT;
	}
	if (previous->known && span->follows)
		keep_lost(previous, gpus, reasons, next);

	if (awake == 0 || gpus->missing)
		gpus->watts = NAN;
	gpus->utilization = utilizations > 0 ? utilization / utilizations : NAN;
	gpus->nvidia = reasons[GPU_NVIDIA];
	gpus->amd = reasons[GPU_AMD];
	gpus->intel = reasons[GPU_INTEL];
}

/* --- the Mac ---------------------------------------------------------------- */

/* How often the spec's helper writes its file, which does not say so itself. */
#define POWERMETRICS_INTERVAL 300.0

static double
believable(double watts, double ceiling, bool *implausible)
{
	if (isnan(watts))
		return NAN;
	if (watts >= 0 && watts <= ceiling)
		return watts;
	*implausible = true;
	return NAN;
}

void
power_powermetrics(const struct power_context *context, const struct report *report,
				   const struct power_state *previous, const struct span *span,
				   struct reading *reading, struct part *part,
				   enum problem_reason *reason, struct power_state *next)
{
	double		ceiling = power_device_ceiling(context);
	double		interval = report->powermetrics_interval_seconds;
	double		combined;
	bool		implausible = false;

	part->watts = NAN;
	part->joules = NAN;
	part->by_window = false;
	part->sampled = true;

	*reason = report->sections[SECTION_POWERMETRICS].reason;
	if (*reason == REASON_NONE && !report->sections[SECTION_POWERMETRICS].present)
		*reason = REASON_ABSENT;
	if (*reason != REASON_NONE)
		return;

	interval = fmax(context->poll_interval,
					interval > 0 && interval <= 3600 ? interval : POWERMETRICS_INTERVAL);
	if (!(report->powermetrics_age_seconds <= 2 * interval &&
		  report->powermetrics_age_seconds >= -interval))
	{
		*reason = REASON_STALE;
		return;
	}

	reading->cpu_power_watts = believable(report->powermetrics_cpu_watts, ceiling, &implausible);
	reading->gpu_power_watts = believable(report->powermetrics_gpu_watts, ceiling, &implausible);
	reading->dram_power_watts = believable(report->powermetrics_dram_watts, ceiling, &implausible);
	combined = believable(report->powermetrics_combined_watts, ceiling, &implausible);

	part->watts = !isnan(report->powermetrics_combined_watts) ? combined
		: reading->cpu_power_watts + reading->gpu_power_watts;
	if (implausible)
		*reason = REASON_IMPLAUSIBLE;
	else if (isnan(part->watts))
		*reason = REASON_INCOMPLETE;

	next->sampled_watts = part->watts;
	part->joules = power_trapezoid(span, !isnan(previous->sampled_watts),
								   previous->sampled_watts, part->watts);
}

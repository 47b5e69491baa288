/*
 * power_summary.c: a reading as the short text for people.
 */
#include "power.h"

#include <math.h>
#include <stdio.h>

void
reading_summary(const struct reading *reading, enum node_type type, char *buffer, size_t size)
{
	if (!isnan(reading->total_power_watts))
	{
		if (isnan(reading->gpu_power_watts))
			snprintf(buffer, size, "%.1fW", reading->total_power_watts);
		else
			snprintf(buffer, size, "%.1fW (GPU: %.1fW)", reading->total_power_watts,
					 reading->gpu_power_watts);
		return;
	}

	/* The section at fault: one that carries power, the first of them. */
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < reading->problem_count; i++)
		{
			enum section section = reading->problems[i].section;
			enum problem_reason reason = reading->problems[i].reason;

			if (reason == REASON_ASLEEP || section == SECTION_PLATFORM)
				continue;
			if (pass == 0 && (section == SECTION_CPU_TEMPERATURE ||
							  section == SECTION_CPU_UTILIZATION || section == SECTION_MEMORY))
				continue;
			if (section == SECTION_POWERMETRICS && reason == REASON_ABSENT)
				snprintf(buffer, size, "N/A (needs powermetrics setup)");
			else
				snprintf(buffer, size, "N/A (%s: %s)", section_name(section),
						 problem_reason_name(reason));
			return;
		}
	snprintf(buffer, size, type == NODE_MACOS ? "N/A (needs powermetrics setup)" : "N/A (no power source)");
}

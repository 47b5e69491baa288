/*
 * report_members.c: what a report looks like as JSON, told member by member to
 * whoever writes it: text (report_json.c), or PostgreSQL's jsonb.  Unknown
 * numbers are left out.
 */
#include "report.h"

#include <math.h>

struct telling
{
	const struct json_sink *sink;
	void	   *arg;
};

static void
open_object(struct telling *to, const char *name)
{
	to->sink->open(to->arg, name, false);
}

static void
close_object(struct telling *to)
{
	to->sink->close(to->arg, false);
}

static void
open_array(struct telling *to, const char *name)
{
	to->sink->open(to->arg, name, true);
}

static void
close_array(struct telling *to)
{
	to->sink->close(to->arg, true);
}

static void
put_text(struct telling *to, const char *name, const char *text)
{
	if (text[0] != '\0')
		to->sink->text(to->arg, name, text);
}

static void
put_number(struct telling *to, const char *name, double value)
{
	if (isfinite(value))
		to->sink->number(to->arg, name, value);
}

static void
put_u64(struct telling *to, const char *name, uint64_t value)
{
	to->sink->count(to->arg, name, value);
}

static void
put_true(struct telling *to, const char *name, bool value)
{
	if (value)
		to->sink->truth(to->arg, name);
}

static const char *
system_name(enum node_system system)
{
	switch (system)
	{
		case SYSTEM_LINUX:
			return "linux";
		case SYSTEM_MACOS:
			return "macos";
		case SYSTEM_FREEBSD:
			return "freebsd";
		case SYSTEM_UNKNOWN:
			break;
	}
	return "unknown";
}

static const char *
vendor_name(enum gpu_vendor vendor)
{
	switch (vendor)
	{
		case GPU_NVIDIA:
			return "nvidia";
		case GPU_AMD:
			return "amd";
		case GPU_INTEL:
			return "intel";
		case GPU_APPLE:
			return "apple";
	}
	return "unknown";
}

static void
put_sections(struct telling *to, const struct report *report)
{
	open_object(to, "sections");
	for (int i = 0; i < SECTION_COUNT; i++)
	{
		const struct section_status *status = &report->sections[i];

		if (!status->present)
			continue;
		open_object(to, section_name(i));
		put_text(to, "status", status->reason == REASON_NONE ? "ok" :
				 problem_reason_name(status->reason));
		put_text(to, "detail", status->detail);
		close_object(to);
	}
	close_object(to);
}

static void
put_ends(struct telling *to, const struct report *report)
{
	open_array(to, "clock");
	for (int end = 0; end < 2; end++)
	{
		open_object(to, NULL);
		if (report->clock[end].known)
		{
			put_number(to, "before", report->clock[end].before);
			put_number(to, "after", report->clock[end].after);
		}
		close_object(to);
	}
	close_array(to);

	open_array(to, "cpu_times");
	for (int end = 0; end < 2; end++)
	{
		const struct cpu_times *cpu = &report->cpu[end];

		open_object(to, NULL);
		if (cpu->known)
		{
			put_u64(to, "user", cpu->user);
			put_u64(to, "nice", cpu->nice);
			put_u64(to, "system", cpu->system);
			put_u64(to, "idle", cpu->idle);
			put_u64(to, "iowait", cpu->iowait);
			put_u64(to, "irq", cpu->irq);
			put_u64(to, "softirq", cpu->softirq);
			put_u64(to, "steal", cpu->steal);
		}
		close_object(to);
	}
	close_array(to);
	put_number(to, "cpu_utilization_percent", report->cpu_utilization_percent);
}

static void
put_zones(struct telling *to, const struct report *report)
{
	open_array(to, "rapl");
	for (int i = 0; i < report->zone_count; i++)
	{
		const struct rapl_zone *zone = &report->zones[i];

		open_object(to, NULL);
		put_text(to, "path", zone->path);
		put_text(to, "name", zone->name);
		open_array(to, "energy_uj");
		for (int end = 0; end < 2; end++)
		{
			if (zone->known[end])
				put_u64(to, NULL, zone->energy_uj[end]);
			else
				to->sink->null(to->arg, NULL);
		}
		close_array(to);
		if (zone->range_uj > 0)
			put_u64(to, "range_uj", zone->range_uj);
		close_object(to);
	}
	close_array(to);
}

static void
put_gpus(struct telling *to, const struct report *report)
{
	open_array(to, "gpus");
	for (int i = 0; i < report->gpu_count; i++)
	{
		const struct gpu *gpu = &report->gpus[i];

		open_object(to, NULL);
		put_text(to, "vendor", vendor_name(gpu->vendor));
		put_u64(to, "index", gpu->index);
		put_text(to, "id", gpu->id);
		put_text(to, "bus_id", gpu->bus_id);
		put_text(to, "name", gpu->name);
		put_true(to, "integrated", gpu->integrated);
		put_true(to, "persistence_off", gpu->persistence_off);
		if (gpu->reason != REASON_NONE)
			put_text(to, "reason", problem_reason_name(gpu->reason));
		put_number(to, "power_watts", gpu->power_watts);
		put_number(to, "temperature_celsius", gpu->temperature_celsius);
		put_number(to, "utilization_percent", gpu->utilization_percent);
		put_number(to, "memory_used_bytes", gpu->memory_used_bytes);
		put_number(to, "memory_total_bytes", gpu->memory_total_bytes);
		if (gpu->has_energy)
		{
			open_array(to, "energy_uj");
			put_u64(to, NULL, gpu->energy_uj[0]);
			put_u64(to, NULL, gpu->energy_uj[1]);
			close_array(to);
		}
		close_object(to);
	}
	close_array(to);
}

static void
put_sensors(struct telling *to, const char *name, const char *unit,
			const struct sensor *sensors, int count)
{
	open_array(to, name);
	for (int i = 0; i < count; i++)
	{
		open_object(to, NULL);
		put_text(to, "source", sensors[i].source);
		put_text(to, "label", sensors[i].label);
		put_number(to, unit, sensors[i].value);
		close_object(to);
	}
	close_array(to);
}

void
report_members(const struct report *report, const struct json_sink *sink, void *arg)
{
	struct telling to = {sink, arg};

	open_object(&to, NULL);
	put_text(&to, "system", system_name(report->system));
	put_text(&to, "system_text", report->system_text);
	put_text(&to, "boot_id", report->boot_id);
	put_sections(&to, report);
	put_ends(&to, report);
	put_zones(&to, report);
	put_gpus(&to, report);
	put_sensors(&to, "temperatures", "celsius", report->temperatures, report->temperature_count);
	put_sensors(&to, "platform", "watts", report->platform, report->platform_count);
	put_number(&to, "memory_used_bytes", report->memory_used_bytes);
	put_number(&to, "memory_total_bytes", report->memory_total_bytes);
	if (report->powermetrics_source[0] != '\0')
	{
		open_object(&to, "powermetrics");
		put_text(&to, "source", report->powermetrics_source);
		put_number(&to, "cpu_power_watts", report->powermetrics_cpu_watts);
		put_number(&to, "gpu_power_watts", report->powermetrics_gpu_watts);
		put_number(&to, "combined_power_watts", report->powermetrics_combined_watts);
		put_number(&to, "dram_power_watts", report->powermetrics_dram_watts);
		put_number(&to, "age_seconds", report->powermetrics_age_seconds);
		put_number(&to, "interval_seconds", report->powermetrics_interval_seconds);
		close_object(&to);
	}
	put_u64(&to, "unknown_lines", report->unknown_lines);
	close_object(&to);
}

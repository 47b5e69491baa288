/*
 * report_json.c: a report as JSON, for raw_data.  Unknown numbers are left out.
 */
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Writes into the caller's buffer; once it is full, failed stays true. */
struct out
{
	char	   *buffer;
	size_t		size;
	size_t		length;
	bool		failed;
	bool		comma;			/* a member stands before the next one */
};

static void
put_bytes(struct out *out, const char *text, size_t length)
{
	if (out->failed || length >= out->size - out->length)
	{
		out->failed = true;
		return;
	}
	memcpy(out->buffer + out->length, text, length);
	out->length += length;
	out->buffer[out->length] = '\0';
}

static void
put(struct out *out, const char *text)
{
	put_bytes(out, text, strlen(text));
}

static void
put_quoted(struct out *out, const char *text)
{
	char		escaped[3] = "\\?";

	put(out, "\"");
	while (*text != '\0')
	{
		size_t		plain = 0;

		/* what needs no escape goes in one piece */
		while (text[plain] >= ' ' && text[plain] < 0x7f && text[plain] != '"' && text[plain] != '\\')
			plain++;
		put_bytes(out, text, plain);
		text += plain;
		if (*text == '\0')
			break;
		escaped[1] = *text;
		put(out, *text == '"' || *text == '\\' ? escaped : "?");
		text++;
	}
	put(out, "\"");
}

/* Begins a member; without a name, an element. */
static void
put_name(struct out *out, const char *name)
{
	if (out->comma)
		put(out, ",");
	if (name != NULL)
	{
		put_quoted(out, name);
		put(out, ":");
	}
	out->comma = true;
}

static void
open_with(struct out *out, const char *name, const char *bracket)
{
	put_name(out, name);
	put(out, bracket);
	out->comma = false;
}

static void
close_with(struct out *out, const char *bracket)
{
	put(out, bracket);
	out->comma = true;
}

static void
put_text(struct out *out, const char *name, const char *text)
{
	if (text[0] == '\0')
		return;
	put_name(out, name);
	put_quoted(out, text);
}

static void
put_number(struct out *out, const char *name, double value)
{
	char		text[40];

	if (!isfinite(value))
		return;
	put_name(out, name);
	snprintf(text, sizeof(text), "%.15g", value);
	put(out, text);
}

static void
put_u64(struct out *out, const char *name, uint64_t value)
{
	char		text[24];

	put_name(out, name);
	snprintf(text, sizeof(text), "%llu", (unsigned long long) value);
	put(out, text);
}

static void
put_true(struct out *out, const char *name, bool value)
{
	if (!value)
		return;
	put_name(out, name);
	put(out, "true");
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
put_sections(struct out *out, const struct report *report)
{
	open_with(out, "sections", "{");
	for (int i = 0; i < SECTION_COUNT; i++)
	{
		const struct section_status *status = &report->sections[i];

		if (!status->present)
			continue;
		open_with(out, section_name(i), "{");
		put_text(out, "status", status->reason == REASON_NONE ? "ok" :
				 problem_reason_name(status->reason));
		put_text(out, "detail", status->detail);
		close_with(out, "}");
	}
	close_with(out, "}");
}

static void
put_ends(struct out *out, const struct report *report)
{
	open_with(out, "clock", "[");
	for (int end = 0; end < 2; end++)
	{
		open_with(out, NULL, "{");
		if (report->clock[end].known)
		{
			put_number(out, "before", report->clock[end].before);
			put_number(out, "after", report->clock[end].after);
		}
		close_with(out, "}");
	}
	close_with(out, "]");

	open_with(out, "cpu_times", "[");
	for (int end = 0; end < 2; end++)
	{
		const struct cpu_times *cpu = &report->cpu[end];

		open_with(out, NULL, "{");
		if (cpu->known)
		{
			put_u64(out, "user", cpu->user);
			put_u64(out, "nice", cpu->nice);
			put_u64(out, "system", cpu->system);
			put_u64(out, "idle", cpu->idle);
			put_u64(out, "iowait", cpu->iowait);
			put_u64(out, "irq", cpu->irq);
			put_u64(out, "softirq", cpu->softirq);
			put_u64(out, "steal", cpu->steal);
		}
		close_with(out, "}");
	}
	close_with(out, "]");
	put_number(out, "cpu_utilization_percent", report->cpu_utilization_percent);
}

static void
put_zones(struct out *out, const struct report *report)
{
	open_with(out, "rapl", "[");
	for (int i = 0; i < report->zone_count; i++)
	{
		const struct rapl_zone *zone = &report->zones[i];

		open_with(out, NULL, "{");
		put_text(out, "path", zone->path);
		put_text(out, "name", zone->name);
		open_with(out, "energy_uj", "[");
		for (int end = 0; end < 2; end++)
		{
			if (zone->known[end])
				put_u64(out, NULL, zone->energy_uj[end]);
			else
			{
				put_name(out, NULL);
				put(out, "null");
			}
		}
		close_with(out, "]");
		if (zone->range_uj > 0)
			put_u64(out, "range_uj", zone->range_uj);
		close_with(out, "}");
	}
	close_with(out, "]");
}

static void
put_gpus(struct out *out, const struct report *report)
{
	open_with(out, "gpus", "[");
	for (int i = 0; i < report->gpu_count; i++)
	{
		const struct gpu *gpu = &report->gpus[i];

		open_with(out, NULL, "{");
		put_text(out, "vendor", vendor_name(gpu->vendor));
		put_u64(out, "index", gpu->index);
		put_text(out, "id", gpu->id);
		put_text(out, "bus_id", gpu->bus_id);
		put_text(out, "name", gpu->name);
		put_true(out, "integrated", gpu->integrated);
		put_true(out, "persistence_off", gpu->persistence_off);
		if (gpu->reason != REASON_NONE)
			put_text(out, "reason", problem_reason_name(gpu->reason));
		put_number(out, "power_watts", gpu->power_watts);
		put_number(out, "temperature_celsius", gpu->temperature_celsius);
		put_number(out, "utilization_percent", gpu->utilization_percent);
		put_number(out, "memory_used_bytes", gpu->memory_used_bytes);
		put_number(out, "memory_total_bytes", gpu->memory_total_bytes);
		if (gpu->has_energy)
		{
			open_with(out, "energy_uj", "[");
			put_u64(out, NULL, gpu->energy_uj[0]);
			put_u64(out, NULL, gpu->energy_uj[1]);
			close_with(out, "]");
		}
		close_with(out, "}");
	}
	close_with(out, "]");
}

static void
put_sensors(struct out *out, const char *name, const char *unit,
			const struct sensor *sensors, int count)
{
	open_with(out, name, "[");
	for (int i = 0; i < count; i++)
	{
		open_with(out, NULL, "{");
		put_text(out, "source", sensors[i].source);
		put_text(out, "label", sensors[i].label);
		put_number(out, unit, sensors[i].value);
		close_with(out, "}");
	}
	close_with(out, "]");
}

size_t
report_json(const struct report *report, char *buffer, size_t size)
{
	struct out	out = {.buffer = buffer, .size = size};

	if (size == 0)
		return 0;

	open_with(&out, NULL, "{");
	put_text(&out, "system", system_name(report->system));
	put_text(&out, "system_text", report->system_text);
	put_text(&out, "boot_id", report->boot_id);
	put_sections(&out, report);
	put_ends(&out, report);
	put_zones(&out, report);
	put_gpus(&out, report);
	put_sensors(&out, "temperatures", "celsius", report->temperatures, report->temperature_count);
	put_sensors(&out, "platform", "watts", report->platform, report->platform_count);
	put_number(&out, "memory_used_bytes", report->memory_used_bytes);
	put_number(&out, "memory_total_bytes", report->memory_total_bytes);
	if (report->powermetrics_source[0] != '\0')
	{
		open_with(&out, "powermetrics", "{");
		put_text(&out, "source", report->powermetrics_source);
		put_number(&out, "cpu_power_watts", report->powermetrics_cpu_watts);
		put_number(&out, "gpu_power_watts", report->powermetrics_gpu_watts);
		put_number(&out, "combined_power_watts", report->powermetrics_combined_watts);
		put_number(&out, "dram_power_watts", report->powermetrics_dram_watts);
		put_number(&out, "age_seconds", report->powermetrics_age_seconds);
		put_number(&out, "interval_seconds", report->powermetrics_interval_seconds);
		close_with(&out, "}");
	}
	put_u64(&out, "unknown_lines", report->unknown_lines);
	close_with(&out, "}");
	if (out.failed)
	{
		buffer[0] = '\0';
		return 0;
	}
	return out.length;
}

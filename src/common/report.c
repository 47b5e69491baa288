/*
 * report.c: an empty report, and a report over the wire.
 *
 * Decoding runs in the PostgreSQL process and believes nothing: a poller that a
 * node has taken over could send any bytes.  Every count is held against its
 * array, every enum against its range, every string against printable ASCII.
 */
#include "report.h"

#include <math.h>
#include <string.h>

#include "wire.h"

void
report_init(struct report *report)
{
	memset(report, 0, sizeof(*report));
	report->cpu_utilization_percent = NAN;
	report->memory_used_bytes = NAN;
	report->memory_total_bytes = NAN;
	report->powermetrics_cpu_watts = NAN;
	report->powermetrics_gpu_watts = NAN;
	report->powermetrics_combined_watts = NAN;
	report->powermetrics_dram_watts = NAN;
	report->powermetrics_age_seconds = NAN;
	report->powermetrics_interval_seconds = NAN;
}

static void
put_sensors(struct wire_writer *writer, const struct sensor *sensors, uint16_t count)
{
	if (count > REPORT_MAX_SENSORS)
	{
		writer->failed = true;
		return;
	}
	wire_put_u16(writer, count);
	for (int i = 0; i < count; i++)
	{
		wire_put_string(writer, sensors[i].source, REPORT_MAX_NAME);
		wire_put_string(writer, sensors[i].label, REPORT_MAX_NAME);
		wire_put_double(writer, sensors[i].value);
	}
}

static void
put_gpu(struct wire_writer *writer, const struct gpu *gpu)
{
	wire_put_u8(writer, (uint8_t) gpu->vendor);
	wire_put_u16(writer, gpu->index);
	wire_put_string(writer, gpu->id, REPORT_MAX_NAME);
	wire_put_string(writer, gpu->bus_id, REPORT_MAX_NAME);
	wire_put_string(writer, gpu->name, REPORT_MAX_NAME);
	wire_put_u8(writer, gpu->integrated);
	wire_put_u8(writer, gpu->persistence_off);
	wire_put_u8(writer, (uint8_t) gpu->reason);
	wire_put_double(writer, gpu->power_watts);
	wire_put_double(writer, gpu->temperature_celsius);
	wire_put_double(writer, gpu->utilization_percent);
	wire_put_double(writer, gpu->memory_used_bytes);
	wire_put_double(writer, gpu->memory_total_bytes);
	wire_put_u8(writer, gpu->has_energy);
	wire_put_u64(writer, gpu->energy_uj[0]);
	wire_put_u64(writer, gpu->energy_uj[1]);
}

static void
put_cpu_times(struct wire_writer *writer, const struct cpu_times *cpu)
{
	wire_put_u8(writer, cpu->known);
	wire_put_u64(writer, cpu->user);
	wire_put_u64(writer, cpu->nice);
	wire_put_u64(writer, cpu->system);
	wire_put_u64(writer, cpu->idle);
	wire_put_u64(writer, cpu->iowait);
	wire_put_u64(writer, cpu->irq);
	wire_put_u64(writer, cpu->softirq);
	wire_put_u64(writer, cpu->steal);
}

bool
report_encode(const struct report *report, struct wire_writer *writer)
{
	if (report->zone_count > REPORT_MAX_ZONES || report->gpu_count > REPORT_MAX_GPUS)
	{
		writer->failed = true;
		return false;
	}

	wire_put_u8(writer, (uint8_t) report->system);
	wire_put_string(writer, report->system_text, REPORT_MAX_NAME);
	wire_put_string(writer, report->boot_id, REPORT_MAX_NAME);
	for (int end = 0; end < 2; end++)
	{
		wire_put_u8(writer, report->clock[end].known);
		wire_put_double(writer, report->clock[end].before);
		wire_put_double(writer, report->clock[end].after);
		put_cpu_times(writer, &report->cpu[end]);
	}
	wire_put_double(writer, report->cpu_utilization_percent);

	for (int i = 0; i < SECTION_COUNT; i++)
	{
		wire_put_u8(writer, report->sections[i].present);
		wire_put_u8(writer, (uint8_t) report->sections[i].reason);
		wire_put_string(writer, report->sections[i].detail, REPORT_MAX_DETAIL);
	}

	wire_put_u16(writer, report->zone_count);
	for (int i = 0; i < report->zone_count; i++)
	{
		const struct rapl_zone *zone = &report->zones[i];

		wire_put_string(writer, zone->path, REPORT_MAX_NAME);
		wire_put_string(writer, zone->name, REPORT_MAX_NAME);
		for (int end = 0; end < 2; end++)
		{
			wire_put_u8(writer, zone->known[end]);
			wire_put_u64(writer, zone->energy_uj[end]);
		}
		wire_put_u64(writer, zone->range_uj);
	}

	wire_put_u16(writer, report->gpu_count);
	for (int i = 0; i < report->gpu_count; i++)
		put_gpu(writer, &report->gpus[i]);

	put_sensors(writer, report->temperatures, report->temperature_count);
	put_sensors(writer, report->platform, report->platform_count);

	wire_put_double(writer, report->memory_used_bytes);
	wire_put_double(writer, report->memory_total_bytes);
	wire_put_double(writer, report->powermetrics_cpu_watts);
	wire_put_double(writer, report->powermetrics_gpu_watts);
	wire_put_double(writer, report->powermetrics_combined_watts);
	wire_put_double(writer, report->powermetrics_dram_watts);
	wire_put_double(writer, report->powermetrics_age_seconds);
	wire_put_double(writer, report->powermetrics_interval_seconds);
	wire_put_string(writer, report->powermetrics_source, REPORT_MAX_NAME);
	wire_put_u32(writer, report->unknown_lines);
	return !writer->failed;
}

/* --- decoding --------------------------------------------------------------- */

/* A string of printable ASCII: what the parser makes of whatever it was sent. */
static void
get_text(struct wire_reader *reader, char *target, size_t size)
{
	wire_get_chars(reader, target, size);
	if (reader->failed)
	{
		target[0] = '\0';
		return;
	}
	for (const char *c = target; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
		{
			reader->failed = true;
			target[0] = '\0';
			return;
		}
}

/* A number, or NAN; never an infinity, which neither JSON nor a sum can bear. */
static double
get_number(struct wire_reader *reader)
{
	double		value = wire_get_double(reader);

	if (isinf(value))
		reader->failed = true;
	return reader->failed ? NAN : value;
}

static int
get_enum(struct wire_reader *reader, int first, int last)
{
	int			value = wire_get_u8(reader);

	if (value < first || value > last)
		reader->failed = true;
	return reader->failed ? first : value;
}

static uint16_t
get_count(struct wire_reader *reader, int most)
{
	uint16_t	count = wire_get_u16(reader);

	if (count > most)
		reader->failed = true;
	return reader->failed ? 0 : count;
}

static uint16_t
get_sensors(struct wire_reader *reader, struct sensor *sensors)
{
	uint16_t	count = get_count(reader, REPORT_MAX_SENSORS);

	for (int i = 0; i < count; i++)
	{
		get_text(reader, sensors[i].source, sizeof(sensors[i].source));
		get_text(reader, sensors[i].label, sizeof(sensors[i].label));
		sensors[i].value = get_number(reader);
	}
	return count;
}

static void
get_gpu(struct wire_reader *reader, struct gpu *gpu)
{
	gpu->vendor = get_enum(reader, GPU_NVIDIA, GPU_APPLE);
	gpu->index = wire_get_u16(reader);
	get_text(reader, gpu->id, sizeof(gpu->id));
	get_text(reader, gpu->bus_id, sizeof(gpu->bus_id));
	get_text(reader, gpu->name, sizeof(gpu->name));
	gpu->integrated = wire_get_bool(reader);
	gpu->persistence_off = wire_get_bool(reader);
	gpu->reason = get_enum(reader, REASON_NONE, REASON_COUNT - 1);
	gpu->power_watts = get_number(reader);
	gpu->temperature_celsius = get_number(reader);
	gpu->utilization_percent = get_number(reader);
	gpu->memory_used_bytes = get_number(reader);
	gpu->memory_total_bytes = get_number(reader);
	gpu->has_energy = wire_get_bool(reader);
	gpu->energy_uj[0] = wire_get_u64(reader);
	gpu->energy_uj[1] = wire_get_u64(reader);
}

static void
get_cpu_times(struct wire_reader *reader, struct cpu_times *cpu)
{
	cpu->known = wire_get_bool(reader);
	cpu->user = wire_get_u64(reader);
	cpu->nice = wire_get_u64(reader);
	cpu->system = wire_get_u64(reader);
	cpu->idle = wire_get_u64(reader);
	cpu->iowait = wire_get_u64(reader);
	cpu->irq = wire_get_u64(reader);
	cpu->softirq = wire_get_u64(reader);
	cpu->steal = wire_get_u64(reader);
}

bool
report_decode(struct wire_reader *reader, struct report *report)
{
	report_init(report);

	report->system = get_enum(reader, SYSTEM_UNKNOWN, SYSTEM_FREEBSD);
	get_text(reader, report->system_text, sizeof(report->system_text));
	get_text(reader, report->boot_id, sizeof(report->boot_id));
	for (int end = 0; end < 2; end++)
	{
		report->clock[end].known = wire_get_bool(reader);
		report->clock[end].before = get_number(reader);
		report->clock[end].after = get_number(reader);
		get_cpu_times(reader, &report->cpu[end]);
	}
	report->cpu_utilization_percent = get_number(reader);

	for (int i = 0; i < SECTION_COUNT; i++)
	{
		report->sections[i].present = wire_get_bool(reader);
		report->sections[i].reason = get_enum(reader, REASON_NONE, REASON_COUNT - 1);
		get_text(reader, report->sections[i].detail, sizeof(report->sections[i].detail));
	}

	report->zone_count = get_count(reader, REPORT_MAX_ZONES);
	for (int i = 0; i < report->zone_count; i++)
	{
		struct rapl_zone *zone = &report->zones[i];

		get_text(reader, zone->path, sizeof(zone->path));
		get_text(reader, zone->name, sizeof(zone->name));
		for (int end = 0; end < 2; end++)
		{
			zone->known[end] = wire_get_bool(reader);
			zone->energy_uj[end] = wire_get_u64(reader);
		}
		zone->range_uj = wire_get_u64(reader);
	}

	report->gpu_count = get_count(reader, REPORT_MAX_GPUS);
	for (int i = 0; i < report->gpu_count; i++)
		get_gpu(reader, &report->gpus[i]);

	report->temperature_count = get_sensors(reader, report->temperatures);
	report->platform_count = get_sensors(reader, report->platform);

	report->memory_used_bytes = get_number(reader);
	report->memory_total_bytes = get_number(reader);
	report->powermetrics_cpu_watts = get_number(reader);
	report->powermetrics_gpu_watts = get_number(reader);
	report->powermetrics_combined_watts = get_number(reader);
	report->powermetrics_dram_watts = get_number(reader);
	report->powermetrics_age_seconds = get_number(reader);
	report->powermetrics_interval_seconds = get_number(reader);
	get_text(reader, report->powermetrics_source, sizeof(report->powermetrics_source));
	report->unknown_lines = wire_get_u32(reader);

	if (reader->failed)
	{
		report_init(report);
		return false;
	}
	return true;
}

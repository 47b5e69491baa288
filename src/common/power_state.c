/*
 * power_state.c: what is remembered of a reading, as bytes to store; and the
 * names of node types and energy qualities.
 */
#include "power.h"

#include <math.h>
#include <string.h>

#include "wire.h"

/* Raised whenever the bytes change; another version reads as "not known". */
#define STATE_VERSION 1

static const char *const type_names[NODE_TYPE_COUNT] = {
	[NODE_AUTO] = "auto",
	[NODE_LINUX_INTEL] = "linux_intel",
	[NODE_LINUX_NVIDIA] = "linux_nvidia",
	[NODE_LINUX_AMD] = "linux_amd",
	[NODE_MACOS] = "macos",
};

const char *
node_type_name(enum node_type type)
{
	return (unsigned) type < NODE_TYPE_COUNT ? type_names[type] : "unknown";
}

bool
node_type_parse(const char *name, enum node_type *type)
{
	for (int i = 0; i < NODE_TYPE_COUNT; i++)
		if (strcmp(name, type_names[i]) == 0)
		{
			*type = i;
			return true;
		}
	return false;
}

const char *
energy_quality_name(enum energy_quality quality)
{
	switch (quality)
	{
		case ENERGY_COUNTER:
			return "counter";
		case ENERGY_SAMPLED:
			return "sampled";
		case ENERGY_WINDOW:
			return "window";
		case ENERGY_UNKNOWN:
			break;
	}
	return NULL;
}

static void
state_init(struct power_state *state)
{
	memset(state, 0, sizeof(*state));
	state->uptime = NAN;
	state->sampled_watts = NAN;
}

size_t
power_state_encode(const struct power_state *state, void *buffer, size_t size)
{
	struct wire_writer writer;
	const struct cpu_times *cpu = &state->cpu;

	if (state->zone_count > REPORT_MAX_ZONES || state->gpu_count > REPORT_MAX_GPUS)
		return 0;

	wire_writer_init(&writer, buffer, size);
	wire_put_u8(&writer, STATE_VERSION);
	wire_put_u8(&writer, state->known);
	wire_put_string(&writer, state->boot_id, REPORT_MAX_NAME);
	wire_put_double(&writer, state->uptime);
	wire_put_u8(&writer, cpu->known);
	wire_put_u64(&writer, cpu->user);
	wire_put_u64(&writer, cpu->nice);
	wire_put_u64(&writer, cpu->system);
	wire_put_u64(&writer, cpu->idle);
	wire_put_u64(&writer, cpu->iowait);
	wire_put_u64(&writer, cpu->irq);
	wire_put_u64(&writer, cpu->softirq);
	wire_put_u64(&writer, cpu->steal);
	wire_put_u16(&writer, state->zone_count);
	for (int i = 0; i < state->zone_count; i++)
	{
		wire_put_string(&writer, state->zones[i].path, REPORT_MAX_NAME);
		wire_put_string(&writer, state->zones[i].name, REPORT_MAX_NAME);
		wire_put_u64(&writer, state->zones[i].energy_uj);
		wire_put_u64(&writer, state->zones[i].range_uj);
		wire_put_double(&writer, state->zones[i].window_watts);
	}
	wire_put_u16(&writer, state->gpu_count);
	for (int i = 0; i < state->gpu_count; i++)
	{
		wire_put_string(&writer, state->gpus[i].id, REPORT_MAX_NAME);
		wire_put_u8(&writer, (uint8_t) state->gpus[i].vendor);
		wire_put_double(&writer, state->gpus[i].power_watts);
		wire_put_u8(&writer, state->gpus[i].has_energy);
		wire_put_u64(&writer, state->gpus[i].energy_uj);
	}
	wire_put_double(&writer, state->sampled_watts);
	return writer.failed ? 0 : writer.length;
}

bool
power_state_decode(const void *data, size_t length, struct power_state *state)
{
	struct wire_reader reader;
	struct cpu_times *cpu = &state->cpu;

	state_init(state);
	wire_reader_init(&reader, data, length);
	if (wire_get_u8(&reader) != STATE_VERSION)
		return false;
	state->known = wire_get_bool(&reader);
	wire_get_chars(&reader, state->boot_id, sizeof(state->boot_id));
	state->uptime = wire_get_double(&reader);
	cpu->known = wire_get_bool(&reader);
	cpu->user = wire_get_u64(&reader);
	cpu->nice = wire_get_u64(&reader);
	cpu->system = wire_get_u64(&reader);
	cpu->idle = wire_get_u64(&reader);
	cpu->iowait = wire_get_u64(&reader);
	cpu->irq = wire_get_u64(&reader);
	cpu->softirq = wire_get_u64(&reader);
	cpu->steal = wire_get_u64(&reader);
	state->zone_count = wire_get_u16(&reader);
	if (state->zone_count > REPORT_MAX_ZONES)
		goto garbage;
	for (int i = 0; i < state->zone_count; i++)
	{
		wire_get_chars(&reader, state->zones[i].path, sizeof(state->zones[i].path));
		wire_get_chars(&reader, state->zones[i].name, sizeof(state->zones[i].name));
		state->zones[i].energy_uj = wire_get_u64(&reader);
		state->zones[i].range_uj = wire_get_u64(&reader);
		state->zones[i].window_watts = wire_get_double(&reader);
	}
	state->gpu_count = wire_get_u16(&reader);
	if (state->gpu_count > REPORT_MAX_GPUS)
		goto garbage;
	for (int i = 0; i < state->gpu_count; i++)
	{
		wire_get_chars(&reader, state->gpus[i].id, sizeof(state->gpus[i].id));
		state->gpus[i].vendor = wire_get_u8(&reader);
		if (state->gpus[i].vendor < GPU_NVIDIA || state->gpus[i].vendor > GPU_APPLE)
			goto garbage;
		state->gpus[i].power_watts = wire_get_double(&reader);
		state->gpus[i].has_energy = wire_get_bool(&reader);
		state->gpus[i].energy_uj = wire_get_u64(&reader);
	}
	state->sampled_watts = wire_get_double(&reader);
	if (wire_reader_done(&reader) && !(state->known && !(state->uptime >= 0 && state->uptime < 1e12)))
		return true;

garbage:
	state_init(state);
	return false;
}

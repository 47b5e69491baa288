/*
 * power_rig.h: reports built from known truth, for the tests of the arithmetic.
 */
#ifndef TRIBE_POWER_TEST_POWER_RIG_H
#define TRIBE_POWER_TEST_POWER_RIG_H

#include "reports.h"

#include "power.h"

#define RANGE UINT64_C(262143328850)	/* most Intel packages, µJ */
#define AMD_RANGE UINT64_C(65532610987)

/* A node under test: context, what is remembered, and the last reading. */
struct rig
{
	struct power_context context;
	struct power_state state;
	struct reading reading;
	struct report report;
	bool		newer;
	char		summary[128];
};

static inline void
rig_init(struct rig *rig, enum node_type type)
{
	memset(rig, 0, sizeof(*rig));
	rig->context.type = type;
	rig->context.max_watts = NAN;
	rig->context.poll_interval = 300;
}

/* A Linux report of a window of one second that ends at uptime. */
static inline void
rig_at(struct rig *rig, const char *boot, double uptime)
{
	struct report *report = &rig->report;

	report_init(report);
	report->system = SYSTEM_LINUX;
	strcpy(report->boot_id, boot);
	report->clock[0] = (struct clock_mark) {true, uptime - 1, uptime - 1};
	report->clock[1] = (struct clock_mark) {true, uptime, uptime};
	for (int i = 0; i < SECTION_COUNT; i++)
		report->sections[i].present = true;
	report->sections[SECTION_RAPL].reason = REASON_ABSENT;
	report->sections[SECTION_NVIDIA].reason = REASON_ABSENT;
	report->sections[SECTION_AMDGPU].reason = REASON_ABSENT;
	report->sections[SECTION_INTEL_GPU].reason = REASON_ABSENT;
	report->sections[SECTION_PLATFORM].reason = REASON_ABSENT;
	report->sections[SECTION_POWERMETRICS].present = false;
	report->cpu[0] = (struct cpu_times) {true, 1000, 0, 0, 9000, 0, 0, 0, 0};
	report->cpu[1] = (struct cpu_times) {true, 1050, 0, 0, 9050, 0, 0, 0, 0};
	report->memory_used_bytes = 1073741824.0;
	report->memory_total_bytes = 4294967296.0;
	report->temperature_count = 1;
	strcpy(report->temperatures[0].source, "coretemp");
	strcpy(report->temperatures[0].label, "Package id 0");
	report->temperatures[0].value = 45;
}

/* A zone whose counter ends at energy, drawing watts over the window. */
static inline struct rapl_zone *
rig_zone(struct rig *rig, const char *path, const char *name, uint64_t range,
		 uint64_t energy, double watts)
{
	struct report *report = &rig->report;
	struct rapl_zone *zone = &report->zones[report->zone_count++];
	uint64_t	back = (uint64_t) llround(watts * 1e6);

	memset(zone, 0, sizeof(*zone));
	strcpy(zone->path, path);
	strcpy(zone->name, name);
	zone->range_uj = range;
	zone->known[0] = zone->known[1] = true;
	zone->energy_uj[1] = energy;
	zone->energy_uj[0] = energy >= back ? energy - back : energy + range - back;
	report->sections[SECTION_RAPL].reason = REASON_NONE;
	return zone;
}

static inline struct rapl_zone *
rig_package(struct rig *rig, uint64_t energy, double watts)
{
	return rig_zone(rig, "intel-rapl:0", "package-0", RANGE, energy, watts);
}

static inline struct gpu *
rig_gpu(struct rig *rig, enum gpu_vendor vendor, const char *id, double watts)
{
	static const enum section sections[] = {
		[GPU_NVIDIA] = SECTION_NVIDIA,[GPU_AMD] = SECTION_AMDGPU,
		[GPU_INTEL] = SECTION_INTEL_GPU,[GPU_APPLE] = SECTION_POWERMETRICS,
	};
	struct gpu *gpu = &rig->report.gpus[rig->report.gpu_count++];

	memset(gpu, 0, sizeof(*gpu));
	gpu->vendor = vendor;
	strcpy(gpu->id, id);
	gpu->power_watts = watts;
	gpu->temperature_celsius = 40;
	gpu->utilization_percent = 10;
	rig->report.sections[sections[vendor]].reason = REASON_NONE;
	return gpu;
}

/* Computes, through the stored form of the state, and moves on. */
static inline const struct reading *
rig_read(struct rig *rig)
{
	static uint8_t bytes[POWER_STATE_MAX_SIZE];
	struct power_state next;
	struct power_state previous = rig->state;
	size_t		length;

	power_compute(&rig->context, &rig->report, &previous, &rig->reading, &next, &rig->newer);
	length = power_state_encode(&next, bytes, sizeof(bytes));
	assert_true(length > 0);
	assert_true(power_state_decode(bytes, length, &rig->state));
	reading_summary(&rig->reading, rig->context.type, rig->summary, sizeof(rig->summary));
	return &rig->reading;
}

static inline enum problem_reason
rig_problem(const struct rig *rig, enum section section)
{
	for (int i = 0; i < rig->reading.problem_count; i++)
		if (rig->reading.problems[i].section == section)
			return rig->reading.problems[i].reason;
	return REASON_NONE;
}

#endif

/*
 * report.h: what one node answered, as facts.
 *
 * A report holds the raw counters at both ends of the probe's short window and
 * the node's own clock beside them; every watt is derived from it later, by
 * power.c.  The poller fills it in from the node's text (report_parse.h), sends
 * it over the wire, and the owner keeps it in raw_data.  Every string in it is
 * printable UTF-8 of bounded length, whatever the node sent.
 */
#ifndef TRIBE_POWER_REPORT_H
#define TRIBE_POWER_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reason.h"

struct wire_writer;
struct wire_reader;

#define REPORT_MAX_ZONES 64		/* RAPL zones */
#define REPORT_MAX_GPUS 32
#define REPORT_MAX_SENSORS 64	/* temperatures, platform power sources */
#define REPORT_MAX_NAME 63
#define REPORT_MAX_DETAIL 127

enum node_system
{
	SYSTEM_UNKNOWN = 0,
	SYSTEM_LINUX,
	SYSTEM_MACOS,
	SYSTEM_FREEBSD,
};

/* How a section went, and the first words of its error where it had one. */
struct section_status
{
	bool		present;		/* the probe reported on it at all */
	enum problem_reason reason; /* REASON_NONE: it is all right */
	char		detail[REPORT_MAX_DETAIL + 1];
};

/* One energy counter, at the window's two ends. */
struct rapl_zone
{
	char		path[REPORT_MAX_NAME + 1];	/* intel-rapl:0:1 */
	char		name[REPORT_MAX_NAME + 1];	/* package-0, dram, psys */
	bool		known[2];		/* the reading at that end succeeded */
	uint64_t	energy_uj[2];
	uint64_t	range_uj;		/* the value after which it wraps; 0: unknown */
};

enum gpu_vendor
{
	GPU_NVIDIA = 1,
	GPU_AMD,
	GPU_INTEL,
	GPU_APPLE,					/* within the chip: never added to the total */
};

/* One GPU.  NAN is "not known". */
struct gpu
{
	enum gpu_vendor vendor;
	uint16_t	index;
	char		id[REPORT_MAX_NAME + 1];	/* UUID or PCI address */
	char		bus_id[REPORT_MAX_NAME + 1];	/* PCI address as in sysfs, or "" */
	char		name[REPORT_MAX_NAME + 1];
	bool		integrated;		/* its power is part of the CPU package's */
	bool		persistence_off;	/* NVIDIA: the reading may show the wake-up */
	enum problem_reason reason; /* why power_watts is not known */
	double		power_watts;
	double		temperature_celsius;
	double		utilization_percent;
	double		memory_used_bytes;
	double		memory_total_bytes;
	bool		has_energy;		/* a counter in µJ at both ends (i915, xe) */
	uint64_t	energy_uj[2];
};

/* A temperature or a whole-machine power source, as the node labels it. */
struct sensor
{
	char		source[REPORT_MAX_NAME + 1];	/* coretemp, k10temp, ipmi_dcmi, psys */
	char		label[REPORT_MAX_NAME + 1]; /* Package id 0, Tctl */
	double		value;			/* °C or W */
};

/* The first line of /proc/stat at one end: jiffies. */
struct cpu_times
{
	bool		known;
	uint64_t	user, nice, system, idle, iowait, irq, softirq, steal;
};

/* The node's monotonic clock around one end of the window, in seconds since
 * boot: read just before and just after the counters, by the same process. */
struct clock_mark
{
	bool		known;
	double		before, after;
};

struct report
{
	enum node_system system;
	char		system_text[REPORT_MAX_NAME + 1];	/* uname -sr */
	char		boot_id[REPORT_MAX_NAME + 1];	/* "" where there is none */
	struct clock_mark clock[2];
	struct cpu_times cpu[2];
	double		cpu_utilization_percent;	/* where the node's tool gives it (macOS) */

	struct section_status sections[SECTION_COUNT];

	uint16_t	zone_count;
	struct rapl_zone zones[REPORT_MAX_ZONES];

	uint16_t	gpu_count;
	struct gpu	gpus[REPORT_MAX_GPUS];

	uint16_t	temperature_count;
	struct sensor temperatures[REPORT_MAX_SENSORS];

	uint16_t	platform_count;
	struct sensor platform[REPORT_MAX_SENSORS];

	double		memory_used_bytes;	/* NAN: not known */
	double		memory_total_bytes;

	/* powermetrics, by way of the helper's file: watts, NAN where absent */
	double		powermetrics_cpu_watts;
	double		powermetrics_gpu_watts;
	double		powermetrics_combined_watts;
	double		powermetrics_dram_watts;
	double		powermetrics_age_seconds;
	double		powermetrics_interval_seconds;	/* how often the helper samples */
	char		powermetrics_source[REPORT_MAX_NAME + 1];	/* file path or macmon */

	uint32_t	unknown_lines;	/* lines that this version does not know */
};

/* Everything unknown: zeroes and NAN. */
void		report_init(struct report *report);

/* Over the wire; both say whether it went well.  Decoding checks every count,
 * enum and string as if the sender were hostile. */
bool		report_encode(const struct report *report, struct wire_writer *writer);
bool		report_decode(struct wire_reader *reader, struct report *report);

/*
 * What takes a report's members, one after the other: an object or array opens
 * and closes around its own.  name is NULL for an element of an array and for
 * the outermost object; numbers are finite, and counts whole.
 */
struct json_sink
{
	void		(*open) (void *arg, const char *name, bool array);
	void		(*close) (void *arg, bool array);
	void		(*text) (void *arg, const char *name, const char *text);
	void		(*number) (void *arg, const char *name, double value);
	void		(*count) (void *arg, const char *name, uint64_t value);
	void		(*truth) (void *arg, const char *name);
	void		(*null) (void *arg, const char *name);
};

/* Tells the report's members as raw_data has them; unknown numbers are left
 * out.  Names and texts are valid as long as the report is. */
void		report_members(const struct report *report, const struct json_sink *sink, void *arg);

/* The most that report_json can need. */
#define REPORT_JSON_SIZE (128 * 1024)

/*
 * The report as one JSON object in text: valid JSON whatever the strings
 * hold, unknown numbers left out.  Returns its length, or 0 if size is too small.
 */
size_t		report_json(const struct report *report, char *buffer, size_t size);

#endif

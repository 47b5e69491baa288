/*
 * report_macos.c: a Mac's part of a report: power as a helper left it (only
 * root may run powermetrics) or as macmon measures it, memory, utilisation.
 *
 * Units are the trap.  powermetrics prints milliwatts, and the older helper
 * stores them under names without a unit; ours says watts in every key; macmon
 * speaks watts.
 */
#include "report_internal.h"

#include <math.h>
#include <string.h>

/* now EPOCHSECONDS */
static void
handle_now(struct parse *parse, char *rest)
{
	if (!report_double(rest, &parse->now))
		parse->now = NAN;
}

static void
handle_memsize(struct parse *parse, char *rest)
{
	double		value;

	if (report_double(rest, &value))
		parse->report->memory_total_bytes = value;
}

/* top "CPU usage: 3.57% user, 14.28% sys, 82.14% idle": the last one counts */
static void
handle_top(struct parse *parse, char *rest)
{
	char	   *idle = strstr(rest, "% idle");
	double		value;

	if (idle == NULL)
		return;
	*idle = '\0';
	while (idle > rest && idle[-1] != ' ')
		idle--;
	if (report_double(idle, &value) && value >= 0 && value <= 100)
		parse->report->cpu_utilization_percent = 100 - value;
}

/* vm_stat's own lines: "Pages wired down:                      123456." */
static void
handle_vm_stat(struct parse *parse, char *rest)
{
	struct
	{
		const char *name;
		double	   *value;
	}			known[] = {
		{"Anonymous pages:", &parse->vm_stat.anonymous},
		{"Pages purgeable:", &parse->vm_stat.purgeable},
		{"Pages wired down:", &parse->vm_stat.wired},
		{"Pages occupied by compressor:", &parse->vm_stat.compressor},
	};
	char	   *page = strstr(rest, "page size of ");
	double		value;

	if (page != NULL)
	{
		page += strlen("page size of ");
		if (report_double(report_word(&page), &value) && value > 0)
			parse->vm_stat.page_size = value;
		return;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
	{
		char	   *number = rest + strlen(known[i].name);
		size_t		length;

		if (strncmp(rest, known[i].name, strlen(known[i].name)) != 0)
			continue;
		length = strlen(number);
		if (length > 0 && number[length - 1] == '.')
			number[length - 1] = '\0';
		if (report_double(report_word(&number), &value))
			*known[i].value = value;
	}
}

/* --- helpers' files --------------------------------------------------------- */

/* Power as one source gives it. */
struct sample
{
	double		cpu, gpu, combined, dram;	/* watts */
	double		age, interval;	/* seconds */
	double		sampled_at;
	double		old_cpu, old_gpu;	/* milliwatts, by the older helper */
	double		cpu_celsius, gpu_celsius;
	double		gpu_share;		/* 0 to 1 */
	double		system_watts;
};

static const struct sample no_sample = {
	NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN
};

static void
take_member(struct sample *sample, const char *path, double value)
{
	const struct
	{
		const char *path;
		double	   *value;
	}			known[] = {
		{"cpu_power_watts", &sample->cpu},
		{"gpu_power_watts", &sample->gpu},
		{"combined_power_watts", &sample->combined},
		{"dram_power_watts", &sample->dram},
		{"sampled_at", &sample->sampled_at},
		{"interval_seconds", &sample->interval},
		{"cpu_power", &sample->old_cpu},
		{"gpu_power", &sample->old_gpu},
		{"all_power", &sample->combined},
		{"ram_power", &sample->dram},
		{"sys_power", &sample->system_watts},
		{"temp.cpu_temp_avg", &sample->cpu_celsius},
		{"temp.gpu_temp_avg", &sample->gpu_celsius},
		{"gpu_usage[1]", &sample->gpu_share},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].path, path) == 0)
			*known[i].value = value;
}

static void
sample_member(void *context, const char *path, double value, const char *text)
{
	if (text == NULL)
		take_member(context, path, value);
}

/* Takes over a sample unless what is there is as fresh. */
static void
use_sample(struct parse *parse, const struct sample *sample, const char *source)
{
	struct report *report = parse->report;

	if (report->powermetrics_source[0] != '\0' &&
		!(sample->age < report->powermetrics_age_seconds))
		return;
	report_copy(report->powermetrics_source, sizeof(report->powermetrics_source), source);
	report->powermetrics_cpu_watts = sample->cpu;
	report->powermetrics_gpu_watts = sample->gpu;
	report->powermetrics_combined_watts = sample->combined;
	report->powermetrics_dram_watts = sample->dram;
	report->powermetrics_age_seconds = sample->age;
	report->powermetrics_interval_seconds = sample->interval;
}

/* powermetrics_file MTIME PATH, before its powermetrics_json */
static void
handle_file(struct parse *parse, char *rest)
{
	char	   *word = report_word(&rest);

	if (!report_double(word, &parse->file_time))
		parse->file_time = NAN;
	report_copy(parse->file_path, sizeof(parse->file_path), rest);
}

static void
handle_json(struct parse *parse, char *rest)
{
	struct sample sample = no_sample;
	double		written = parse->file_time;

	if (!report_read_json(rest, sample_member, &sample))
	{
		report_status(parse, SECTION_POWERMETRICS, REASON_ERROR, "not JSON");
		return;
	}
	if (isnan(sample.cpu) && isnan(sample.gpu) && isnan(sample.combined))
	{
		/* the older helper: milliwatts, whatever the names suggest */
		sample.cpu = sample.old_cpu / 1000;
		sample.gpu = sample.old_gpu / 1000;
	}
	if (isnan(sample.cpu) && isnan(sample.gpu) && isnan(sample.combined))
	{
		report_status(parse, SECTION_POWERMETRICS, REASON_ERROR, "no power in the file");
		return;
	}
	/* The sample's own time, or the file's, whichever is older. */
	if (isnan(written) || sample.sampled_at < written)
		written = sample.sampled_at;
	sample.age = parse->now - written;
	use_sample(parse, &sample, parse->file_path);
}

static void
handle_denied(struct parse *parse, char *rest)
{
	report_status(parse, SECTION_POWERMETRICS, REASON_DENIED, rest);
}

/* macmon JSON: measured just now, without root */
static void
handle_macmon(struct parse *parse, char *rest)
{
	struct report *report = parse->report;
	struct sample sample = no_sample;
	struct gpu *gpu;

	parse->ended[SECTION_POWERMETRICS] = true;
	if (parse->has_macmon)
	{
		parse->fault = "macmon twice";
		return;
	}
	if (!report_read_json(rest, sample_member, &sample) || isnan(sample.old_cpu))
	{
		report_status(parse, SECTION_POWERMETRICS, REASON_ERROR, "macmon gave no power");
		return;
	}
	parse->has_macmon = true;
	sample.cpu = sample.old_cpu;
	sample.gpu = sample.old_gpu;
	sample.age = 0;
	report->powermetrics_source[0] = '\0';
	use_sample(parse, &sample, "macmon");

	if (!isnan(sample.cpu_celsius))
		report_add_sensor(report->temperatures, &report->temperature_count, "macmon", "cpu",
						  sample.cpu_celsius);
	if (!isnan(sample.system_watts))
		report_add_sensor(report->platform, &report->platform_count, "macmon", "system",
						  sample.system_watts);
	gpu = report_add_gpu(parse, GPU_APPLE, "apple");
	if (gpu == NULL)
		return;
	gpu->temperature_celsius = sample.gpu_celsius;
	gpu->utilization_percent = sample.gpu_share * 100;
}

const struct line_kind report_macos_lines[] = {
	{"now", handle_now},
	{"memsize", handle_memsize},
	{"top", handle_top},
	{"vm_stat", handle_vm_stat},
	{"powermetrics_file", handle_file},
	{"powermetrics_json", handle_json},
	{"powermetrics_denied", handle_denied},
	{"macmon", handle_macmon},
	{NULL, NULL}
};

void
report_finish_macos(struct parse *parse)
{
	struct report *report = parse->report;
	const struct vm_stat *vm = &parse->vm_stat;
	struct section_status *status = &report->sections[SECTION_POWERMETRICS];
	struct gpu *gpu;

	if (report->system != SYSTEM_MACOS)
		return;

	report->memory_used_bytes = (vm->anonymous - vm->purgeable + vm->wired + vm->compressor) *
		vm->page_size;

	if (report->powermetrics_source[0] != '\0')
	{
		/* one good source makes up for one that failed */
		status->present = true;
		status->reason = REASON_NONE;
		gpu = isnan(report->powermetrics_gpu_watts) ? NULL :
			report_add_gpu(parse, GPU_APPLE, "apple");
		if (gpu != NULL)
		{
			gpu->integrated = true;
			gpu->power_watts = report->powermetrics_gpu_watts;
			report_copy(gpu->name, sizeof(gpu->name), "Apple GPU");
		}
	}
	else if (parse->expected[SECTION_POWERMETRICS] && !parse->ended[SECTION_POWERMETRICS])
		report_status(parse, SECTION_POWERMETRICS, REASON_TIMEOUT, "macmon");
	else
		report_status(parse, SECTION_POWERMETRICS, REASON_ABSENT, "");
}

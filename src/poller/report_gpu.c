/*
 * report_gpu.c: the GPUs of a report.
 */
#include "report_internal.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

/* --- NVIDIA ----------------------------------------------------------------- */

#define NVIDIA_FIELDS 10

/* Splits "a, b, c" in place; the number of fields, at most one more than max. */
static int
split_csv(char *text, char **fields, int max)
{
	int			count = 0;

	for (;;)
	{
		char	   *comma = strchr(text, ',');
		char	   *end = comma ? comma : text + strlen(text);

		while (*text == ' ')
			text++;
		if (count == max)
			return max + 1;
		fields[count++] = text;
		while (end > text && end[-1] == ' ')
			end--;
		*end = '\0';
		if (comma == NULL)
			return count;
		text = comma + 1;
	}
}

/* nvidia-smi's words in place of a number. */
static enum problem_reason
absent_token(const char *word)
{
	if (strstr(word, "Permission") != NULL)
		return REASON_DENIED;
	if (strstr(word, "Error") != NULL || strstr(word, "lost") != NULL ||
		strstr(word, "reset") != NULL)
		return REASON_ERROR;
	if (strstr(word, "N/A") != NULL || strstr(word, "Not Supported") != NULL)
		return REASON_ABSENT;
	return REASON_ERROR;
}

static double
number_or_nan(const char *word, double unit)
{
	double		value;

	return report_double(word, &value) ? value * unit : NAN;
}

/* nvidia-smi's 00000000:01:00.0 as sysfs writes it: 0000:01:00.0 */
static void
copy_bus_id(char *target, size_t size, const char *bus_id)
{
	if (strlen(bus_id) == 16 && strncmp(bus_id, "0000", 4) == 0)
		bus_id += 4;
	report_copy(target, size, bus_id);
	for (char *c = target; *c != '\0'; c++)
		*c = tolower((unsigned char) *c);
}

/* nvidia LINE: a GPU by our query, or words */
static void
handle_nvidia(struct parse *parse, char *rest)
{
	char		line[REPORT_MAX_DETAIL + 1];
	char	   *fields[NVIDIA_FIELDS + 1];
	struct gpu *gpu;
	uint64_t	index;
	double		watts;

	report_copy(line, sizeof(line), rest);
	if (split_csv(rest, fields, NVIDIA_FIELDS) != NVIDIA_FIELDS || !report_u64(fields[0], &index) ||
		index > UINT16_MAX)
	{
		if (parse->nvidia_text[0] == '\0')
			report_copy(parse->nvidia_text, sizeof(parse->nvidia_text), line);
		return;
	}
	gpu = report_add_gpu(parse, GPU_NVIDIA,
						 strncmp(fields[1], "GPU-", 4) == 0 ? fields[1] : fields[3]);
	if (gpu == NULL)
	{
		report_status(parse, SECTION_NVIDIA, REASON_INCOMPLETE, "too many GPUs");
		return;
	}
	gpu->index = (uint16_t) index;
	report_copy(gpu->name, sizeof(gpu->name), fields[2]);
	copy_bus_id(gpu->bus_id, sizeof(gpu->bus_id), fields[3]);
	gpu->persistence_off = strcmp(fields[4], "Disabled") == 0;

	/* A second sample of the same GPU replaces what it knows better. */
	if (report_double(fields[5], &watts))
	{
		gpu->power_watts = watts;
		gpu->reason = REASON_NONE;
	}
	else if (isnan(gpu->power_watts))
		gpu->reason = absent_token(fields[5]);
	gpu->temperature_celsius = number_or_nan(fields[6], 1);
	gpu->utilization_percent = number_or_nan(fields[7], 1);
	gpu->memory_used_bytes = number_or_nan(fields[8], 1024 * 1024);
	gpu->memory_total_bytes = number_or_nan(fields[9], 1024 * 1024);
}

static void
handle_nvidia_exit(struct parse *parse, char *rest)
{
	uint64_t	status;

	if (!report_u64(rest, &status) || status > 255)
		parse->fault = "no exit status of nvidia-smi";
	else
		parse->nvidia_status = (int) status;
}

/* SLOT asleep | driver NAME: a GPU that nobody asks, or nobody can */
static void
add_silent_gpu(struct parse *parse, enum gpu_vendor vendor, char *rest)
{
	char	   *slot = report_word(&rest);
	char	   *word = report_word(&rest);
	struct gpu *gpu;

	if (word == NULL)
	{
		parse->fault = "a GPU without its state";
		return;
	}
	gpu = report_add_gpu(parse, vendor, slot);
	if (gpu == NULL)
		return;
	report_copy(gpu->bus_id, sizeof(gpu->bus_id), gpu->id);
	gpu->reason = strcmp(word, "asleep") == 0 ? REASON_ASLEEP : REASON_ABSENT;
	if (gpu->reason == REASON_ABSENT)
		report_copy(gpu->name, sizeof(gpu->name), rest);
}

static void
handle_nvidia_gpu(struct parse *parse, char *rest)
{
	add_silent_gpu(parse, GPU_NVIDIA, rest);
}

static void
finish_nvidia(struct parse *parse)
{
	const char *text = parse->nvidia_text;
	int			status = parse->nvidia_status;
	int			count = 0;

	for (int i = 0; i < parse->report->gpu_count; i++)
		count += parse->report->gpus[i].vendor == GPU_NVIDIA;

	if (status == NO_STATUS && parse->expected[SECTION_NVIDIA])
		report_status(parse, SECTION_NVIDIA, REASON_TIMEOUT, "nvidia-smi");
	else if (status == 124 || status == 137 || status == 142)
		report_status(parse, SECTION_NVIDIA, REASON_TIMEOUT, "nvidia-smi");
	else if (strstr(text, "nsufficient Permission") != NULL || strstr(text, "ermission denied") != NULL ||
			 status == 126)
		report_status(parse, SECTION_NVIDIA, REASON_DENIED, text);
	else if (count == 0 && (status == NO_STATUS || status == 6 || strstr(text, "No devices") != NULL))
		report_status(parse, SECTION_NVIDIA, REASON_ABSENT, text);
	else if (status > 0 || (status == 0 && count == 0))
		report_status(parse, SECTION_NVIDIA, REASON_ERROR,
					  status == 127 ? "nvidia-smi not found" : text);
	else
		report_status(parse, SECTION_NVIDIA, REASON_NONE, "");
}

/* --- AMD -------------------------------------------------------------------- */

static struct amd_card *
find_amd(struct parse *parse, int gpu)
{
	struct amd_card *card;

	for (int i = 0; i < parse->amd_count; i++)
		if (parse->amd[i].gpu == gpu)
			return &parse->amd[i];
	card = &parse->amd[parse->amd_count++];
	card->gpu = gpu;
	card->average_watts = NAN;
	card->input_watts = NAN;
	card->edge_celsius = NAN;
	card->first_celsius = NAN;
	return card;
}

static void
amd_temperature(struct parse *parse, struct amd_card *card, char *rest)
{
	double		value;

	if (!report_double(report_word(&rest), &value) || value == 0)
		return;					/* a sensor that is not there says 0 */
	value /= 1000;
	if (strcmp(rest, "edge") == 0)
		card->edge_celsius = value;
	else if (isnan(card->first_celsius) && rest[0] == '\0')
		card->first_celsius = value;
	report_add_sensor(parse->report->temperatures, &parse->report->temperature_count,
					  "amdgpu", rest, value);
}

/* amdgpu SLOT KEY VALUE */
static void
handle_amdgpu(struct parse *parse, char *rest)
{
	char	   *slot = report_word(&rest);
	char	   *key = report_word(&rest);
	struct gpu *gpu;
	struct amd_card *card;

	if (key == NULL)
	{
		parse->fault = "a GPU without its state";
		return;
	}
	gpu = report_add_gpu(parse, GPU_AMD, slot);
	if (gpu == NULL)
	{
		report_status(parse, SECTION_AMDGPU, REASON_INCOMPLETE, "too many GPUs");
		return;
	}
	card = find_amd(parse, gpu - parse->report->gpus);
	report_copy(gpu->bus_id, sizeof(gpu->bus_id), gpu->id);

	if (strcmp(key, "asleep") == 0)
		gpu->reason = REASON_ASLEEP;
	else if (strcmp(key, "integrated") == 0)
		gpu->integrated = true;
	else if (strcmp(key, "name") == 0)
		report_copy(gpu->name, sizeof(gpu->name), rest);
	else if (strcmp(key, "driver") == 0)
		report_copy(gpu->name, sizeof(gpu->name), rest);
	else if (strcmp(key, "temperature") == 0)
		amd_temperature(parse, card, rest);
	else if (strcmp(key, "gpu_busy_percent") == 0)
		gpu->utilization_percent = number_or_nan(rest, 1);
	else if (strcmp(key, "mem_info_vram_used") == 0)
		gpu->memory_used_bytes = number_or_nan(rest, 1);
	else if (strcmp(key, "mem_info_vram_total") == 0)
		gpu->memory_total_bytes = number_or_nan(rest, 1);
	else if (strcmp(key, "power1_average") == 0 || strcmp(key, "power1_input") == 0)
	{
		double	   *watts = strcmp(key, "power1_input") == 0 ? &card->input_watts
			: &card->average_watts;

		if (!report_double(rest, watts))
			gpu->reason = strcmp(rest, "denied") == 0 ? REASON_DENIED : REASON_ERROR;
		else
			*watts /= 1e6;
	}
}

static void
finish_amd(struct parse *parse)
{
	struct report *report = parse->report;

	for (int i = 0; i < parse->amd_count; i++)
	{
		struct amd_card *card = &parse->amd[i];
		struct gpu *gpu = &report->gpus[card->gpu];

		gpu->temperature_celsius = isnan(card->edge_celsius) ? card->first_celsius : card->edge_celsius;
		gpu->power_watts = isnan(card->average_watts) ? card->input_watts : card->average_watts;
		if (!isnan(gpu->power_watts))
			gpu->reason = REASON_NONE;
		else if (gpu->reason == REASON_NONE)
			gpu->reason = REASON_ABSENT;
	}
	report_status(parse, SECTION_AMDGPU, parse->amd_count == 0 ? REASON_ABSENT : REASON_NONE, "");
}

/* --- Intel ------------------------------------------------------------------ */

/* intel_gpu SLOT asleep | DRIVER HWMON */
static void
handle_intel_gpu(struct parse *parse, char *rest)
{
	char	   *slot = report_word(&rest);
	char	   *word = report_word(&rest);
	struct intel_card *card;
	struct gpu *gpu;

	if (word == NULL)
	{
		parse->fault = "a GPU without its state";
		return;
	}
	for (int i = 0; i < parse->report->gpu_count; i++)
		if (parse->report->gpus[i].vendor == GPU_INTEL &&
			strncmp(parse->report->gpus[i].id, slot, REPORT_MAX_NAME) == 0)
		{
			parse->fault = "one GPU twice";
			return;
		}
	gpu = report_add_gpu(parse, GPU_INTEL, slot);
	if (gpu == NULL)
	{
		report_status(parse, SECTION_INTEL_GPU, REASON_INCOMPLETE, "too many GPUs");
		return;
	}
	report_copy(gpu->bus_id, sizeof(gpu->bus_id), gpu->id);
	if (strcmp(word, "asleep") == 0)
	{
		gpu->reason = REASON_ASLEEP;
		return;
	}
	gpu->reason = REASON_ABSENT;	/* until its counter is seen */
	card = &parse->intel[parse->intel_count++];
	card->gpu = gpu - parse->report->gpus;
	card->is_xe = strcmp(word, "xe") == 0;
	report_copy(card->hwmon, sizeof(card->hwmon), rest);
}

/* gpu_energy END FILE MICROJOULES | absent | denied | error */
static void
handle_gpu_energy(struct parse *parse, char *rest)
{
	char	   *file;
	char	   *value;
	char	   *name;
	int			end;

	if (!report_end(parse, report_word(&rest), &end))
		return;
	file = report_word(&rest);
	value = report_word(&rest);
	name = file ? strrchr(file, '/') : NULL;
	if (name == NULL || value == NULL)
	{
		parse->fault = "a GPU's energy without its file or value";
		return;
	}
	*name++ = '\0';
	for (int i = 0; i < parse->intel_count; i++)
	{
		struct intel_card *card = &parse->intel[i];
		int			counter = strcmp(name, "energy1_input") == 0 ? 0 : 1;

		if (strcmp(card->hwmon, file) != 0)
			continue;
		card->known[counter][end] = report_u64(value, &card->energy_uj[counter][end]);
		if (!card->known[counter][end])
			parse->report->gpus[card->gpu].reason =
				strcmp(value, "denied") == 0 ? REASON_DENIED : REASON_ERROR;
	}
}

static void
finish_intel(struct parse *parse)
{
	bool		seen = false;

	for (int i = 0; i < parse->intel_count; i++)
	{
		struct intel_card *card = &parse->intel[i];
		struct gpu *gpu = &parse->report->gpus[card->gpu];
		int			counter = 0;

		/* xe: energy1 is the whole card where it counts, energy2 the package */
		if (card->is_xe && !(card->known[0][1] && card->energy_uj[0][1] > 0))
			counter = 1;
		if (!card->known[counter][0] || !card->known[counter][1])
			continue;
		gpu->has_energy = true;
		gpu->energy_uj[0] = card->energy_uj[counter][0];
		gpu->energy_uj[1] = card->energy_uj[counter][1];
		gpu->reason = REASON_NONE;
	}
	for (int i = 0; i < parse->report->gpu_count; i++)
		seen |= parse->report->gpus[i].vendor == GPU_INTEL;
	report_status(parse, SECTION_INTEL_GPU, seen ? REASON_NONE : REASON_ABSENT, "");
}

void
report_finish_gpus(struct parse *parse)
{
	finish_nvidia(parse);
	finish_amd(parse);
	finish_intel(parse);
}

const struct line_kind report_gpu_lines[] = {
	{"nvidia", handle_nvidia},
	{"nvidia_exit", handle_nvidia_exit},
	{"nvidia_gpu", handle_nvidia_gpu},
	{"amdgpu", handle_amdgpu},
	{"intel_gpu", handle_intel_gpu},
	{"gpu_energy", handle_gpu_energy},
	{NULL, NULL}
};

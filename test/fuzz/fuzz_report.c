/*
 * fuzz_report.c: any bytes as a whole report, then as the node's next one: what
 * the parser takes is printable, survives the pipe and JSON, and gives no energy
 * below zero, no infinite number and no more power than the registry allows.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "power.h"
#include "report_parse.h"
#include "text.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct report reports[2];
static struct power_state states[2];
static struct power_state again;

static void
check(bool right)
{
	if (!right)
		abort();
}

/* NAN is "not known". */
static void
check_number(double value, double most)
{
	check(isnan(value) || (value >= 0 && value <= most));
}

static void
check_report(const struct report *report)
{
	static char json[REPORT_JSON_SIZE];
	size_t		length = report_json(report, json, sizeof(json));

	check(length > 0 && length < sizeof(json) && text_is_printable(json, length));
	check(text_is_printable(report->system_text, strlen(report->system_text)));
	check(text_is_printable(report->boot_id, strlen(report->boot_id)));
	for (int i = 0; i < report->gpu_count; i++)
		check(text_is_printable(report->gpus[i].name, strlen(report->gpus[i].name)));
}

static void
check_reading(int n)
{
	static uint8_t bytes[POWER_STATE_MAX_SIZE];
	struct power_context context = {
		.type = NODE_AUTO, .poll_interval = 300, .max_watts = 1000
	};
	struct reading reading;
	bool		newer;
	size_t		length;

	power_compute(&context, &reports[n], &states[0], &reading, &states[1], &newer);
	check_number(reading.cpu_power_watts, 1000);
	check_number(reading.total_power_watts, INFINITY);
	check(!isinf(reading.total_power_watts));
	check_number(reading.energy_joules, HUGE_VAL);
	check(!isinf(reading.energy_joules));
	check_number(reading.cpu_utilization, 100);
	check(isnan(reading.interval_seconds) || reading.interval_seconds >= 0);
	if (newer)
	{
		length = power_state_encode(&states[1], bytes, sizeof(bytes));
		check(length > 0 && power_state_decode(bytes, length, &again));
		states[0] = states[1];
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char		error[256];
	/* the second report follows a byte that none contains */
	const uint8_t *end = memchr(data, 0x01, size);
	size_t		first = end != NULL ? (size_t) (end - data) : size;
	const char *texts[2] = {(const char *) data, (const char *) data + first + 1};
	size_t		lengths[2] = {first, end != NULL ? size - first - 1 : 0};

	memset(&states[0], 0, sizeof(states[0]));
	for (int i = 0; i < 2; i++)
	{
		/* a copy of its own length, so that a byte too far is seen */
		char	   *text = malloc(lengths[i] + 1);

		memcpy(text, lengths[i] > 0 ? texts[i] : "", lengths[i]);
		text = realloc(text, lengths[i] > 0 ? lengths[i] : 1);
		error[0] = '\0';
		if (report_parse(text, lengths[i], &reports[i], error, sizeof(error)) == OUTCOME_READ)
		{
			check_report(&reports[i]);
			check_reading(i);
		}
		else
			check(error[0] != '\0' && text_is_printable(error, strlen(error)));
		free(text);
	}
	return 0;
}

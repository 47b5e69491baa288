/*
 * fuzz_json.c: any line as the JSON that a Mac's powermetrics helper wrote, by
 * itself and within a report.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report_internal.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
member(void *context, const char *path, double value, const char *text)
{
	/* numbers are finite; NAN stands for what is no number */
	if (isinf(value) || strlen(path) > 4096 || (text != NULL && strlen(text) > 4096))
		abort();
	++*(int *) context;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct report report;
	char		error[256];
	char	   *line = malloc(size + 1);
	char	   *whole = malloc(size + 256);
	int			members = 0;
	int			length;

	memcpy(line, data, size);
	line[size] = '\0';
	report_read_json(line, member, &members);
	length = snprintf(whole, size + 256,
					  "tribe_power_probe 1\nsystem Darwin 23.1.0\nboot 1\nclock 0 10.00 10.00\n"
					  "clock 1 11.00 11.00\npowermetrics_file 5 /x\npowermetrics_json %s\nend\n", line);
	if (report_parse(whole, length, &report, error, sizeof(error)) == OUTCOME_READ &&
		(isinf(report.powermetrics_cpu_watts) || isinf(report.powermetrics_gpu_watts) ||
		 report.powermetrics_cpu_watts < 0 || report.powermetrics_gpu_watts < 0))
		abort();
	free(whole);
	free(line);
	return 0;
}

/*
 * report_internal.h: what the files of the report parser share.  For
 * report*.c only.
 */
#ifndef TRIBE_POWER_REPORT_INTERNAL_H
#define TRIBE_POWER_REPORT_INTERNAL_H

#include "report_parse.h"

/* A longer line is no line of the probe's. */
#define MAX_LINE 4096

#define NO_STATUS (-1)

/* An amdgpu hwmon as far as it is known; the rest goes into its struct gpu. */
struct amd_card
{
	int			gpu;			/* index in report->gpus */
	double		average_watts;
	double		input_watts;
	double		edge_celsius;
	double		first_celsius;	/* of a card that labels none */
};

struct intel_card
{
	int			gpu;
	bool		is_xe;
	char		hwmon[REPORT_MAX_NAME + 1]; /* directory of its counters */
	bool		known[2][2];	/* [energy1, energy2][end] */
	uint64_t	energy_uj[2][2];
};

/* Kilobytes of /proc/meminfo; NAN where the line is missing. */
struct meminfo
{
	double		total, available, free, buffers, cached, reclaimable, shared;
};

struct vm_stat
{
	double		page_size, anonymous, purgeable, wired, compressor;
};

/* The state of parsing: the report, and facts that only make sense together. */
struct parse
{
	struct report *report;
	const char *fault;			/* what made the text garbled; NULL: nothing */

	bool		expected[SECTION_COUNT];	/* a tool was asked ... */
	bool		ended[SECTION_COUNT];	/* ... and answered, or gave up */

	int			nvidia_status;
	char		nvidia_text[REPORT_MAX_DETAIL + 1];
	int			ipmi_status;
	char		ipmi_text[REPORT_MAX_DETAIL + 1];
	bool		ipmi_denied;

	int			amd_count;
	struct amd_card amd[REPORT_MAX_GPUS];
	int			intel_count;
	struct intel_card intel[REPORT_MAX_GPUS];

	struct meminfo meminfo;
	struct vm_stat vm_stat;

	double		now;			/* the Mac's seconds since the epoch */
	double		file_time;		/* of the helper's file being read */
	char		file_path[REPORT_MAX_NAME + 1];
	bool		has_macmon;
};

/*
 * A line's handler: gets what stands behind the key, may write into it, and
 * sets parse->fault where the probe cannot have written it.
 */
typedef void (*line_handler) (struct parse *parse, char *rest);

struct line_kind
{
	const char *key;
	line_handler handle;
};

/* Tables, each ended by a NULL key. */
extern const struct line_kind report_linux_lines[];
extern const struct line_kind report_gpu_lines[];
extern const struct line_kind report_macos_lines[];

/* Once all lines are in. */
void		report_finish_linux(struct parse *parse);
void		report_finish_gpus(struct parse *parse);
void		report_finish_macos(struct parse *parse);

/* --- helpers, in report.c --------------------------------------------------- */

/* Cuts the next word off *rest; NULL if there is none. */
char	   *report_word(char **rest);

/* Numbers in full: nothing before, nothing behind.  False for anything else. */
bool		report_u64(const char *word, uint64_t *value);
bool		report_double(const char *word, double *value);

/* The window's end that a word names ("0" or "1"), or a fault. */
bool		report_end(struct parse *parse, const char *word, int *end);

void		report_copy(char *target, size_t size, const char *text);
void		report_status(struct parse *parse, enum section section,
						  enum problem_reason reason, const char *detail);
/* The first reason stays; the first detail too. */
void		report_add_sensor(struct sensor *sensors, uint16_t *count, const char *source,
							  const char *label, double value);
struct gpu *report_add_gpu(struct parse *parse, enum gpu_vendor vendor, const char *id);

/* The members of a JSON object, also of objects in it ("temp.cpu_temp_avg"):
 * one call each for numbers (text is NULL) and strings (value is NAN).  False
 * if this is not JSON. */
typedef void (*json_member) (void *context, const char *path, double value, const char *text);
bool		report_read_json(const char *text, json_member member, void *context);

#endif

/*
 * raw_data.h: what is stored as jsonb.
 */
#ifndef TRIBE_POWER_RAW_DATA_H
#define TRIBE_POWER_RAW_DATA_H

#include "postgres.h"

#include "common/power.h"

/* The report for raw_data: what report_json() would say, as a palloc'd jsonb. */
extern Datum raw_data_jsonb(const struct report *report);

/* {"rapl": "denied"}, palloc'd; 0 if there is no problem. */
extern Datum problems_jsonb(const struct reading *reading);

#endif

/*
 * node_log.c: says in the server's log how a node's state changed.  What a node
 * does decides how often that is, so each has a budget of lines: nobody fills
 * the log from outside.  Holds nothing but that budget.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "node_log.h"
#include "remedy.h"
#include "suspects.h"
#include "ticks.h"

typedef struct Budget
{
	char		node_name[WIRE_MAX_NAME + 1];
	double		lines;			/* that may still be written */
	TimestampTz since;			/* when that was computed, in ticks */
	int			left_out;		/* since the last line */
} Budget;

static HTAB *budgets = NULL;

/* True if a line may be written now; how many were left out before it. */
static bool
spend(const char *node_name, int *left_out)
{
	TimestampTz now = ticks_now();
	Budget	   *budget;
	bool		found;

	if (budgets == NULL)
		budgets = hash_create("tribe_power log lines", 64, &(HASHCTL)
							  {
								  .keysize = WIRE_MAX_NAME + 1,
								  .entrysize = sizeof(Budget),
								  .hcxt = TopMemoryContext
							  },
							  HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	budget = hash_search(budgets, node_name, HASH_ENTER, &found);
	if (!found)
	{
		budget->lines = NODE_LOG_BURST;
		budget->left_out = 0;
	}
	else
		budget->lines = Min(NODE_LOG_BURST,
							budget->lines + (now - budget->since) / (NODE_LOG_MINUTES * 60e6));
	budget->since = now;
	if (budget->lines < 1)
	{
		budget->left_out++;
		return false;
	}
	budget->lines -= 1;
	*left_out = budget->left_out;
	budget->left_out = 0;
	return true;
}

void
node_log_change(const RoundNode *node)
{
	char		summary[256];
	int			left_out;

	/* as before: read again, or failed again */
	if (node->outcome == OUTCOME_READ ? node->failures_before == 0 && node->known_before
		: node->failures_before > 0)
		return;
	if (!spend(node->name, &left_out))
		return;

	if (node->outcome != OUTCOME_READ)
	{
		char	   *remedy = remedy_of_node(node);

		ereport(LOG,
				(errmsg("node \"%s\": N/A (%s)", node->name, node->error),
				 left_out > 0 ? errdetail("%d lines about it were left out.", left_out) : 0,
				 remedy != NULL ? errhint("%s", remedy) : 0));
		return;
	}
	reading_summary(&node->reading, node->context.type, summary, sizeof(summary));
	ereport(LOG, (errmsg("node \"%s\": %s", node->name, summary),
				  left_out > 0 ? errdetail("%d lines about it were left out.", left_out) : 0));
}

void
node_log_set_aside(const RoundNode *node, TimestampTz until)
{
	ereport(LOG,
			(errmsg("node \"%s\" is set aside until %s: the poller ended %d times in a row while polling it",
					node->name, timestamptz_to_str(until), SUSPECT_MOST_DEATHS),
			 errdetail("The last time: %s.", node->error),
			 errhint("%s", remedy_fill_in(outcome_remedy(OUTCOME_SET_ASIDE), node))));
}

/*
 * remedy.c: fills the node's own names into remedies, so that they can be
 * pasted.  A name that a shell or psql could misread is not filled in.
 */
#include "postgres.h"

#include <ctype.h>

#include "lib/stringinfo.h"

#include "remedy.h"

static bool
safe_to_paste(const char *value)
{
	const char *p;

	for (p = value; *p != '\0'; p++)
	{
		if (!isalnum((unsigned char) *p) && strchr("._-:/@%+", *p) == NULL)
			return false;
	}
	return p > value && value[0] != '-';
}

/* The token that stands at text, as a whole word; its value, or NULL. */
static const char *
token_value(const char *text, const RoundNode *node, const char *port, size_t *length)
{
	const struct job *job = &node->job.job;
	const char *const tokens[][2] = {
		{"NODE", node->name}, {"ADDRESS", job->address}, {"PORT", port},
		{"USER", job->user}, {"FILE", job->identity_file},
	};
	int			i;

	for (i = 0; i < lengthof(tokens); i++)
	{
		*length = strlen(tokens[i][0]);
		if (strncmp(text, tokens[i][0], *length) == 0 &&
			!isalnum((unsigned char) text[*length]) && text[*length] != '_')
			return safe_to_paste(tokens[i][1]) ? tokens[i][1] : NULL;
	}
	return NULL;
}

char *
remedy_fill_in(const char *remedy, const RoundNode *node)
{
	StringInfoData buffer;
	char		port[16];
	const char *p = remedy;

	snprintf(port, sizeof(port), "%d", node->job.job.port);
	initStringInfo(&buffer);
	while (*p != '\0')
	{
		bool		starts = p == remedy || (!isalnum((unsigned char) p[-1]) && p[-1] != '_');
		size_t		length;
		const char *value = starts ? token_value(p, node, port, &length) : NULL;

		if (value != NULL)
		{
			appendStringInfoString(&buffer, value);
			p += length;
		}
		else
			appendStringInfoChar(&buffer, *p++);
	}
	return buffer.data;
}

char *
remedy_of_node(const RoundNode *node)
{
	const char *remedy = "";

	if (node->outcome != OUTCOME_READ)
		remedy = outcome_remedy(node->outcome);
	else if (node->reading.problem_count > 0)
		remedy = problem_remedy(node->reading.problems[0].section,
								node->reading.problems[0].reason);
	return remedy[0] != '\0' ? remedy_fill_in(remedy, node) : NULL;
}

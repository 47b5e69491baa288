/*
 * report_json.c: a report as JSON text.  What it looks like is report_members.c's.
 */
#include "report.h"

#include <stdio.h>
#include <string.h>

/* Writes into the caller's buffer; once it is full, failed stays true. */
struct out
{
	char	   *buffer;
	size_t		size;
	size_t		length;
	bool		failed;
	bool		comma;			/* a member stands before the next one */
};

static void
put_bytes(struct out *out, const char *text, size_t length)
{
	if (out->failed || length >= out->size - out->length)
	{
		out->failed = true;
		return;
	}
	memcpy(out->buffer + out->length, text, length);
	out->length += length;
	out->buffer[out->length] = '\0';
}

static void
put(struct out *out, const char *text)
{
	put_bytes(out, text, strlen(text));
}

static void
put_quoted(struct out *out, const char *text)
{
	char		escaped[3] = "\\?";

	put(out, "\"");
	while (*text != '\0')
	{
		size_t		plain = 0;

		/* what needs no escape goes in one piece */
		while (text[plain] >= ' ' && text[plain] < 0x7f && text[plain] != '"' && text[plain] != '\\')
			plain++;
		put_bytes(out, text, plain);
		text += plain;
		if (*text == '\0')
			break;
		escaped[1] = *text;
		put(out, *text == '"' || *text == '\\' ? escaped : "?");
		text++;
	}
	put(out, "\"");
}

/* Begins a member; without a name, an element. */
static void
put_name(struct out *out, const char *name)
{
	if (out->comma)
		put(out, ",");
	if (name != NULL)
	{
		put_quoted(out, name);
		put(out, ":");
	}
	out->comma = true;
}

static void
text_open(void *arg, const char *name, bool array)
{
	struct out *out = arg;

	put_name(out, name);
	put(out, array ? "[" : "{");
	out->comma = false;
}

static void
text_close(void *arg, bool array)
{
	struct out *out = arg;

	put(out, array ? "]" : "}");
	out->comma = true;
}

static void
text_text(void *arg, const char *name, const char *text)
{
	put_name(arg, name);
	put_quoted(arg, text);
}

static void
text_number(void *arg, const char *name, double value)
{
	char		text[40];

	put_name(arg, name);
	snprintf(text, sizeof(text), "%.15g", value);
	put(arg, text);
}

static void
text_count(void *arg, const char *name, uint64_t value)
{
	char		text[24];

	put_name(arg, name);
	snprintf(text, sizeof(text), "%llu", (unsigned long long) value);
	put(arg, text);
}

static void
text_truth(void *arg, const char *name)
{
	put_name(arg, name);
	put(arg, "true");
}

static void
text_null(void *arg, const char *name)
{
	put_name(arg, name);
	put(arg, "null");
}

size_t
report_json(const struct report *report, char *buffer, size_t size)
{
	static const struct json_sink sink = {
		text_open, text_close, text_text, text_number, text_count, text_truth, text_null
	};
	struct out	out = {.buffer = buffer, .size = size};

	if (size == 0)
		return 0;
	report_members(report, &sink, &out);
	if (out.failed)
	{
		buffer[0] = '\0';
		return 0;
	}
	return out.length;
}

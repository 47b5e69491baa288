/*
 * report_json_read.c: reads the JSON that a helper on a node wrote.  Strict,
 * bounded in depth, without allocation; a pure function of the text.
 */
#include "report_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_DEPTH 8
#define MAX_JSON_PATH 127
#define MAX_JSON_STRING 255

struct json
{
	const char *at;
	json_member member;
	void	   *context;
	char		path[MAX_JSON_PATH + 1];
	int			depth;
};

static bool read_value(struct json *json);

static void
skip_space(struct json *json)
{
	while (*json->at == ' ' || *json->at == '\t' || *json->at == '\n' || *json->at == '\r')
		json->at++;
}

static bool
take(struct json *json, char c)
{
	skip_space(json);
	if (*json->at != c)
		return false;
	json->at++;
	return true;
}

/* Reads a string; what is too long or escaped beyond need is cut or '?'. */
static bool
read_string(struct json *json, char *target, size_t size)
{
	size_t		length = 0;

	if (!take(json, '"'))
		return false;
	while (*json->at != '"')
	{
		char		c = *json->at++;

		if ((unsigned char) c < ' ')
			return false;		/* its end, too */
		if (c == '\\')
		{
			c = *json->at++;
			if (c == '\0' || strchr("\"\\/bfnrtu", c) == NULL)
				return false;
			if (c == 'u')
			{
				for (int i = 0; i < 4; i++, json->at++)
					if (*json->at == '\0' || strchr("0123456789abcdefABCDEF", *json->at) == NULL)
						return false;
			}
			if (strchr("bfnrtu", c) != NULL)
				c = '?';
		}
		if (length + 1 < size)
			target[length++] = c;
	}
	json->at++;
	target[length] = '\0';
	return true;
}

/* Appends as much as fits. */
static void
extend_path(struct json *json, const char *text)
{
	size_t		length = strlen(json->path);

	while (*text != '\0' && length + 1 < sizeof(json->path))
		json->path[length++] = *text++;
	json->path[length] = '\0';
}

static bool
read_object(struct json *json)
{
	size_t		base = strlen(json->path);
	char		key[MAX_JSON_STRING + 1];

	if (take(json, '}'))
		return true;
	do
	{
		if (!read_string(json, key, sizeof(key)) || !take(json, ':'))
			return false;
		/* a key too long to be one of ours is cut, and so matches none */
		if (base > 0)
			extend_path(json, ".");
		extend_path(json, key);
		if (!read_value(json))
			return false;
		json->path[base] = '\0';
	} while (take(json, ','));
	return take(json, '}');
}

static bool
read_array(struct json *json)
{
	size_t		base = strlen(json->path);
	int			index = 0;

	if (take(json, ']'))
		return true;
	do
	{
		snprintf(json->path + base, sizeof(json->path) - base, "[%d]", index++);
		if (!read_value(json))
			return false;
		json->path[base] = '\0';
	} while (take(json, ','));
	return take(json, ']');
}

static bool
read_number(struct json *json)
{
	size_t		length = strspn(json->at, "0123456789.+-eE");
	char		word[41];
	double		value;

	if (length == 0 || length >= sizeof(word))
		return false;
	memcpy(word, json->at, length);
	word[length] = '\0';
	if (!report_double(word, &value))
		return false;
	json->at += length;
	json->member(json->context, json->path, value, NULL);
	return true;
}

static bool
read_value(struct json *json)
{
	char		text[MAX_JSON_STRING + 1];
	bool		good;

	skip_space(json);
	switch (*json->at)
	{
		case '{':
		case '[':
			if (json->depth >= MAX_DEPTH)
				return false;
			json->depth++;
			good = *json->at++ == '{' ? read_object(json) : read_array(json);
			json->depth--;
			return good;
		case '"':
			if (!read_string(json, text, sizeof(text)))
				return false;
			json->member(json->context, json->path, NAN, text);
			return true;
		case 't':
		case 'f':
		case 'n':
			for (int i = 0; i < 3; i++)
			{
				static const char *const words[] = {"true", "false", "null"};

				if (strncmp(json->at, words[i], strlen(words[i])) == 0)
				{
					json->at += strlen(words[i]);
					return true;
				}
			}
			return false;
		default:
			return read_number(json);
	}
}

bool
report_read_json(const char *text, json_member member, void *context)
{
	struct json json = {.at = text, .member = member, .context = context};

	skip_space(&json);
	if (*json.at != '{' || !read_value(&json))
		return false;
	skip_space(&json);
	return *json.at == '\0';
}

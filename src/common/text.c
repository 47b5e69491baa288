/*
 * text.c: checking and cleaning text that came from elsewhere (text.h).  Pure
 * functions of their bytes, safe on anything.
 */
#include "text.h"

/* The length of the printable character at text, or 0 if there is none. */
static size_t
printable_character(const unsigned char *text, size_t length)
{
	unsigned char first = text[0];
	size_t		size;
	unsigned long code;

	if (first < 0x20 || first == 0x7f)
		return 0;
	if (first < 0x80)
		return 1;

	if (first >= 0xc2 && first <= 0xdf)
	{
		size = 2;
		code = first & 0x1f;
	}
	else if ((first & 0xf0) == 0xe0)
	{
		size = 3;
		code = first & 0x0f;
	}
	else if (first >= 0xf0 && first <= 0xf4)
	{
		size = 4;
		code = first & 0x07;
	}
	else
		return 0;

	if (length < size)
		return 0;
	for (size_t i = 1; i < size; i++)
	{
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}

	/* overlong forms, surrogates, beyond Unicode, and the C1 controls */
	if ((size == 3 && code < 0x800) || (size == 4 && code < 0x10000) ||
		(code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff || code < 0xa0)
		return 0;
	/* line and paragraph separators, and what turns the writing around */
	if (code == 0x2028 || code == 0x2029 || (code >= 0x202a && code <= 0x202e) ||
		(code >= 0x2066 && code <= 0x2069))
		return 0;
	return size;
}

bool
text_is_printable(const char *text, size_t length)
{
	const unsigned char *bytes = (const unsigned char *) text;

	for (size_t i = 0; i < length;)
	{
		size_t		size = printable_character(bytes + i, length - i);

		if (size == 0)
			return false;
		i += size;
	}
	return true;
}

size_t
text_clean(char *target, size_t size, const char *text, size_t length)
{
	const unsigned char *bytes = (const unsigned char *) text;
	size_t		used = 0;

	if (size == 0)
		return 0;
	for (size_t i = 0; i < length;)
	{
		size_t		taken = printable_character(bytes + i, length - i);
		size_t		given = taken > 0 ? taken : 1;

		if (used + given >= size)
			break;
		if (taken == 0)
			target[used++] = '?';
		else
			for (size_t j = 0; j < taken; j++)
				target[used++] = text[i + j];
		i += given;
	}
	target[used] = '\0';
	return used;
}

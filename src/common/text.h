/*
 * text.h: text that came from elsewhere, made fit to be shown.
 *
 * Error lines quote what servers, files and users wrote; nothing of that may
 * carry a control character or broken UTF-8 into a log, a terminal or a table.
 */
#ifndef TRIBE_POWER_TEXT_H
#define TRIBE_POWER_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Valid UTF-8 without control characters (C0, DEL, C1), on one line. */
bool		text_is_printable(const char *text, size_t length);

/*
 * Copies as much of text as fits with its NUL, each byte that is not part of
 * printable UTF-8 replaced by '?', never cutting a character in two.  Returns
 * the length written.
 */
size_t		text_clean(char *target, size_t size, const char *text, size_t length);

#endif

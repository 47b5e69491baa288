/*
 * fuzz_registry.c: any text as what the registry and the settings take: a host
 * key, base64, a node type, text to be cleaned of control characters.
 */
#include <stdlib.h>
#include <string.h>

#include "hostkey_text.h"
#include "report.h"
#include "power.h"
#include "text.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char		error[256] = "";
	char		clean[64];
	char	   *text = malloc(size + 1);
	char	   *encoded = malloc(4 * ((size + 2) / 3) + 1);
	enum hostkey_type type;
	enum node_type node_type;
	size_t		length;

	memcpy(text, data, size);
	text[size] = '\0';

	if (!hostkey_text_valid(text, error, sizeof(error)) &&
		(error[0] == '\0' || !text_is_printable(error, strlen(error))))
		abort();
	hostkey_blob_type(data, size, &type);
	node_type_parse(text, &node_type);

	length = text_clean(clean, sizeof(clean), text, size);
	if (length >= sizeof(clean) || strlen(clean) != length || !text_is_printable(clean, length))
		abort();
	if (base64_encode(data, size, encoded, 4 * ((size + 2) / 3) + 1) == 0 && size > 0)
		abort();
	free(encoded);
	free(text);
	return 0;
}

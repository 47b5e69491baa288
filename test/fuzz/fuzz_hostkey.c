/*
 * fuzz_hostkey.c: any bytes as a known_hosts file, as pins, and as a key blob.
 */
#include <stdlib.h>
#include <string.h>

#include "hostkey.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char pins[PINS_SIZE];
	char		preference[PREFERENCE_SIZE];
	char		error[512];
	char	   *text = malloc(size + 1);
	enum hostkey_type type;

	memcpy(text, data, size);
	text[size] = '\0';
	if (hostkey_select(text, size, "redfin", size % 2 == 0 ? 22 : 2222, pins))
	{
		hostkey_preference(pins, preference);
		/* what is not pinned must never pass where something is */
		if (hostkey_check(pins, data, size, HOST_KEY_STRICT, "redfin", error,
						  sizeof(error)) == OUTCOME_READ && pins[0] == '\0')
			abort();
	}
	if (hostkey_pins_of_text(text, pins, error, sizeof(error)) == OUTCOME_READ && pins[0] == '\0')
		abort();
	hostkey_blob_type(data, size, &type);
	free(text);
	return 0;
}

/*
 * fuzz_key.c: any bytes as a private key file.
 */
#include <stdlib.h>

#include "key.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct private_key key;
	char		error[512] = "";

	if (key_parse((const char *) data, size, &key, error, sizeof(error)) == OUTCOME_READ)
		key_clear(&key);
	else if (error[0] == '\0' || key.pkey != NULL)
		abort();
	return 0;
}

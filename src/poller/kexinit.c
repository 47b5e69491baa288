/*
 * kexinit.c: reads a server's list of methods (kexinit.h).  A pure function of
 * bytes; libssh2 says only that there was no agreement.
 */
#include "kexinit.h"

#include <string.h>

#define SSH_MSG_KEXINIT 20
#define COOKIE 16

static size_t
number_at(const uint8_t *bytes)
{
	return (size_t) bytes[0] << 24 | (size_t) bytes[1] << 16 | (size_t) bytes[2] << 8 | bytes[3];
}

/* Where the packet behind the banner begins; NULL if there is none. */
static const uint8_t *
behind_banner(const uint8_t *bytes, const uint8_t *end)
{
	while (bytes < end)
	{
		const uint8_t *newline = memchr(bytes, '\n', end - bytes);
		bool		banner = end - bytes >= 4 && memcmp(bytes, "SSH-", 4) == 0;

		if (newline == NULL)
			return NULL;
		bytes = newline + 1;
		if (banner)
			return bytes;
	}
	return NULL;
}

/* Whether two lists of names, separated by commas, have one in common. */
static bool
share_a_name(const char *offered, size_t length, const char *ours)
{
	const char *end = offered + length;

	while (offered < end)
	{
		const char *comma = memchr(offered, ',', end - offered);
		size_t		size = (comma != NULL ? comma : end) - offered;

		for (const char *own = ours; size > 0 && *own != '\0';)
		{
			size_t		own_size = strcspn(own, ",");

			if (own_size == size && memcmp(own, offered, size) == 0)
				return true;
			own += own_size;
			own += *own == ',';
		}
		offered += size + 1;
	}
	return false;
}

bool
kexinit_disagreement(const uint8_t *bytes, size_t length, const char *const ours[KEXINIT_LISTS],
					 enum kexinit_list *list, char *offered, size_t size)
{
	const uint8_t *end = bytes + length;
	const uint8_t *at = behind_banner(bytes, end);

	if (at == NULL || end - at < 6 + COOKIE || at[5] != SSH_MSG_KEXINIT)
		return false;
	at += 6 + COOKIE;
	for (int i = 0; i < KEXINIT_LISTS; i++)
	{
		size_t		names;

		if (end - at < 4)
			return false;
		names = number_at(at);
		at += 4;
		if (names > (size_t) (end - at))
			return false;
		if (!share_a_name((const char *) at, names, ours[i]))
		{
			*list = i;
			if (names > size - 1)
				names = size - 1;
			memcpy(offered, at, names);
			offered[names] = '\0';
			return true;
		}
		at += names;
	}
	return false;
}

const char *
kexinit_list_name(enum kexinit_list list)
{
	switch (list)
	{
		case KEXINIT_KEX:
			return "key exchanges";
		case KEXINIT_HOST_KEY:
			return "host keys";
		case KEXINIT_CIPHER_TO_SERVER:
		case KEXINIT_CIPHER:
			return "ciphers";
		default:
			return "MACs";
	}
}

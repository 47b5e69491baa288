/*
 * kexinit.h: what a server offered in its first message, for the words when no
 * method of it is one of ours.
 */
#ifndef TRIBE_POWER_KEXINIT_H
#define TRIBE_POWER_KEXINIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Enough for the banner and the first message of the servers there are. */
#define KEXINIT_MAX 2048

/* The lists of a key exchange's first message that have to agree. */
enum kexinit_list
{
	KEXINIT_KEX = 0,
	KEXINIT_HOST_KEY,
	KEXINIT_CIPHER_TO_SERVER,
	KEXINIT_CIPHER,				/* from the server */
	KEXINIT_MAC_TO_SERVER,
	KEXINIT_MAC,
	KEXINIT_LISTS
};

/*
 * Looks through what a server sent first: its banner and SSH_MSG_KEXINIT (RFC
 * 4253, 7.1), as far as they are there.  True if one of its lists has no name of
 * ours, which are separated by commas; then offered is that list as it was sent
 * (hostile: to be cleaned), cut to size.
 */
bool		kexinit_disagreement(const uint8_t *bytes, size_t length,
								 const char *const ours[KEXINIT_LISTS],
								 enum kexinit_list *list, char *offered, size_t size);

/* "ciphers" and the like. */
const char *kexinit_list_name(enum kexinit_list list);

#endif

/*
 * sshd_fixture.h: a real sshd on loopback, as the current user, in a directory
 * of its own; and scripted peers that only pretend to be one.
 */
#ifndef SSHD_FIXTURE_H
#define SSHD_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A directory with keys, made once for a test program. */
struct keys
{
	char		directory[64];
	char		user[64];
	char		identity[128];	/* ed25519; the others beside it */
	char		identity_rsa[128];
	char		identity_ecdsa[128];
	char		host_ed25519[512];	/* public lines: type and key */
	char		host_ecdsa[512];
};

void		keys_create(struct keys *keys);
void		keys_remove(struct keys *keys);

struct sshd
{
	const struct keys *keys;
	pid_t		pid;
	uint16_t	port;
	char		directory[96];
};

/*
 * Starts sshd with extra lines of configuration ("" for none).  command, if not
 * NULL, is the forced command of the authorised key.
 */
void		sshd_start(struct sshd *sshd, const struct keys *keys, const char *configuration,
					   const char *command);
void		sshd_stop(struct sshd *sshd);

/* How many processes its connections have, commands included. */
int			sshd_sessions(const struct sshd *sshd);

/* Sends a signal to all of those; gives how many there were. */
int			sshd_signal_sessions(const struct sshd *sshd, int signal);

/* A peer of our own: each connection is served in a process of its own. */
struct peer
{
	pid_t		pid;
	uint16_t	port;
};

void		peer_start(struct peer *peer, void (*serve) (int fd, void *arg), void *arg);
void		peer_stop(struct peer *peer);

/* A socket listening on 127.0.0.1, its port chosen by the kernel. */
int			listen_on_loopback(uint16_t *port);
int			connect_to_loopback(uint16_t port);

/* In a peer's process: sends it all, or ends the process. */
void		send_all(int fd, const void *data, size_t length);

/*
 * Gives this process, and those that it starts from now on, namespaces of their
 * own (CLONE_NEWNS, CLONE_NEWNET: with a loopback that is up), and the rights to
 * mount and to configure the network there.  Root is not needed where users may
 * make namespaces; false where they may not.  Call it before any thread or child.
 */
bool		own_namespaces(int flags);

/* Puts a file in another's place, in the process's own mount namespace. */
void		put_in_place(const char *source, const char *target);

/* The whole of a file, NUL-terminated; the caller frees it. */
char	   *read_file(const char *path);
void		write_file(const char *path, const char *text, mode_t mode);

#endif

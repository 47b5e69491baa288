/*
 * main.c: the poller program.
 *
 * With a socket as its standard input and no argument it serves the database
 * process that started it; else it is run by hand.  Either way it first takes
 * from itself what it will not need.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "hand.h"
#include "confine.h"
#include "pipe.h"

static int
socket_domain(int fd)
{
	int			domain;
	socklen_t	length = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 ? domain : AF_UNSPEC;
}

int
main(int argc, char **argv)
{
	struct hand_user user = {{0}, {0}};

	if (argc > 1)
		hand_user_init(&user);
	confine_at_start();
	/* its tables need not be taken apart at the end: the kernel drops them; and nobody
	 * asks for the words of its errors */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS, NULL);
	if (argc == 1 && socket_domain(STDIN_FILENO) == AF_UNIX)
	{
		confine_child();
		return pipe_serve(STDIN_FILENO, STDOUT_FILENO);
	}
	return hand_main(argc, argv, &user);
}

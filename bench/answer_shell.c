/*
 * answer_shell.c: the login shell of a node that answers at once: prints the file that
 * the forced command "cat FILE" names.  Starting a real shell and cat takes the node
 * longer than all that the client does, on the same processors.  Any other command is
 * sh's.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	static char text[64 * 1024];
	const char *command = argc == 3 && strcmp(argv[1], "-c") == 0 ? argv[2] : "";
	ssize_t		count;
	int			fd;

	if (strncmp(command, "cat ", 4) != 0)
	{
		execl("/bin/sh", "sh", "-c", command, (char *) NULL);
		return 127;
	}
	fd = open(command + 4, O_RDONLY);
	count = fd < 0 ? -1 : read(fd, text, sizeof(text));
	return count > 0 && write(STDOUT_FILENO, text, count) == count ? 0 : 1;
}

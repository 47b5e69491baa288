/*
 * hand.h: the poller run by hand, to look at a node without a database.
 */
#ifndef TRIBE_POWER_HAND_H
#define TRIBE_POWER_HAND_H

/* What the user's environment says, taken before it is cleared. */
struct hand_user
{
	char		home[1024];
	char		name[256];
};

void		hand_user_init(struct hand_user *user);

/* The command line of the program; its exit status. */
int			hand_main(int argc, char **argv, const struct hand_user *user);

#endif

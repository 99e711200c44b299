/* Inside the terminal code. */
#ifndef DEV_TTY_PRIV_H
#define DEV_TTY_PRIV_H

#include "dev/tty.h"
#include "dev/tty_ldisc.h"
#include "fs/file.h"

#define TTY_MAJOR     4u
#define TTYAUX_MAJOR  5u
#define TTY_DEVNO     MKDEV(TTYAUX_MAJOR, 0) /* /dev/tty: the caller's controlling terminal */
#define CONSOLE_DEVNO MKDEV(TTYAUX_MAJOR, 1)

/* Never freed. Fields: (l) lock, (c) constant. */
struct tty {
	struct spinlock lock;	 /* rank 91, interrupts off: also the driver's */
	struct tty_ldisc ld;	 /* (l) */
	struct mutex write_lock; /* rank 15: one write(2) at a time, not mixed with another's */
	struct waitqueue rwait, wwait;
	const struct tty_driver *drv; /* (c) */
	uint32_t devno;		      /* (c) */
	char name[16];		      /* (c) */
	int session, pgrp;	      /* (l) whose terminal it is; foreground group; 0: none */
	struct winsize_abi winsize;   /* (l) */
};

extern const struct tty_jobctl_ops *tty_jobctl; /* NULL before the process layer is there */

/* A member of a background group wants to change the terminal (SIGTTOU) or read (SIGTTIN): 0, -EIO,
 * -ERESTARTSYS after the signal was sent. => nothing held */
int __must_check tty_check_background(struct tty *tty, int sig);
long tty_ioctl(struct file *f, unsigned cmd, uaddr_t arg);
/* Become the session's terminal, if it may be. => nothing held. 0, -EPERM */
int tty_make_controlling(struct tty *tty, bool steal);

#endif

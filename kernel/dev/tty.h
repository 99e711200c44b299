/*
 * Terminals: line discipline (canonical mode, echo, erase, ^C ^Z ^\ ^D), window size, job control.
 * The hardware below gives characters in and takes characters out; the process layer registers what
 * it does with signals.
 */
#ifndef DEV_TTY_H
#define DEV_TTY_H

#include "lib/base.h"

struct tty;

/* A driver below: write may be called in any context and does not sleep. It is called with the
 * terminal's lock held and interrupts off, which also guards the driver's own state. */
struct tty_driver {
	void (*write)(struct tty *tty, const char *s, size_t n);
	void *priv;
};
/* "ttyS0", "tty0": makes the device node. */
struct tty *tty_register(const char *name, uint32_t devno, const struct tty_driver *drv);
/* Characters from the hardware; interrupt context. */
void tty_input(struct tty *tty, const char *s, size_t n);
void tty_set_console(struct tty *tty); /* what /dev/console is */

/* Up-calls: registered by kernel/proc. */
struct tty_jobctl_ops {
	void (*signal_pgrp)(int pgrp, int sig); /* any context */
	int (*current_pgrp)(void);
	int (*current_sid)(void);
	bool (*current_is_leader)(void); /* session leader */
	bool (*signal_ignored)(int sig); /* blocked or ignored by the current thread */
	bool (*pgrp_orphaned)(int pgrp);
	bool (*pgrp_in_session)(int pgrp, int sid);
	struct tty *(*current_tty)(void); /* the controlling terminal, or NULL */
	void (*set_tty)(
		int sid, struct tty *tty); /* for all processes of the session; NULL: lose it */
};
void tty_set_jobctl(const struct tty_jobctl_ops *ops);
/* The session leader ends: SIGHUP and SIGCONT to the foreground group, the terminal is free. */
void tty_session_end(struct tty *tty, int sid);
uint32_t tty_devno(const struct tty *tty);
int tty_foreground_pgrp(const struct tty *tty);
/* Window size, as the driver knows it (tty0: 25 x 80). */
void tty_set_winsize(struct tty *tty, unsigned rows, unsigned cols);
/* A second name and number for a terminal. */
void tty_register_alias(struct tty *tty, const char *name, uint32_t devno);
/* All terminals: serial line, screen and keyboard, /dev/tty, /dev/console (the last console= of the
 * command line; without one the serial line if there is one). After devfs_init, with interrupts. */
void tty_init(void);

#endif

/*
 * Terminals: open, read, write, poll; characters from the hardware; job control.
 *
 * A terminal's spinlock guards its line discipline and its driver, and is taken by interrupts.
 * Wake-ups and signals follow from what the line discipline noted, after the lock is gone.
 * Programs' bytes pass through a buffer on the stack, so that user memory is never touched under
 * the lock.
 *
 * Whoever may not use the terminal now is told by a signal: a background group that reads gets
 * SIGTTIN, one that writes with TOSTOP set or changes it gets SIGTTOU (termios(3), credentials(7)).
 */
#include "dev/tty_priv.h"

#include "abi/fcntl.h"
#include "abi/signal.h"
#include "boot_info.h"
#include "dev/console.h"
#include "dev/keyboard.h"
#include "dev/uart.h"
#include "fs/devfs/devfs.h"
#include "fs/poll.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/slab.h"
#include "sched/clock.h"

#define CHUNK 256u

const struct tty_jobctl_ops *tty_jobctl;
static struct tty *console; /* what /dev/console is */

static const struct file_ops tty_file_ops;

void tty_set_jobctl(const struct tty_jobctl_ops *ops)
{
	STORE_RELEASE(tty_jobctl, ops);
}

static void put_to_driver(void *cookie, const char *s, size_t n)
{
	struct tty *tty = cookie;

	tty->drv->write(tty, s, n);
}

struct tty *tty_register(const char *name, uint32_t devno, const struct tty_driver *drv)
{
	struct tty *tty = kzalloc(sizeof(*tty), 0);
	int err;

	assert(tty);
	spin_init(&tty->lock, RANK_DEVICE, "tty");
	mutex_init(&tty->write_lock, RANK_TTY, "tty write");
	waitqueue_init(&tty->rwait);
	waitqueue_init(&tty->wwait);
	tty->drv = drv;
	tty->devno = devno;
	str_copy(tty->name, name, sizeof(tty->name));
	ldisc_init(&tty->ld, put_to_driver, tty);
	err = devfs_register(name, S_IFCHR | 0620, devno, &tty_file_ops, tty);
	assert(!err);
	return tty;
}

void tty_register_alias(struct tty *tty, const char *name, uint32_t devno)
{
	int err = devfs_register(name, S_IFCHR | 0620, devno, &tty_file_ops, tty);

	assert(!err);
}

void tty_set_winsize(struct tty *tty, unsigned rows, unsigned cols)
{
	tty->winsize = (struct winsize_abi){.ws_row = (uint16_t)rows, .ws_col = (uint16_t)cols};
}

void tty_set_console(struct tty *tty)
{
	STORE_RELEASE(console, tty);
}

uint32_t tty_devno(const struct tty *tty)
{
	return tty->devno;
}

int tty_foreground_pgrp(const struct tty *tty)
{
	return READ_ONCE(tty->pgrp);
}

static void signal_group(int pgrp, int sig)
{
	const struct tty_jobctl_ops *ops = LOAD_ACQUIRE(tty_jobctl);

	if (ops && pgrp > 0)
		ops->signal_pgrp(pgrp, sig);
}

void tty_input(struct tty *tty, const char *s, size_t n)
{
	irqflags_t flags = spin_lock_irqsave(&tty->lock);
	bool was_stopped = tty->ld.stopped, readable, moving;
	uint32_t signals;
	int pgrp;

	for (size_t i = 0; i < n; i++)
		ldisc_input(&tty->ld, (uint8_t)s[i]);
	signals = tty->ld.signals;
	tty->ld.signals = 0;
	readable = ldisc_readable(&tty->ld);
	moving = was_stopped && !tty->ld.stopped;
	pgrp = tty->pgrp;
	spin_unlock_irqrestore(&tty->lock, flags);

	for (int sig = 1; signals >> sig; sig++)
		if (signals >> sig & 1)
			signal_group(pgrp, sig);
	if (readable)
		wake_all(&tty->rwait);
	if (moving)
		wake_all(&tty->wwait);
}

int tty_check_background(struct tty *tty, int sig)
{
	const struct tty_jobctl_ops *ops = LOAD_ACQUIRE(tty_jobctl);
	int pgrp, own;

	if (!ops || ops->current_tty() != tty)
		return 0;
	pgrp = READ_ONCE(tty->pgrp);
	own = ops->current_pgrp();
	if (pgrp == 0 || pgrp == own)
		return 0;
	/* Who does not want to hear of it may write, but cannot read. */
	if (ops->signal_ignored(sig))
		return sig == SIGTTIN ? -EIO : 0;
	if (ops->pgrp_orphaned(own))
		return -EIO;
	ops->signal_pgrp(own, sig);
	return -ERESTARTSYS;
}

int tty_make_controlling(struct tty *tty, bool steal)
{
	const struct tty_jobctl_ops *ops = LOAD_ACQUIRE(tty_jobctl);
	irqflags_t flags;
	int sid, other;

	if (!ops)
		return -EPERM;
	sid = ops->current_sid();
	if (!ops->current_is_leader())
		return -EPERM;
	if (ops->current_tty())
		return ops->current_tty() == tty ? 0 : -EPERM;
	flags = spin_lock_irqsave(&tty->lock);
	other = tty->session;
	if (other == 0 || other == sid || steal) {
		tty->session = sid;
		tty->pgrp = ops->current_pgrp();
	}
	spin_unlock_irqrestore(&tty->lock, flags);
	if (other && other != sid) {
		if (!steal)
			return -EPERM;
		ops->set_tty(other, NULL);
	}
	ops->set_tty(sid, tty);
	return 0;
}

void tty_session_end(struct tty *tty, int sid)
{
	irqflags_t flags = spin_lock_irqsave(&tty->lock);
	int pgrp = 0;

	if (tty->session == sid) {
		pgrp = tty->pgrp;
		tty->session = 0;
		tty->pgrp = 0;
	}
	spin_unlock_irqrestore(&tty->lock, flags);
	signal_group(pgrp, SIGHUP);
	signal_group(pgrp, SIGCONT);
}

static int tty_open(struct inode *inode, struct file *f)
{
	const struct tty_jobctl_ops *ops = LOAD_ACQUIRE(tty_jobctl);
	uint32_t devno = inode->rdev;

	if (devno == TTY_DEVNO) {
		f->priv = ops ? ops->current_tty() : NULL;
		return f->priv ? 0 : -ENXIO;
	}
	if (devno == CONSOLE_DEVNO)
		f->priv = LOAD_ACQUIRE(console);
	if (!f->priv)
		return -ENODEV;
	/* A session leader that has no terminal gets this one, but not through the names that stand
	 * for another terminal (console, tty0), as on Linux. */
	if (!(f->flags & O_NOCTTY) && devno != CONSOLE_DEVNO && devno != MKDEV(TTY_MAJOR, 0) &&
		(f->mode & FMODE_READ))
		(void)tty_make_controlling(f->priv, false);
	return 0;
}

/*
 * When a raw read may end: VMIN bytes are there (or the buffer's size, if that is less). With VTIME
 * the wait is limited: with VMIN 0 from the start, else from the last byte on.
 */
struct raw_wait {
	size_t min;
	uint64_t time_ns; /* 0: no limit */
};

static bool input_ready(struct tty *tty, size_t min)
{
	irqflags_t flags = spin_lock_irqsave(&tty->lock);
	bool ready = tty->ld.t.c_lflag & ICANON ? ldisc_readable(&tty->ld)
						: ldisc_available(&tty->ld) >= min;

	spin_unlock_irqrestore(&tty->lock, flags);
	return ready;
}

/* Wait for the rest of a raw read, byte by byte, as long as they come quickly enough. */
static int wait_between(struct tty *tty, const struct raw_wait *w)
{
	size_t have = 1;
	int err = 0;

	while (!err && have < w->min) {
		uint64_t until = clock_monotonic_ns() + w->time_ns;

		err = wait_event_mode(
			&tty->rwait, input_ready(tty, have + 1), WAIT_INTERRUPTIBLE, until);
		have++;
	}
	return err == -ETIMEDOUT ? 0 : err;
}

/* Wait until a read of n bytes has something. 0, -EAGAIN, -ERESTARTSYS; *timeout: nothing came in
 * time. */
static int wait_input(struct file *f, struct tty *tty, size_t n, bool *timeout)
{
	irqflags_t flags = spin_lock_irqsave(&tty->lock);
	bool canonical = tty->ld.t.c_lflag & ICANON;
	struct raw_wait w = {.min = MIN((size_t)tty->ld.t.c_cc[VMIN], n),
		.time_ns = tty->ld.t.c_cc[VTIME] * 100 * NSEC_PER_MSEC};
	uint64_t deadline = WAIT_FOREVER;
	size_t first;
	int err;

	spin_unlock_irqrestore(&tty->lock, flags);
	*timeout = false;
	first = canonical || (w.min && w.time_ns) ? 1 : w.min;
	if (!canonical && w.min == 0) {
		deadline = w.time_ns ? clock_monotonic_ns() + w.time_ns : 0;
		first = 1;
	}
	if (input_ready(tty, first))
		err = 0;
	else if (f->flags & O_NONBLOCK)
		return canonical || w.min ? -EAGAIN : (*timeout = true, 0);
	else
		err = wait_event_mode(
			&tty->rwait, input_ready(tty, first), WAIT_INTERRUPTIBLE, deadline);
	if (err == -ETIMEDOUT) {
		*timeout = true;
		return 0;
	}
	if (!err && !canonical && w.min > 1 && w.time_ns && !(f->flags & O_NONBLOCK))
		err = wait_between(tty, &w);
	return err;
}

static ssize_t tty_read(struct file *f, struct uio *u, uint64_t *pos)
{
	struct tty *tty = f->priv;
	char buf[CHUNK];
	ssize_t done = 0;
	bool ended = false;
	int err;

	(void)pos;
	if (!u->left)
		return 0;
	for (;;) {
		bool timeout;

		err = tty_check_background(tty, SIGTTIN);
		if (!err)
			err = wait_input(f, tty, u->left, &timeout);
		if (err || timeout)
			return err;
		/* Another reader may have been faster: then wait again. */
		if (input_ready(tty, 1))
			break;
	}
	while (u->left && !ended) {
		irqflags_t flags = spin_lock_irqsave(&tty->lock);
		size_t n = ldisc_read(&tty->ld, buf, MIN(u->left, CHUNK), &ended);

		spin_unlock_irqrestore(&tty->lock, flags);
		if (!n)
			break;
		done += (ssize_t)n;
		if (uio_copy_to(u, buf, n))
			return -EFAULT;
	}
	return done;
}

/* Send one chunk. False: output is stopped. */
static bool write_chunk(struct tty *tty, const char *buf, size_t n)
{
	irqflags_t flags = spin_lock_irqsave(&tty->lock);
	bool stopped = tty->ld.stopped;

	if (!stopped)
		ldisc_output(&tty->ld, buf, n);
	spin_unlock_irqrestore(&tty->lock, flags);
	return !stopped;
}

static ssize_t write_locked(struct file *f, struct tty *tty, struct uio *u)
{
	char buf[CHUNK];
	ssize_t done = 0;

	while (u->left) {
		size_t n = MIN(u->left, CHUNK);
		int err = 0;

		if (uio_copy_from(u, buf, n))
			return done ? done : -EFAULT;
		while (!err && !write_chunk(tty, buf, n)) {
			if (f->flags & O_NONBLOCK)
				err = -EAGAIN;
			else
				err = wait_event_interruptible(
					&tty->wwait, !READ_ONCE(tty->ld.stopped));
		}
		if (err)
			return done ? done : err;
		done += (ssize_t)n;
	}
	return done;
}

static ssize_t tty_write(struct file *f, struct uio *u, uint64_t *pos)
{
	struct tty *tty = f->priv;
	ssize_t n;
	int err = 0;

	(void)pos;
	if (READ_ONCE(tty->ld.t.c_lflag) & TOSTOP)
		err = tty_check_background(tty, SIGTTOU);
	if (!err)
		err = mutex_lock_killable(&tty->write_lock);
	if (err)
		return err;
	n = write_locked(f, tty, u);
	mutex_unlock(&tty->write_lock);
	return n;
}

static unsigned tty_poll(struct file *f, struct poll_table *pt)
{
	struct tty *tty = f->priv;
	unsigned ready = 0;
	irqflags_t flags;

	poll_wait(pt, &tty->rwait);
	poll_wait(pt, &tty->wwait);
	flags = spin_lock_irqsave(&tty->lock);
	if (ldisc_readable(&tty->ld))
		ready |= POLLIN | POLLRDNORM;
	if (!tty->ld.stopped)
		ready |= POLLOUT | POLLWRNORM;
	spin_unlock_irqrestore(&tty->lock, flags);
	return ready;
}

static const struct file_ops tty_file_ops = {
	.open = tty_open,
	.read = tty_read,
	.write = tty_write,
	.poll = tty_poll,
	.ioctl = tty_ioctl,
	.no_seek = true,
};

void tty_init(void)
{
	struct tty *serial = uart_init(), *screen = console_init(), *chosen = serial;
	char name[16];
	int err;

	if (screen)
		keyboard_init(screen);
	if (!serial)
		chosen = screen;
	if (cmdline_get("console", name, sizeof(name))) {
		if (!strncmp(name, "ttyS0", 5) && serial)
			chosen = serial;
		else if (!strncmp(name, "tty", 3) && name[3] != 'S' && screen)
			chosen = screen;
	}
	tty_set_console(chosen);
	err = devfs_register("tty", S_IFCHR | 0666, TTY_DEVNO, &tty_file_ops, NULL);
	assert(!err);
	err = devfs_register("console", S_IFCHR | 0600, CONSOLE_DEVNO, &tty_file_ops, NULL);
	assert(!err);
}

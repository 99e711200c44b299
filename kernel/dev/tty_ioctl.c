/* ioctls of terminals: termios, window size, job control, queues. Source: ioctl_tty(2). */
#include "dev/tty_priv.h"

#include "abi/signal.h"
#include "lib/string.h"
#include "usercopy.h"

static long get_termios(struct tty *tty, uaddr_t arg, bool with_speed)
{
	struct ktermios2_abi t;
	irqflags_t flags = spin_lock_irqsave(&tty->lock);

	t = tty->ld.t;
	spin_unlock_irqrestore(&tty->lock, flags);
	/* struct termios is the first part of struct termios2. */
	return copy_to_user(arg, &t, with_speed ? sizeof(t) : sizeof(struct ktermios_abi));
}

static long set_termios(struct tty *tty, uaddr_t arg, bool with_speed, bool flush)
{
	struct ktermios2_abi t;
	irqflags_t flags;
	int err = tty_check_background(tty, SIGTTOU);

	if (err)
		return err;
	flags = spin_lock_irqsave(&tty->lock);
	t = tty->ld.t;
	spin_unlock_irqrestore(&tty->lock, flags);
	err = copy_from_user(&t, arg, with_speed ? sizeof(t) : sizeof(struct ktermios_abi));
	if (err)
		return err;
	flags = spin_lock_irqsave(&tty->lock);
	if (flush)
		ldisc_flush_input(&tty->ld);
	ldisc_set(&tty->ld, &t);
	spin_unlock_irqrestore(&tty->lock, flags);
	/* What readers wait for may be there now. */
	wake_all(&tty->rwait);
	wake_all(&tty->wwait);
	return 0;
}

static long get_winsize(struct tty *tty, uaddr_t arg)
{
	struct winsize_abi ws;
	irqflags_t flags = spin_lock_irqsave(&tty->lock);

	ws = tty->winsize;
	spin_unlock_irqrestore(&tty->lock, flags);
	return copy_to_user(arg, &ws, sizeof(ws));
}

static long set_winsize(struct tty *tty, uaddr_t arg)
{
	const struct tty_jobctl_ops *ops = LOAD_ACQUIRE(tty_jobctl);
	struct winsize_abi ws;
	irqflags_t flags;
	bool changed;
	int pgrp, err = copy_from_user(&ws, arg, sizeof(ws));

	if (err)
		return err;
	flags = spin_lock_irqsave(&tty->lock);
	changed = memcmp(&ws, &tty->winsize, sizeof(ws)) != 0;
	tty->winsize = ws;
	pgrp = tty->pgrp;
	spin_unlock_irqrestore(&tty->lock, flags);
	if (changed && ops && pgrp > 0)
		ops->signal_pgrp(pgrp, SIGWINCH);
	return 0;
}

/* Is it the controlling terminal of the caller? */
static bool is_controlling(const struct tty *tty)
{
	const struct tty_jobctl_ops *ops = LOAD_ACQUIRE(tty_jobctl);

	return ops && ops->current_tty() == tty;
}

static long get_id(const struct tty *tty, uaddr_t arg, const int *id)
{
	int value = READ_ONCE(*id);

	if (!is_controlling(tty))
		return -ENOTTY;
	return copy_to_user(arg, &value, sizeof(value));
}

static long set_pgrp(struct tty *tty, uaddr_t arg)
{
	const struct tty_jobctl_ops *ops = LOAD_ACQUIRE(tty_jobctl);
	irqflags_t flags;
	int pgrp, err;

	if (!is_controlling(tty) || READ_ONCE(tty->session) != ops->current_sid())
		return -ENOTTY;
	err = tty_check_background(tty, SIGTTOU);
	if (!err)
		err = copy_from_user(&pgrp, arg, sizeof(pgrp));
	if (err)
		return err;
	if (pgrp < 0)
		return -EINVAL;
	if (!ops->pgrp_in_session(pgrp, ops->current_sid()))
		return -EPERM;
	flags = spin_lock_irqsave(&tty->lock);
	tty->pgrp = pgrp;
	spin_unlock_irqrestore(&tty->lock, flags);
	return 0;
}

/* TIOCNOTTY: the leader gives the terminal up for its whole session. */
static long give_up(struct tty *tty)
{
	const struct tty_jobctl_ops *ops = LOAD_ACQUIRE(tty_jobctl);
	int sid;

	if (!is_controlling(tty))
		return -ENOTTY;
	if (!ops->current_is_leader())
		return -EPERM;
	sid = ops->current_sid();
	tty_session_end(tty, sid);
	ops->set_tty(sid, NULL);
	return 0;
}

static long input_count(struct tty *tty, uaddr_t arg)
{
	irqflags_t flags = spin_lock_irqsave(&tty->lock);
	int n = (int)ldisc_available(&tty->ld);

	spin_unlock_irqrestore(&tty->lock, flags);
	return copy_to_user(arg, &n, sizeof(n));
}

/* Output goes out at once, so only input can be waiting. */
static long flush_queue(struct tty *tty, uaddr_t which)
{
	irqflags_t flags;
	int err;

	if (which > TCIOFLUSH)
		return -EINVAL;
	err = tty_check_background(tty, SIGTTOU);
	if (err || which == TCOFLUSH)
		return err;
	flags = spin_lock_irqsave(&tty->lock);
	ldisc_flush_input(&tty->ld);
	spin_unlock_irqrestore(&tty->lock, flags);
	return 0;
}

static long flow(struct tty *tty, uaddr_t what)
{
	irqflags_t flags;
	char c;
	int err;

	if (what > TCION)
		return -EINVAL;
	err = tty_check_background(tty, SIGTTOU);
	if (err)
		return err;
	flags = spin_lock_irqsave(&tty->lock);
	if (what == TCOOFF || what == TCOON) {
		tty->ld.stopped = what == TCOOFF;
	} else {
		c = (char)tty->ld.t.c_cc[what == TCIOFF ? VSTOP : VSTART];
		if (c)
			tty->drv->write(tty, &c, 1);
	}
	spin_unlock_irqrestore(&tty->lock, flags);
	wake_all(&tty->wwait);
	return 0;
}

long tty_ioctl(struct file *f, unsigned cmd, uaddr_t arg)
{
	static const int nothing_queued;
	struct tty *tty = f->priv;

	switch (cmd) {
	case TCGETS:
	case TCGETS2:
		return get_termios(tty, arg, cmd == TCGETS2);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return set_termios(tty, arg, false, cmd == TCSETSF);
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
		return set_termios(tty, arg, true, cmd == TCSETSF2);
	case TIOCGWINSZ:
		return get_winsize(tty, arg);
	case TIOCSWINSZ:
		return set_winsize(tty, arg);
	case TIOCGPGRP:
		return get_id(tty, arg, &tty->pgrp);
	case TIOCSPGRP:
		return set_pgrp(tty, arg);
	case TIOCGSID:
		return get_id(tty, arg, &tty->session);
	case TIOCSCTTY:
		return tty_make_controlling(tty, arg == 1);
	case TIOCNOTTY:
		return give_up(tty);
	case FIONREAD:
		return input_count(tty, arg);
	case TIOCOUTQ:
		return copy_to_user(arg, &nothing_queued, sizeof(nothing_queued));
	case TCFLSH:
		return flush_queue(tty, arg);
	case TCXONC:
		return flow(tty, arg);
	case TCSBRK:
	case TCSBRKP:
		/* Drained already; a break cannot be sent by every driver. */
		return tty_check_background(tty, SIGTTOU);
	default:
		return -ENOTTY;
	}
}

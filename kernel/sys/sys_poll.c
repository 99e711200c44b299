/* Waiting for descriptors: poll, ppoll, select, pselect6. select is poll over the bits set. */
#include "abi/resource.h"
#include "fs/poll.h"
#include "lib/bitmap.h"
#include "lib/string.h"
#include "mm/slab.h"
#include "proc/rlimit.h"
#include "proc/signal.h"
#include "proc/sleep.h"
#include "sched/clock.h"
#include "sys/sys.h"

struct pollfd_user {
	int32_t fd;
	int16_t events, revents;
};
_Static_assert(sizeof(struct pollfd_user) == sizeof(struct pollfd_kernel), "struct pollfd");

#define POLL_INLINE 8

static long poll_user(uaddr_t addr, uint64_t n, uint64_t deadline_ns)
{
	struct pollfd_kernel few[POLL_INLINE], *fds = few;
	size_t bytes = n * sizeof(*fds);
	long ready;

	if (n > rlimit_get(process_current(), RLIMIT_NOFILE))
		return -EINVAL;
	if (n > POLL_INLINE) {
		fds = kmalloc(bytes, 0);
		if (!fds)
			return -ENOMEM;
	}
	ready = copy_from_user(fds, addr, bytes);
	if (!ready)
		ready = poll_run(sys_files(), fds, (unsigned)n, deadline_ns);
	for (uint64_t i = 0; ready >= 0 && i < n; i++) {
		uaddr_t at = addr + i * sizeof(*fds) + offsetof(struct pollfd_user, revents);

		if (copy_to_user(at, &fds[i].revents, sizeof(fds[i].revents)))
			ready = -EFAULT;
	}
	if (fds != few)
		kfree(fds);
	return ready;
}

static bool interrupted(long result)
{
	return result == -ERESTARTSYS || result == -EINTR || result == -ERESTARTNOHAND;
}

static long poll_again(struct task_restart *r)
{
	long n = poll_user(r->addr, r->arg[0], r->deadline_ns);

	if (!interrupted(n))
		return n;
	r->fn = poll_again;
	return -ERESTART_RESTARTBLOCK;
}

long sys_poll(const uint64_t *a)
{
	struct task_restart *r = &task_current()->restart;
	int timeout_ms = (int)a[2];

	r->deadline_ns = timeout_ms < 0 ? WAIT_FOREVER
					: deadline_after((uint64_t)timeout_ms * NSEC_PER_MSEC);
	r->addr = a[0];
	r->arg[0] = (unsigned)a[1];
	return poll_again(r);
}

/* What is left of the time goes back to the caller, as Linux does; an unwritable place is not. */
static void put_rest(uaddr_t addr, uint64_t deadline_ns, bool timeval)
{
	uint64_t now = clock_monotonic_ns(), left = deadline_ns > now ? deadline_ns - now : 0;
	int64_t v[2] = {(int64_t)(left / NSEC_PER_SEC), (int64_t)(left % NSEC_PER_SEC)};

	if (!addr || deadline_ns == WAIT_FOREVER)
		return;
	if (timeval)
		v[1] /= 1000;
	if (copy_to_user(addr, v, sizeof(v)))
		return;
}

static long masked_result(bool masked, long n)
{
	if (masked)
		signal_mask_after_call(interrupted(n));
	return interrupted(n) ? -ERESTARTNOHAND : n;
}

long sys_ppoll(const uint64_t *a)
{
	uint64_t deadline, mask;
	long n = sys_deadline_get(a[2], &deadline);

	if (!n && a[3])
		n = sys_sigset_get(a[3], a[4], &mask);
	if (n)
		return n;
	if (a[3])
		signal_mask_for_call(mask);
	n = poll_user(a[0], (unsigned)a[1], deadline);
	put_rest(a[2], deadline, false);
	return masked_result(a[3], n);
}

/* The three bit sets of select(2), in and out, and poll entries for those that are set. */
struct select_work {
	unsigned nfds, words, npoll;
	uaddr_t user[3];
	uint64_t *sets[3];
	struct pollfd_kernel *fds;
};

static const int16_t select_events[3] = {
	POLLIN | POLLRDNORM | POLLRDBAND, POLLOUT | POLLWRNORM | POLLWRBAND, POLLPRI};
/* What makes a descriptor ready for reading, writing, exceptions. */
static const int16_t select_ready[3] = {POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
	POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR, POLLPRI};

static int select_read_sets(struct select_work *w)
{
	for (unsigned s = 0; s < 3; s++) {
		if (w->user[s] &&
			copy_from_user(w->sets[s], w->user[s], w->words * sizeof(uint64_t)))
			return -EFAULT;
	}
	for (unsigned fd = 0; fd < w->nfds; fd++) {
		int16_t events = 0;

		for (unsigned s = 0; s < 3; s++) {
			if (bitmap_test(w->sets[s], fd))
				events |= select_events[s];
		}
		if (events)
			w->fds[w->npoll++] =
				(struct pollfd_kernel){.fd = (int)fd, .events = events};
	}
	return 0;
}

/* Turn the answers into bits; number of bits, -EBADF. */
static long select_write_sets(struct select_work *w)
{
	long bits = 0;

	for (unsigned i = 0; i < w->npoll; i++) {
		struct pollfd_kernel *p = &w->fds[i];

		if (p->revents & POLLNVAL)
			return -EBADF;
		for (unsigned s = 0; s < 3; s++) {
			if (!bitmap_test(w->sets[s], (size_t)p->fd))
				continue;
			if (p->revents & select_ready[s])
				bits++;
			else
				bitmap_clear(w->sets[s], (size_t)p->fd);
		}
	}
	for (unsigned s = 0; s < 3; s++) {
		if (w->user[s] && copy_to_user(w->user[s], w->sets[s], w->words * sizeof(uint64_t)))
			return -EFAULT;
	}
	return bits;
}

static long select_run(const uint64_t *a, uint64_t deadline_ns)
{
	struct select_work w = {.user = {a[1], a[2], a[3]}};
	uint64_t *bits;
	long n;

	if ((int)a[0] < 0)
		return -EINVAL;
	w.nfds = (unsigned)MIN(a[0] & INT_MAX, rlimit_get(process_current(), RLIMIT_NOFILE));
	w.words = DIV_ROUND_UP(w.nfds, 64);
	bits = kzalloc((3 * w.words + 1) * sizeof(*bits), 0);
	w.fds = kmalloc((w.nfds + 1) * sizeof(*w.fds), 0);
	n = -ENOMEM;
	if (!bits || !w.fds)
		goto out_free;
	for (unsigned s = 0; s < 3; s++)
		w.sets[s] = bits + s * w.words;
	n = select_read_sets(&w);
	if (!n)
		n = poll_run(sys_files(), w.fds, w.npoll, deadline_ns);
	if (n >= 0)
		n = select_write_sets(&w);
out_free:
	kfree(w.fds);
	kfree(bits);
	return n;
}

long sys_select(const uint64_t *a)
{
	uint64_t deadline = WAIT_FOREVER, ns;
	long n;

	if (a[4]) {
		/* Here Linux takes microseconds beyond a second. */
		struct abi_timeval tv;

		if (copy_from_user(&tv, a[4], sizeof(tv)))
			return -EFAULT;
		if (tv.tv_sec < 0 || tv.tv_usec < 0)
			return -EINVAL;
		ns = (uint64_t)tv.tv_usec * 1000;
		if (__builtin_mul_overflow((uint64_t)tv.tv_sec, NSEC_PER_SEC, &deadline) ||
			__builtin_add_overflow(deadline, ns, &deadline))
			deadline = WAIT_FOREVER;
		deadline = deadline_after(deadline);
	}
	n = select_run(a, deadline);
	put_rest(a[4], deadline, true);
	return masked_result(false, n);
}

long sys_pselect6(const uint64_t *a)
{
	uint64_t deadline, mask = 0, sig[2] = {0, 0};
	long n = sys_deadline_get(a[4], &deadline);

	if (!n && a[5])
		n = copy_from_user(sig, a[5], sizeof(sig));
	if (!n && sig[0])
		n = sys_sigset_get(sig[0], sig[1], &mask);
	if (n)
		return n;
	if (sig[0])
		signal_mask_for_call(mask);
	n = select_run(a, deadline);
	put_rest(a[4], deadline, false);
	return masked_result(sig[0], n);
}

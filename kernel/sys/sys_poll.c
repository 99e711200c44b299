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

/*
 * select(2). The bit sets are asked first, descriptor by descriptor; only when none is ready and
 * time is to be waited they become an array for poll_run.
 */
enum { SELECT_READ, SELECT_WRITE, SELECT_EXCEPT, SELECT_SETS };
#define SELECT_INLINE_WORDS 16u /* FD_SETSIZE descriptors need no memory */

struct select_work {
	unsigned words;
	uaddr_t user[SELECT_SETS];
	uint64_t *in[SELECT_SETS];  /* bits asked for */
	uint64_t *out[SELECT_SETS]; /* those that are ready */
};

#define SELECT_READ_EVENTS   (POLLIN | POLLRDNORM | POLLRDBAND)
#define SELECT_WRITE_EVENTS  (POLLOUT | POLLWRNORM | POLLWRBAND)
#define SELECT_EXCEPT_EVENTS POLLPRI

static int select_read_sets(struct select_work *w, unsigned nfds)
{
	uint64_t past = nfds % 64 ? ~0ull << nfds % 64 : 0;

	for (unsigned s = 0; s < SELECT_SETS; s++) {
		if (!w->user[s])
			memset(w->in[s], 0, w->words * sizeof(uint64_t));
		else if (copy_from_user(w->in[s], w->user[s], w->words * sizeof(uint64_t)))
			return -EFAULT;
		memset(w->out[s], 0, w->words * sizeof(uint64_t));
		if (w->words)
			w->in[s][w->words - 1] &= ~past;
	}
	return 0;
}

/* Which of the sets that ask for `bit` of word i the events answer; their number. */
static inline long select_answer(struct select_work *w, unsigned i, uint64_t bit, unsigned events)
{
	long n = 0;

	if ((w->in[SELECT_READ][i] & bit) && (events & (SELECT_READ_EVENTS | POLLHUP | POLLERR))) {
		w->out[SELECT_READ][i] |= bit;
		n++;
	}
	if ((w->in[SELECT_WRITE][i] & bit) && (events & (SELECT_WRITE_EVENTS | POLLERR))) {
		w->out[SELECT_WRITE][i] |= bit;
		n++;
	}
	if ((w->in[SELECT_EXCEPT][i] & bit) && (events & SELECT_EXCEPT_EVENTS)) {
		w->out[SELECT_EXCEPT][i] |= bit;
		n++;
	}
	return n;
}

/* Ask all without waiting. Number of answers, -EBADF; *nfiles: descriptors asked. */
static long select_scan(struct select_work *w, unsigned *nfiles)
{
	struct fdtable *files = sys_files();
	long n = 0;

	*nfiles = 0;
	for (unsigned i = 0; i < w->words; i++) {
		uint64_t bits =
			w->in[SELECT_READ][i] | w->in[SELECT_WRITE][i] | w->in[SELECT_EXCEPT][i];

		for (; bits; bits &= bits - 1) {
			bool owned;
			struct file *f = fd_borrow(
				files, (int)(i * 64 + (unsigned)__builtin_ctzll(bits)), &owned);

			if (!f)
				return -EBADF;
			n += select_answer(w, i, bits & -bits, file_poll(f, NULL));
			fd_return(f, owned);
			++*nfiles;
		}
	}
	return n;
}

/* Nothing is ready: wait with poll_run, and read its answers. Number of answers, -errno. */
static long select_wait(struct select_work *w, unsigned nfiles, uint64_t deadline_ns)
{
	struct pollfd_kernel *fds = kmalloc((nfiles + 1) * sizeof(*fds), 0), *p = fds;
	long n, bits_set = 0;

	if (!fds)
		return -ENOMEM;
	for (unsigned fd = 0; fd < w->words * 64; fd++) {
		int16_t events = 0;

		if (bitmap_test(w->in[SELECT_READ], fd))
			events |= SELECT_READ_EVENTS;
		if (bitmap_test(w->in[SELECT_WRITE], fd))
			events |= SELECT_WRITE_EVENTS;
		if (bitmap_test(w->in[SELECT_EXCEPT], fd))
			events |= SELECT_EXCEPT_EVENTS;
		if (events)
			*p++ = (struct pollfd_kernel){.fd = (int)fd, .events = events};
	}
	n = poll_run(sys_files(), fds, nfiles, deadline_ns);
	for (unsigned i = 0; n > 0 && i < nfiles; i++) {
		unsigned fd = (unsigned)fds[i].fd;

		if (fds[i].revents & (int16_t)POLLNVAL)
			n = -EBADF;
		bits_set += select_answer(
			w, fd / 64, 1ull << fd % 64, (unsigned)(uint16_t)fds[i].revents);
	}
	kfree(fds);
	return n < 0 ? n : bits_set;
}

static long select_sets(struct select_work *w, unsigned nfds, uint64_t deadline_ns)
{
	unsigned nfiles;
	long n = select_read_sets(w, nfds);

	if (!n)
		n = select_scan(w, &nfiles);
	if (!n && (deadline_ns == WAIT_FOREVER || deadline_ns > clock_monotonic_ns()))
		n = select_wait(w, nfiles, deadline_ns);
	for (unsigned s = 0; n >= 0 && s < SELECT_SETS; s++) {
		if (w->user[s] && copy_to_user(w->user[s], w->out[s], w->words * sizeof(uint64_t)))
			n = -EFAULT;
	}
	return n;
}

static long select_run(const uint64_t *a, uint64_t deadline_ns)
{
	uint64_t few[2 * SELECT_SETS * SELECT_INLINE_WORDS], *bits = few;
	struct select_work w;
	unsigned nfds;
	long n;

	if ((int)a[0] < 0)
		return -EINVAL;
	nfds = (unsigned)MIN(a[0] & INT_MAX, rlimit_get(process_current(), RLIMIT_NOFILE));
	w.words = DIV_ROUND_UP(nfds, 64);
	if (w.words > SELECT_INLINE_WORDS) {
		bits = kmalloc(2 * SELECT_SETS * w.words * sizeof(*bits), 0);
		if (!bits)
			return -ENOMEM;
	}
	for (unsigned s = 0; s < SELECT_SETS; s++) {
		w.user[s] = a[1 + s];
		w.in[s] = bits + 2 * s * w.words;
		w.out[s] = w.in[s] + w.words;
	}
	n = select_sets(&w, nfds, deadline_ns);
	if (bits != few)
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

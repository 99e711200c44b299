/*
 * process_vm_readv and process_vm_writev: the caller's memory and that of another process.
 *
 * The other side is pinned through an mdl in steps, whichever context is loaded, and the bytes go
 * straight between its frames and the caller's memory. What is pinned for writing is the other
 * process's own page or one that it shares, found by one fault that knows it is a write: nothing
 * that happens to the mapping afterwards leads the bytes anywhere else (CVE-2016-5195).
 *
 * A transfer ends at the first byte that cannot be had on either side, and returns what was moved.
 */
#include "mm/context.h"
#include "mm/mdl.h"
#include "mm/slab.h"
#include "sched/sched.h"
#include "sys/sys.h"

#define VM_IOV_MAX 1024
/* Linux's MAX_RW_COUNT: what one call moves at most. */
#define VM_BYTES_MAX 0x7ffff000ul
/* So much is pinned at a time. */
#define VM_STEP (16 * PAGE_SIZE)

/* A cursor over a vector. */
struct vm_vec {
	struct iovec_user *iov;
	unsigned n, cur;
	uint64_t done; /* of iov[cur] */
};

struct vm_copy {
	struct mm_context *ctx;
	struct vm_vec local, remote;
	bool write;
};

/* The range at the cursor: its address and how much of it is left; 0: the vector is done. */
static uint64_t vec_range(struct vm_vec *v, uaddr_t *at)
{
	while (v->cur < v->n && v->done == v->iov[v->cur].len) {
		v->cur++;
		v->done = 0;
	}
	if (v->cur == v->n)
		return 0;
	*at = v->iov[v->cur].base + v->done;
	return v->iov[v->cur].len - v->done;
}

/* Between the runs of the list and the caller's memory. Bytes moved. */
static size_t copy_runs(const mdl_t *mdl, uaddr_t local, bool write)
{
	mdl_iter_t iter = MDL_ITER_CREATE(mdl);
	size_t moved = 0, n;
	void *at;

	while ((at = mdl_iter_run(&iter, SIZE_MAX, &n))) {
		size_t missed = write ? copy_from_user_partial(at, local + moved, n)
				      : copy_to_user_partial(local + moved, at, n);

		moved += n - missed;
		if (missed)
			break;
	}
	return moved;
}

/* At most n bytes. Bytes moved, -EFAULT, -ENOMEM, -EINTR. */
static ssize_t copy_step(const struct vm_copy *c, uaddr_t local, uaddr_t remote, size_t n)
{
	size_t moved;
	ssize_t got;
	mdl_t mdl;

	if (remote + n < remote)
		return -EFAULT;
	mdl_init(&mdl, NULL);
	got = mdl_add_some(&mdl, c->ctx, remote, n, c->write);
	if (got < 0)
		return got;
	moved = copy_runs(&mdl, local, c->write);
	mdl_deinit(&mdl);
	return moved ? (ssize_t)moved : -EFAULT;
}

static ssize_t copy_all(struct vm_copy *c)
{
	uint64_t total = 0;

	for (;;) {
		uaddr_t local, remote;
		uint64_t n = vec_range(&c->local, &local);
		ssize_t moved;

		n = MIN(n, vec_range(&c->remote, &remote));
		n = MIN(n, VM_BYTES_MAX - total);
		if (!n)
			return (ssize_t)total;
		n = MIN(n, VM_STEP - (remote & PAGE_MASK));
		moved = copy_step(c, local, remote, n);
		if (moved < 0)
			return total ? (ssize_t)total : moved;
		c->local.done += (uint64_t)moved;
		c->remote.done += (uint64_t)moved;
		total += (uint64_t)moved;
		if ((uint64_t)moved < n)
			return (ssize_t)total;
		cond_resched();
	}
}

static int vec_get(struct vm_vec *v, uaddr_t addr, uint64_t n)
{
	*v = (struct vm_vec){.n = (unsigned)n};
	if (n > VM_IOV_MAX)
		return -EINVAL;
	v->iov = kmalloc(MAX(n, 1ul) * sizeof(*v->iov), 0);
	if (!v->iov)
		return -ENOMEM;
	if (copy_from_user(v->iov, addr, n * sizeof(*v->iov)))
		return -EFAULT;
	for (uint64_t i = 0; i < n; i++) {
		if ((int64_t)v->iov[i].len < 0)
			return -EINVAL;
	}
	return 0;
}

static long process_vm(const uint64_t *a, bool write)
{
	struct vm_copy c = {.write = write};
	struct process *p;
	uaddr_t at;
	long n = a[5] ? -EINVAL : vec_get(&c.local, a[1], a[2]);

	/* Nothing to move: the process is not even looked for, as on Linux. */
	if (n || !vec_range(&c.local, &at))
		goto out_free;
	n = vec_get(&c.remote, a[3], a[4]);
	if (n || !vec_range(&c.remote, &at))
		goto out_free;
	n = -ESRCH;
	p = process_find_by_tid((int)a[0]);
	if (!p)
		goto out_free;
	c.ctx = process_get_context(p);
	process_put(p);
	if (c.ctx) {
		n = copy_all(&c);
		mm_put_context(c.ctx);
	}
out_free:
	kfree(c.local.iov);
	kfree(c.remote.iov);
	return n;
}

long sys_process_vm_readv(const uint64_t *a)
{
	return process_vm(a, false);
}

long sys_process_vm_writev(const uint64_t *a)
{
	return process_vm(a, true);
}

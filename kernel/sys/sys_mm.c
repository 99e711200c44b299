/* Memory: mmap and its family. Ranges are checked by kernel/mm; flags and rights here. */
#include "abi/fcntl.h"
#include "abi/mman.h"
#include "fs/tmpfs/tmpfs.h"
#include "lib/string.h"
#include "mm/mmap.h"
#include "proc/rlimit.h"
#include "sys/sys.h"

#define MFD_KNOWN      (MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB)
#define MFD_HUGE_SIZES (63u << 26)
#define MFD_NAME_MAX   249
#define PROT_RIGHTS    (PROT_READ | PROT_WRITE | PROT_EXEC)
/* Flags that change nothing here: what they ask for is so, or is a hint of old. */
#define MAP_ACCEPTED                                                                        \
	(MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_32BIT | MAP_GROWSDOWN | MAP_DENYWRITE | \
		MAP_EXECUTABLE | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | \
		MAP_STACK | MAP_FIXED_NOREPLACE)

static struct mm_context *sys_ctx(void)
{
	return thread_current()->ctx;
}

static vm_flags_t rights_of(unsigned prot)
{
	vm_flags_t rights = 0;

	if (prot & PROT_READ)
		rights |= VM_READ;
	if (prot & PROT_WRITE)
		rights |= VM_WRITE;
	if (prot & PROT_EXEC)
		rights |= VM_EXEC;
	return rights;
}

/* Flags of mmap(2) into MM_MAP_* and attributes; 0 or -EINVAL, -EOPNOTSUPP. */
static int map_flags(unsigned flags, vaddr_t va, unsigned *how, vm_flags_t *vmflags)
{
	switch (flags & MAP_TYPE) {
	case MAP_SHARED:
		*how |= MM_MAP_SHARED;
		break;
	case MAP_SHARED_VALIDATE:
		/* The one that promises to refuse what is not known; of files only. */
		if (flags & MAP_ANONYMOUS)
			return -EINVAL;
		if (flags & ~(unsigned)MAP_ACCEPTED)
			return -EOPNOTSUPP;
		*how |= MM_MAP_SHARED;
		break;
	case MAP_PRIVATE:
		break;
	default:
		return -EINVAL;
	}
	/* Only private memory that belongs to no file grows. */
	if (flags & MAP_GROWSDOWN && (*how & MM_MAP_SHARED || !(flags & MAP_ANONYMOUS)))
		return -EINVAL;
	if (flags & MAP_HUGETLB)
		return -EINVAL; /* no pool of huge pages: Linux without one says ENOMEM or EINVAL */
	if (flags & MAP_FIXED_NOREPLACE)
		*how |= MM_MAP_EXACT;
	else if (flags & MAP_FIXED)
		*how |= MM_MAP_FIXED;
	if (flags & MAP_POPULATE && !(flags & MAP_NONBLOCK))
		*how |= MM_MAP_POPULATE;
	if (flags & MAP_32BIT)
		*how |= MM_MAP_BELOW_4G;
	if (flags & MAP_GROWSDOWN)
		*vmflags |= VM_GROWSDOWN;
	if (flags & MAP_NORESERVE)
		*vmflags |= VM_NORESERVE;
	if (flags & MAP_LOCKED)
		*vmflags |= VM_LOCKED;
	/* Address 0 is for who may, and everybody is root; but only when it is asked for. */
	if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) && va == 0)
		*how |= MM_MAP_LITERAL;
	return 0;
}

/* A file's area. The rights that its descriptor gives are a ceiling for mprotect. */
static int map_file(struct mm_map_request *rq, int fd, uint64_t off, vaddr_t *out)
{
	bool shared = rq->map_flags & MM_MAP_SHARED;
	struct file *f = sys_file_get(fd);
	int err = -EACCES;

	if (!f)
		return -EBADF;
	if (!(f->mode & FMODE_READ))
		goto out_put;
	if (shared && (rq->vmflags & VM_WRITE) && !(f->mode & FMODE_WRITE))
		goto out_put;
	rq->max_prot = VM_READ | VM_EXEC;
	if (!shared || (f->mode & FMODE_WRITE))
		rq->max_prot |= VM_WRITE;
	rq->kind = MM_AREA_FILE;
	rq->content = VMAP_FILE;
	rq->offset = off;
	rq->file = f;
	err = f->ops && f->ops->mmap ? f->ops->mmap(f, rq) : -ENODEV;
	/* /dev/zero gives no object, but memory. */
	if (!err)
		err = rq->object ? mmap_file(sys_ctx(), rq, out) : mm_map(sys_ctx(), rq, out);
out_put:
	file_put(f);
	return err;
}

static int map_of_fd(const uint64_t *a, unsigned how, vm_flags_t vmflags, vaddr_t *out)
{
	struct mm_map_request rq = {.vaddr = ALIGN_DOWN(a[0], PAGE_SIZE),
		.len = a[1],
		.map_flags = how,
		.vmflags = vmflags};

	if (a[5] + page_count(a[1]) * PAGE_SIZE < a[5])
		return -EOVERFLOW;
	return map_file(&rq, (int)a[4], a[5], out);
}

long sys_mmap(const uint64_t *a)
{
	/* Without MAP_FIXED the address is a hint, and one inside a page means the page. */
	vaddr_t va = ALIGN_DOWN(a[0], PAGE_SIZE), got;
	unsigned flags = (unsigned)a[3], how = 0;
	vm_flags_t vmflags;
	int err;

	if (a[5] & PAGE_MASK)
		return -EINVAL;
	if (!a[1])
		return -EINVAL;
	if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) && (a[0] & PAGE_MASK))
		return -EINVAL;
	vmflags = VM_USER | rights_of((unsigned)a[2]);
	err = map_flags(flags, va, &how, &vmflags);
	if (err)
		return err;
	if (flags & MAP_ANONYMOUS)
		err = mmap_anonymous(sys_ctx(), va, a[1], vmflags, how, &got);
	else
		err = map_of_fd(a, how, vmflags, &got);
	return err ? err : (long)got;
}

long sys_munmap(const uint64_t *a)
{
	return munmap(sys_ctx(), a[0], a[1]);
}

long sys_mprotect(const uint64_t *a)
{
	unsigned prot = (unsigned)a[2];

	if (prot & PROT_GROWSUP && prot & PROT_GROWSDOWN)
		return -EINVAL;
	/* Nothing is asked of no bytes. PROT_SEM promises what is so: atomics work. */
	if (a[1] == 0 && !(a[0] & PAGE_MASK))
		return 0;
	if (prot & ~(unsigned)(PROT_RIGHTS | PROT_SEM | PROT_GROWSDOWN))
		return -EINVAL;
	return vm_protect(sys_ctx(), a[0], a[1], rights_of(prot), prot & PROT_GROWSDOWN);
}

long sys_mseal(const uint64_t *a)
{
	return a[2] ? -EINVAL : mm_seal(sys_ctx(), a[0], a[1]);
}

long sys_mremap(const uint64_t *a)
{
	vaddr_t got;
	int err = mm_remap(sys_ctx(), a[0], a[1], a[2], (unsigned)a[3], a[4], &got);

	return err ? err : (long)got;
}

long sys_madvise(const uint64_t *a)
{
	return mm_advise(sys_ctx(), a[0], a[1], (int)a[2]);
}

long sys_msync(const uint64_t *a)
{
	return mm_sync(sys_ctx(), a[0], a[1], (int)a[2]);
}

struct mincore_out {
	uaddr_t at;
};

static int mincore_put(void *cookie, const uint8_t *vec, size_t n)
{
	struct mincore_out *out = cookie;
	int err = copy_to_user(out->at, vec, n);

	out->at += n;
	return err;
}

long sys_mincore(const uint64_t *a)
{
	struct mincore_out out = {a[2]};

	return mm_incore(sys_ctx(), a[0], a[1], mincore_put, &out);
}

long sys_mlock(const uint64_t *a)
{
	return mm_lock_range(sys_ctx(), a[0], a[1], true, false);
}

long sys_mlock2(const uint64_t *a)
{
	if (a[2] & ~(uint64_t)MLOCK_ONFAULT)
		return -EINVAL;
	return mm_lock_range(sys_ctx(), a[0], a[1], true, a[2] & MLOCK_ONFAULT);
}

long sys_munlock(const uint64_t *a)
{
	return mm_lock_range(sys_ctx(), a[0], a[1], false, false);
}

long sys_mlockall(const uint64_t *a)
{
	unsigned flags = (unsigned)a[0];

	if (!flags || (flags & ~(unsigned)(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) ||
		flags == MCL_ONFAULT)
		return -EINVAL;
	return mm_lock_all(sys_ctx(), (int)flags);
}

long sys_munlockall(const uint64_t *a)
{
	(void)a;
	return mm_lock_all(sys_ctx(), 0);
}

long sys_brk(const uint64_t *a)
{
	return (long)mm_brk(sys_ctx(), a[0]);
}

long sys_memfd_create(const uint64_t *a)
{
	unsigned flags = (unsigned)a[1];
	char *name;
	struct file *f;
	int fd;

	/* Linux 6.1 knows no other flags; the size of huge pages goes with them alone. */
	if (flags & ~(MFD_KNOWN | (flags & MFD_HUGETLB ? MFD_HUGE_SIZES : 0)))
		return -EINVAL;
	name = sys_path_get(a[0]);
	if (IS_ERR(name))
		return PTR_ERR(name) == -ENAMETOOLONG ? -EINVAL : PTR_ERR(name);
	if (strlen(name) > MFD_NAME_MAX)
		f = ERR_PTR(-EINVAL);
	else if (flags & MFD_HUGETLB)
		f = ERR_PTR(-ENOSYS); /* as Linux built without hugetlbfs */
	else
		f = tmpfs_create_file(name, O_RDWR | O_LARGEFILE, flags & MFD_ALLOW_SEALING);
	sys_path_put(name);
	if (IS_ERR(f))
		return PTR_ERR(f);
	fd = fd_install(sys_files(), f, 0, rlimit_get(process_current(), RLIMIT_NOFILE),
		flags & MFD_CLOEXEC);
	if (fd < 0)
		file_put(f);
	return fd;
}

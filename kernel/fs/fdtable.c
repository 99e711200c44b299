/*
 * Descriptor tables.
 *
 * An array of files, two bitmaps (open, close-on-exec) and a hint for the lowest free descriptor.
 * The first 64 descriptors need no further memory. The table's spinlock (78) guards everything;
 * files are put, arrays allocated and freed without it.
 *
 * fd_get takes no lock while the table has one reference: then its owner is the only one who can
 * change it, and the owner is the caller. Who looks at the table of somebody else (procfs) holds a
 * reference of its own and so takes the lock; it only reads.
 */
#include "fs/fdtable.h"

#include "fs/locks.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/slab.h"

#define FD_MAX	  (1u << 18) /* an array of 2 MiB; /proc/sys/fs/nr_open */
#define WORD_BITS 64u

/* A descriptor was closed: POSIX takes all record locks of this table on the file with it. */
static void close_file(struct fdtable *t, struct file *f)
{
	if (READ_ONCE(f->inode->flocks))
		locks_release_owner(f, t);
	file_put(f);
}

/* Arrays for `size` slots in one piece: files, open, cloexec. */
static size_t arrays_bytes(unsigned size)
{
	return size * sizeof(struct file *) + 2 * (size / WORD_BITS) * sizeof(uint64_t);
}

static void fdtable_use_arrays(struct fdtable *t, void *mem, unsigned size)
{
	t->files = mem;
	t->open = (uint64_t *)(t->files + size);
	t->cloexec = t->open + size / WORD_BITS;
	t->size = size;
}

struct fdtable *fdtable_create(void)
{
	struct fdtable *t = kzalloc(sizeof(*t), 0);

	if (!t)
		return ERR_PTR(-ENOMEM);
	t->refs = 1;
	t->size = FD_EMBEDDED;
	t->files = t->files0;
	t->open = t->open0;
	t->cloexec = t->cloexec0;
	spin_init(&t->lock, RANK_FILES, "fdtable");
	return t;
}

/*
 * Make room for slot fd. Drops and takes the lock around the allocation, so the caller looks again
 * at what it knew. => locked on entry and exit. 0, -ENOMEM, -EMFILE
 */
static int fdtable_grow_locked(struct fdtable *t, unsigned fd)
{
	unsigned size = t->size, old;
	void *mem, *spare;

	if (fd >= FD_MAX)
		return -EMFILE;
	while (size <= fd)
		size *= 2;
	spin_unlock(&t->lock);
	mem = kzalloc(arrays_bytes(size), 0);
	spin_lock(&t->lock);
	if (!mem)
		return -ENOMEM;
	spare = mem;
	old = t->size;
	if (size > old) {
		struct file **files = t->files;
		uint64_t *open = t->open, *cloexec = t->cloexec;

		spare = files == t->files0 ? NULL : files;
		fdtable_use_arrays(t, mem, size);
		memcpy(t->files, files, old * sizeof(*files));
		memcpy(t->open, open, old / WORD_BITS * sizeof(*open));
		memcpy(t->cloexec, cloexec, old / WORD_BITS * sizeof(*cloexec));
	}
	kfree(spare);
	return 0;
}

struct fdtable *fdtable_clone(struct fdtable *t)
{
	struct fdtable *n = fdtable_create();
	int err = 0;

	if (IS_ERR(n))
		return n;
	spin_lock(&t->lock);
	while (n->size < t->size && !err) {
		unsigned want = t->size - 1;

		spin_unlock(&t->lock);
		spin_lock(&n->lock);
		err = fdtable_grow_locked(n, want);
		spin_unlock(&n->lock);
		spin_lock(&t->lock);
	}
	if (err) {
		spin_unlock(&t->lock);
		fdtable_put(n);
		return ERR_PTR(err);
	}
	for (unsigned w = 0; w < t->size / WORD_BITS; w++) {
		uint64_t bits = t->open[w];

		for (; bits; bits &= bits - 1) {
			unsigned b = (unsigned)__builtin_ctzll(bits), fd = w * WORD_BITS + b;

			/* A slot that is claimed but not filled yet is not open. */
			if (!t->files[fd])
				continue;
			n->files[fd] = file_get(t->files[fd]);
			n->open[w] |= 1ull << b;
		}
		n->cloexec[w] = t->cloexec[w] & n->open[w];
	}
	n->hint = t->hint;
	spin_unlock(&t->lock);
	return n;
}

struct fdtable *fdtable_get(struct fdtable *t)
{
	__atomic_fetch_add(&t->refs, 1, __ATOMIC_RELAXED);
	return t;
}

uint32_t fdtable_refs(const struct fdtable *t)
{
	return LOAD_ACQUIRE(t->refs);
}

void fdtable_put(struct fdtable *t)
{
	if (__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (unsigned w = 0; w < t->size / WORD_BITS; w++)
		for (uint64_t bits = t->open[w]; bits; bits &= bits - 1) {
			unsigned fd = w * WORD_BITS + (unsigned)__builtin_ctzll(bits);

			if (t->files[fd])
				close_file(t, t->files[fd]);
		}
	if (t->files != t->files0)
		kfree(t->files);
	kfree(t);
}

struct file *fd_get(struct fdtable *t, int fd)
{
	struct file *f = NULL;

	if (likely(LOAD_ACQUIRE(t->refs) == 1)) {
		if (likely((unsigned)fd < t->size))
			f = t->files[fd];
		return f ? file_get(f) : NULL;
	}
	spin_lock(&t->lock);
	if ((unsigned)fd < t->size)
		f = t->files[fd];
	if (f)
		file_get(f);
	spin_unlock(&t->lock);
	return f;
}

/* The lowest slot >= from that is free; may be t->size. => locked */
static unsigned find_free_locked(const struct fdtable *t, unsigned from)
{
	unsigned w = from / WORD_BITS;
	uint64_t free_bits;

	if (from >= t->size)
		return from;
	free_bits = ~t->open[w] & (~0ull << (from % WORD_BITS));
	while (!free_bits) {
		if (++w >= t->size / WORD_BITS)
			return t->size;
		free_bits = ~t->open[w];
	}
	return w * WORD_BITS + (unsigned)__builtin_ctzll(free_bits);
}

static void set_slot_locked(struct fdtable *t, unsigned fd, struct file *f, bool cloexec)
{
	uint64_t bit = 1ull << (fd % WORD_BITS);

	t->files[fd] = f;
	t->open[fd / WORD_BITS] |= bit;
	if (cloexec)
		t->cloexec[fd / WORD_BITS] |= bit;
	else
		t->cloexec[fd / WORD_BITS] &= ~bit;
}

/* Empty the slot; returns what was there. => locked */
static struct file *clear_slot_locked(struct fdtable *t, unsigned fd)
{
	uint64_t bit = 1ull << (fd % WORD_BITS);
	struct file *f = t->files[fd];

	t->files[fd] = NULL;
	t->open[fd / WORD_BITS] &= ~bit;
	t->cloexec[fd / WORD_BITS] &= ~bit;
	if (fd < t->hint)
		t->hint = fd;
	return f;
}

int fd_install(struct fdtable *t, struct file *f, int from, uint64_t limit, bool cloexec)
{
	unsigned fd;
	int err = -EINVAL;

	if (from < 0)
		return -EINVAL;
	spin_lock(&t->lock);
	for (;;) {
		fd = find_free_locked(t, MAX((unsigned)from, t->hint));
		err = -EMFILE;
		if (fd >= limit)
			break;
		err = 0;
		if (fd < t->size)
			break;
		err = fdtable_grow_locked(t, fd);
		if (err)
			break;
	}
	if (!err) {
		set_slot_locked(t, fd, f, cloexec);
		if ((unsigned)from <= t->hint)
			t->hint = fd + 1;
	}
	spin_unlock(&t->lock);
	return err ? err : (int)fd;
}

int fd_replace(struct fdtable *t, int fd, struct file *f, uint64_t limit, bool cloexec)
{
	struct file *old;
	int err = 0;

	if (fd < 0 || (uint64_t)fd >= limit)
		return -EBADF;
	spin_lock(&t->lock);
	if ((unsigned)fd >= t->size)
		err = fdtable_grow_locked(t, (unsigned)fd);
	if (err) {
		spin_unlock(&t->lock);
		return err;
	}
	old = t->files[fd];
	set_slot_locked(t, (unsigned)fd, f, cloexec);
	spin_unlock(&t->lock);
	if (old)
		close_file(t, old);
	return fd;
}

int fd_close(struct fdtable *t, int fd)
{
	struct file *f = NULL;

	spin_lock(&t->lock);
	if ((unsigned)fd < t->size && t->files[fd])
		f = clear_slot_locked(t, (unsigned)fd);
	spin_unlock(&t->lock);
	if (!f)
		return -EBADF;
	close_file(t, f);
	return 0;
}

/* Close one of [first, last] (only_cloexec: with that mark); *first goes behind it. False: none
 * left. */
static bool close_next(struct fdtable *t, unsigned *first, unsigned last, bool only_cloexec)
{
	struct file *f = NULL;

	spin_lock(&t->lock);
	last = MIN(last, t->size - 1);
	for (; *first <= last && !f; (*first)++) {
		uint64_t bit = 1ull << (*first % WORD_BITS);
		unsigned w = *first / WORD_BITS;

		if (t->files[*first] && (!only_cloexec || (t->cloexec[w] & bit)))
			f = clear_slot_locked(t, *first);
	}
	spin_unlock(&t->lock);
	if (f)
		close_file(t, f);
	return f;
}

void fd_close_range(struct fdtable *t, unsigned first, unsigned last)
{
	while (close_next(t, &first, last, false))
		;
}

void fd_set_cloexec_range(struct fdtable *t, unsigned first, unsigned last)
{
	spin_lock(&t->lock);
	last = MIN(last, t->size - 1);
	for (; first <= last; first++) {
		if (t->files[first])
			set_slot_locked(t, first, t->files[first], true);
	}
	spin_unlock(&t->lock);
}

void fdtable_close_on_exec(struct fdtable *t)
{
	for (unsigned w = 0; w < t->size / WORD_BITS; w++) {
		unsigned first = w * WORD_BITS;

		if (READ_ONCE(t->cloexec[w]))
			while (close_next(t, &first, w * WORD_BITS + WORD_BITS - 1, true))
				;
	}
}

int fd_get_cloexec(struct fdtable *t, int fd)
{
	int r = -EBADF;

	spin_lock(&t->lock);
	if ((unsigned)fd < t->size && t->files[fd])
		r = t->cloexec[fd / (int)WORD_BITS] >> ((unsigned)fd % WORD_BITS) & 1;
	spin_unlock(&t->lock);
	return r;
}

int fd_set_cloexec(struct fdtable *t, int fd, bool on)
{
	int err = -EBADF;

	spin_lock(&t->lock);
	if ((unsigned)fd < t->size && t->files[fd]) {
		set_slot_locked(t, (unsigned)fd, t->files[fd], on);
		err = 0;
	}
	spin_unlock(&t->lock);
	return err;
}

int fd_next(struct fdtable *t, int fd)
{
	int found = -1;

	spin_lock(&t->lock);
	for (unsigned i = (unsigned)MAX(fd, 0); i < t->size && found < 0; i++)
		if (t->files[i])
			found = (int)i;
	spin_unlock(&t->lock);
	return found;
}

bool fd_held_pages_try(struct fdtable *t, uint64_t *pages)
{
	*pages = 0;
	if (!spin_trylock(&t->lock))
		return false;
	for (unsigned w = 0; w < t->size / WORD_BITS; w++) {
		for (uint64_t bits = t->open[w]; bits; bits &= bits - 1) {
			const struct file *f =
				t->files[w * WORD_BITS + (unsigned)__builtin_ctzll(bits)];

			/* A slot that is only claimed has no file yet. */
			if (f && f->ops && f->ops->held_pages)
				*pages += f->ops->held_pages(f) / MAX(READ_ONCE(f->refs), 1u);
		}
	}
	spin_unlock(&t->lock);
	return true;
}

/*
 * Pipes and FIFOs.
 *
 * A ring of slots, each a frame of the pipe's own with the bytes [off, off + len) in it. Writers
 * fill the last frame up before they take another; frames of files never come in here, so merging
 * into a frame can only touch bytes of this pipe. One emptied frame is kept for the next write.
 *
 * A pipe lives while it has an end open. For an anonymous pipe both ends share an inode of the
 * kernel's own "pipefs"; a FIFO's inode points to the pipe while somebody has it open, and opening
 * one end waits for the other (fifo(7)): who waits looks at a count of openings, so that an end
 * that came and went meanwhile is not missed.
 *
 * Locking: the pipe's mutex (rank 30, like an inode) guards everything in it and is held over
 * copies. One static mutex (rank 25) guards inode->pipe of all FIFOs and the reference counts; the
 * inode's own lock has the pipe's rank. bytes, room, readers and writers are also read without the
 * mutex by who waits; it looks again under it.
 */
#include "fs/pipe.h"

#include "abi/fcntl.h"
#include "abi/termios.h"
#include "fs/poll.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/slab.h"
#include "usercopy.h"

#define PIPEFS_MAGIC	   0x50495045u
#define PIPE_ATOMIC	   4096u /* writes of at most that much are atomic */
#define PIPE_SLOTS_DEFAULT 16u
#define PIPE_SLOTS_MAX	   (PIPE_SIZE_MAX / (unsigned)PAGE_SIZE)

struct pipe_slot {
	struct page *pg;
	uint32_t off, len;
};

struct pipe {
	struct mutex lock;	       /* rank 30 */
	struct waitqueue rwait, wwait; /* readers wait for bytes, writers for room */
	uint32_t readers, writers;     /* (lock) open ends */
	uint32_t nopen_r, nopen_w;     /* (lock) openings so far */
	uint32_t refs;		       /* (fifo_lock) open files; anonymous pipes: 2 at the start */
	uint32_t nslots, head, used;   /* (lock) ring: slots[head .. head + used - 1] */
	uint64_t bytes, room;	       /* (lock; read without it by who waits) */
	struct page *spare;	       /* (lock) */
	struct pipe_slot *slots;       /* (lock) */
	struct pipe_slot slots0[PIPE_SLOTS_DEFAULT];
};

static struct mutex fifo_lock; /* inode->pipe and pipe->refs */
static struct superblock *pipefs;
static uint64_t next_ino;
static void (*sigpipe)(void);

static int pipefs_statfs(struct superblock *sb, struct fs_statfs *st)
{
	(void)sb;
	*st = (struct fs_statfs){.type = PIPEFS_MAGIC, .bsize = PAGE_SIZE, .namelen = NAME_MAX_LEN};
	return 0;
}

void pipe_init(void)
{
	static const struct superblock_ops ops = {.statfs = pipefs_statfs};

	mutex_init(&fifo_lock, RANK_FILE_OFFSET, "fifos");
	pipefs = superblock_alloc("pipefs", &ops);
	assert(!IS_ERR(pipefs));
}

void pipe_set_sigpipe(void (*fn)(void))
{
	sigpipe = fn;
}

static struct pipe_slot *slot_at(struct pipe *p, uint32_t i)
{
	return &p->slots[(p->head + i) & (p->nslots - 1)];
}

/* Count the bytes that can be written now. => lock */
static void update_room(struct pipe *p)
{
	size_t room = (size_t)(p->nslots - p->used) * PAGE_SIZE;

	if (p->used) {
		const struct pipe_slot *last = slot_at(p, p->used - 1);

		room += PAGE_SIZE - last->off - last->len;
	}
	WRITE_ONCE(p->room, room);
}

static struct pipe *pipe_alloc(void)
{
	struct pipe *p = kzalloc(sizeof(*p), 0);

	if (!p)
		return NULL;
	mutex_init(&p->lock, RANK_INODE, "pipe");
	waitqueue_init(&p->rwait);
	waitqueue_init(&p->wwait);
	p->nslots = PIPE_SLOTS_DEFAULT;
	p->slots = p->slots0;
	update_room(p);
	return p;
}

static void pipe_free(struct pipe *p)
{
	for (uint32_t i = 0; i < p->used; i++)
		page_free(slot_at(p, i)->pg, 0);
	if (p->spare)
		page_free(p->spare, 0);
	if (p->slots != p->slots0)
		kfree(p->slots);
	kfree(p);
}

/* The first frame is empty: keep it or give it back. => lock */
static void pop_slot(struct pipe *p)
{
	struct page *pg = slot_at(p, 0)->pg;

	p->head = (p->head + 1) & (p->nslots - 1);
	p->used--;
	if (p->spare)
		page_free(pg, 0);
	else
		p->spare = pg;
}

/* Take what is there. Bytes moved, or -EFAULT when none could be. => lock, not empty */
static ssize_t read_locked(struct pipe *p, struct uio *u)
{
	ssize_t done = 0;

	while (p->used && u->left) {
		struct pipe_slot *s = slot_at(p, 0);
		size_t n = MIN(u->left, s->len);
		size_t missed = uio_copy_to(u, (char *)page_virt(s->pg) + s->off, n);

		n -= missed;
		s->off += (uint32_t)n;
		s->len -= (uint32_t)n;
		WRITE_ONCE(p->bytes, p->bytes - n);
		done += (ssize_t)n;
		if (!s->len)
			pop_slot(p);
		if (missed)
			return done ? done : -EFAULT;
	}
	return done;
}

static ssize_t pipe_read(struct file *f, struct uio *u, uint64_t *pos)
{
	struct pipe *p = f->priv;
	ssize_t n;
	int err;

	(void)pos;
	if (!u->left)
		return 0;
	mutex_lock(&p->lock);
	while (!p->used) {
		bool eof = !p->writers;

		mutex_unlock(&p->lock);
		if (eof)
			return 0;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(
			&p->rwait, READ_ONCE(p->bytes) || !READ_ONCE(p->writers));
		if (err)
			return err;
		mutex_lock(&p->lock);
	}
	n = read_locked(p, u);
	update_room(p);
	mutex_unlock(&p->lock);
	if (n > 0)
		wake_all(&p->wwait);
	return n;
}

/* The slot that the next bytes go to: the last one if it has room, else a new one. NULL: no memory.
 * => lock, there is room */
static struct pipe_slot *slot_for_write(struct pipe *p)
{
	struct pipe_slot *s;
	struct page *pg;

	if (p->used) {
		s = slot_at(p, p->used - 1);
		if (s->off + s->len < PAGE_SIZE)
			return s;
	}
	pg = p->spare ? p->spare : page_alloc(0, 0);
	if (!pg)
		return NULL;
	p->spare = NULL;
	s = slot_at(p, p->used++);
	*s = (struct pipe_slot){.pg = pg};
	return s;
}

/* Put in up to n bytes, n <= room. Bytes moved; -EFAULT, -ENOMEM when none could be. => lock */
static ssize_t write_locked(struct pipe *p, struct uio *u, size_t n)
{
	ssize_t done = 0;

	while (n) {
		struct pipe_slot *s = slot_for_write(p);
		size_t part, missed;

		if (!s)
			return done ? done : -ENOMEM;
		part = MIN(n, (size_t)(PAGE_SIZE - s->off - s->len));
		missed = uio_copy_from(u, (char *)page_virt(s->pg) + s->off + s->len, part);
		part -= missed;
		s->len += (uint32_t)part;
		WRITE_ONCE(p->bytes, p->bytes + part);
		n -= part;
		done += (ssize_t)part;
		if (missed) {
			/* A new slot that stayed empty must not stay in the ring. */
			if (!s->len) {
				p->used--;
				if (p->spare)
					page_free(s->pg, 0);
				else
					p->spare = s->pg;
			}
			return done ? done : -EFAULT;
		}
	}
	return done;
}

/* Wait until there may be `need` bytes of room, or no reader. 0, -ERESTARTSYS. */
static int pipe_wait_room(struct pipe *p, size_t need)
{
	return wait_event_interruptible(
		&p->wwait, READ_ONCE(p->room) >= need || !READ_ONCE(p->readers));
}

/* One go: what fits, under the lock. 0: wait for `need` bytes of room. */
static ssize_t write_some(struct pipe *p, struct uio *u, size_t need)
{
	ssize_t n = 0;

	mutex_lock(&p->lock);
	if (!p->readers) {
		n = -EPIPE;
	} else if (p->room >= need) {
		n = write_locked(p, u, MIN(p->room, u->left));
		update_room(p);
	}
	mutex_unlock(&p->lock);
	if (n > 0)
		wake_all(&p->rwait);
	return n;
}

static ssize_t pipe_write(struct file *f, struct uio *u, uint64_t *pos)
{
	struct pipe *p = f->priv;
	bool atomic = u->left <= PIPE_ATOMIC;
	ssize_t done = 0, n;
	int err = 0;

	(void)pos;
	while (u->left && !err) {
		size_t need = atomic ? u->left : 1;

		n = write_some(p, u, need);
		if (n > 0)
			done += n;
		else if (n < 0)
			err = (int)n;
		else if (f->flags & O_NONBLOCK)
			err = -EAGAIN;
		else
			err = pipe_wait_room(p, need);
	}
	if (err == -EPIPE && sigpipe)
		sigpipe();
	return done ? done : err;
}

static unsigned pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe *p = f->priv;
	unsigned ready = 0;

	if (f->mode & FMODE_READ) {
		poll_wait(pt, &p->rwait);
		if (READ_ONCE(p->bytes))
			ready |= POLLIN | POLLRDNORM;
		/* A FIFO that never had a writer is quiet, not hung up. */
		if (!READ_ONCE(p->writers) && READ_ONCE(p->nopen_w))
			ready |= POLLHUP;
	}
	if (f->mode & FMODE_WRITE) {
		poll_wait(pt, &p->wwait);
		if (READ_ONCE(p->room) >= PIPE_ATOMIC)
			ready |= POLLOUT | POLLWRNORM;
		if (!READ_ONCE(p->readers))
			ready |= POLLERR;
	}
	return ready;
}

static long pipe_ioctl(struct file *f, unsigned cmd, uaddr_t arg)
{
	struct pipe *p = f->priv;
	uint64_t bytes = READ_ONCE(p->bytes);
	int n = (int)bytes;

	return cmd == FIONREAD ? copy_to_user(arg, &n, sizeof(n)) : -ENOTTY;
}

/* F_SETPIPE_SZ: round up to a power of two of pages; what is in the pipe must fit. */
static long pipe_resize(struct pipe *p, unsigned long size)
{
	struct pipe_slot *slots, *old;
	uint32_t n = 1;

	if (size > (unsigned long)PIPE_SLOTS_MAX * PAGE_SIZE)
		return size > INT_MAX ? -EINVAL : -EPERM;
	while ((unsigned long)n * PAGE_SIZE < size)
		n *= 2;
	slots = kzalloc(n * sizeof(*slots), 0);
	if (!slots)
		return -ENOMEM;
	mutex_lock(&p->lock);
	if (p->used > n) {
		mutex_unlock(&p->lock);
		kfree(slots);
		return -EBUSY;
	}
	for (uint32_t i = 0; i < p->used; i++)
		slots[i] = *slot_at(p, i);
	old = p->slots;
	p->slots = slots;
	p->nslots = n;
	p->head = 0;
	update_room(p);
	mutex_unlock(&p->lock);
	if (old != p->slots0)
		kfree(old);
	wake_all(&p->wwait);
	return (long)(n * PAGE_SIZE);
}

static long pipe_fcntl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct pipe *p = f->priv;

	if (cmd == F_GETPIPE_SZ)
		return (long)(READ_ONCE(p->nslots) * PAGE_SIZE);
	return cmd == F_SETPIPE_SZ ? pipe_resize(p, arg) : -EINVAL;
}

/* Count the ends that f opens. */
static void pipe_add_ends(struct pipe *p, const struct file *f)
{
	mutex_lock(&p->lock);
	if (f->mode & FMODE_READ) {
		p->readers++;
		p->nopen_r++;
	}
	if (f->mode & FMODE_WRITE) {
		p->writers++;
		p->nopen_w++;
	}
	mutex_unlock(&p->lock);
	wake_all(&p->rwait);
	wake_all(&p->wwait);
}

static void pipe_release(struct file *f)
{
	struct pipe *p = f->priv;
	bool last;

	mutex_lock(&p->lock);
	if (f->mode & FMODE_READ)
		WRITE_ONCE(p->readers, p->readers - 1);
	if (f->mode & FMODE_WRITE)
		WRITE_ONCE(p->writers, p->writers - 1);
	mutex_unlock(&p->lock);
	wake_all(&p->rwait);
	wake_all(&p->wwait);

	mutex_lock(&fifo_lock);
	last = --p->refs == 0;
	if (last && f->inode->pipe == p)
		f->inode->pipe = NULL;
	mutex_unlock(&fifo_lock);
	if (last)
		pipe_free(p);
}

static uint64_t pipe_held_pages(const struct file *f)
{
	const struct pipe *p = f->priv;

	/* Its two ends have half of it each. */
	return (READ_ONCE(p->used) + 1) / 2;
}

static const struct file_ops pipe_file_ops = {
	.release = pipe_release,
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.fcntl = pipe_fcntl,
	.held_pages = pipe_held_pages,
	.no_seek = true,
};

int pipe_create(uint32_t flags, struct file **rd, struct file **wr)
{
	struct inode *inode;
	struct pipe *p;
	int err = -ENOMEM;

	if (flags & ~(uint32_t)(O_NONBLOCK | O_CLOEXEC))
		return -EINVAL;
	p = pipe_alloc();
	if (!p)
		return -ENOMEM;
	inode = inode_alloc(
		pipefs, __atomic_add_fetch(&next_ino, 1, __ATOMIC_RELAXED), S_IFIFO | 0600);
	if (IS_ERR(inode))
		goto out_pipe;
	inode->atime = inode->mtime = inode->ctime = timespec_now();
	*rd = file_alloc(inode, &pipe_file_ops, O_RDONLY | (flags & O_NONBLOCK));
	if (IS_ERR(*rd))
		goto out_inode;
	p->refs = 1;
	inode->pipe = p;
	(*rd)->priv = p;
	pipe_add_ends(p, *rd);
	*wr = file_alloc(inode_get(inode), &pipe_file_ops, O_WRONLY | (flags & O_NONBLOCK));
	if (IS_ERR(*wr)) {
		inode_put(inode);
		/* Takes the pipe and the inode with it. */
		file_put(*rd);
		return -ENOMEM;
	}
	p->refs = 2;
	(*wr)->priv = p;
	pipe_add_ends(p, *wr);
	return 0;

out_inode:
	inode_put(inode);
out_pipe:
	pipe_free(p);
	return err;
}

/* The pipe of a FIFO's inode with one reference more, made if nobody has it open. */
static struct pipe *fifo_get(struct inode *inode)
{
	struct pipe *fresh = NULL, *p;

	mutex_lock(&fifo_lock);
	if (!inode->pipe) {
		fresh = pipe_alloc();
		inode->pipe = fresh;
	}
	p = inode->pipe;
	if (p)
		p->refs++;
	mutex_unlock(&fifo_lock);
	return p;
}

/* fifo(7): wait for the other end. */
static int fifo_wait(struct pipe *p, struct file *f, uint32_t seen_r, uint32_t seen_w)
{
	bool nonblock = f->flags & O_NONBLOCK;

	if ((f->mode & (FMODE_READ | FMODE_WRITE)) == (FMODE_READ | FMODE_WRITE))
		return 0;
	/* An end of pipe(2) that is opened by its link in /proc waits for nobody. */
	if (f->mode & FMODE_READ) {
		if (nonblock || f->inode->sb == pipefs)
			return 0;
		return wait_event_interruptible(
			&p->rwait, READ_ONCE(p->writers) || READ_ONCE(p->nopen_w) != seen_w);
	}
	if (nonblock)
		return READ_ONCE(p->readers) ? 0 : -ENXIO;
	if (f->inode->sb == pipefs)
		return 0;
	return wait_event_interruptible(
		&p->wwait, READ_ONCE(p->readers) || READ_ONCE(p->nopen_r) != seen_r);
}

static int fifo_open(struct inode *inode, struct file *f)
{
	struct pipe *p = fifo_get(inode);
	uint32_t seen_r, seen_w;
	int err;

	if (!p)
		return -ENOMEM;
	mutex_lock(&p->lock);
	seen_r = p->nopen_r;
	seen_w = p->nopen_w;
	mutex_unlock(&p->lock);
	f->priv = p;
	pipe_add_ends(p, f);
	err = fifo_wait(p, f, seen_r, seen_w);
	if (err)
		pipe_release(f);
	return err;
}

const struct file_ops fifo_file_ops = {
	.open = fifo_open,
	.release = pipe_release,
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.fcntl = pipe_fcntl,
	.held_pages = pipe_held_pages,
	.no_seek = true,
};

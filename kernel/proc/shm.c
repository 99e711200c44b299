/*
 * System V shared memory. A segment is a zero object with what shmctl(2) tells about it; both live
 * and die together (struct vm_object.owner, .release). Who can find it:
 *
 *	id	table by index          holds a reference     until IPC_RMID and the last map are over
 *	key	a name (mm/share.h)     holds a reference     until IPC_RMID
 *	maps	vmaps of the object     hold references       counted by the object (vo_nmaps)
 *
 *	shmget --> in the table, with its key
 *	              | IPC_RMID, mapped                  | IPC_RMID, not mapped
 *	              v                                   v
 *	           SHM_DEST, without key -- last map --> gone from the table; freed with the last reference
 *
 * An attach that has found the segment and has not mapped it yet counts as a map. So vo_nmaps plus
 * `attaching` is what Linux calls nattch: fork, exec, exit, munmap and splits are seen by the
 * object (shm_mapped, shm_unmapped), wherever they happen.
 *
 * Locking: (18) keys_lock orders shmget and IPC_RMID, so that of two who ask for a key one creates
 * it; (60) the object's lock guards the segment; (78) table_lock the table and the totals, inside
 * both. An index is given up under (60), which `gone` tells who found the segment before.
 */
#include "proc/shm.h"

#include "lib/assert.h"
#include "lib/fmt.h"
#include "lib/radix.h"
#include "mm/commit.h"
#include "mm/object.h"
#include "mm/share.h"
#include "mm/slab.h"
#include "proc/process.h"
#include "proc/rlimit.h"
#include "sched/clock.h"

#define RIGHTS_MASK  0777u
#define INDEX_FEW    64 /* indices in turn, also when there are fewer segments */
#define SEQUENCE_MAX (INT_MAX / IPC_INDICES)

struct shm_segment {
	int id;			     /* (c) */
	uint64_t pages;		     /* (c) */
	unsigned attaching;	     /* (60) between look-up and map */
	bool gone;		     /* (60) not in the table any more */
	struct abi_ipc_perm perm;    /* (60) */
	int64_t atime, dtime, ctime; /* (60) seconds */
	int32_t cpid, lpid;	     /* (60) */
};

struct shm_limits shm_limits = {.max = SHMMAX, .all = SHMALL, .mni = SHMMNI};

static struct mutex keys_lock;
static struct spinlock table_lock = SPINLOCK_INIT(RANK_FILES, "shm table");
static struct radix table;	      /* (78) struct vm_object * by index */
static unsigned used;		      /* (78) */
static uint64_t total_pages;	      /* (78) */
static uint64_t locked_pages;	      /* (78) of segments with SHM_LOCKED */
static int last_index = -1, sequence; /* (78) given out last */

void shm_init(void)
{
	mutex_init(&keys_lock, RANK_IPC, "shm keys");
	radix_init(&table);
}

static struct shm_segment *segment_of(const struct vm_object *vo)
{
	return vo->owner;
}

static int64_t now_seconds(void)
{
	return (int64_t)(clock_realtime_ns() / NSEC_PER_SEC);
}

/* => object locked */
static uint64_t attached(const struct vm_object *vo)
{
	return vo->vo_nmaps + segment_of(vo)->attaching;
}

/*
 * Take the segment out of the table and drop the table's reference. => object locked (write), and
 * the caller has a reference
 */
static void forget_locked(struct vm_object *vo)
{
	struct shm_segment *seg = segment_of(vo);

	seg->gone = true;
	spin_lock(&table_lock);
	radix_remove(&table, (uint64_t)(seg->id % IPC_INDICES));
	used--;
	total_pages -= seg->pages;
	if (seg->perm.mode & SHM_LOCKED)
		locked_pages -= seg->pages;
	spin_unlock(&table_lock);
	vm_object_put(vo);
}

/* The end of a segment that was removed while it was mapped. => as forget_locked */
static void forget_if_unused_locked(struct vm_object *vo)
{
	const struct shm_segment *seg = segment_of(vo);

	if (seg->perm.mode & SHM_DEST && !seg->gone && attached(vo) == 0)
		forget_locked(vo);
}

/*
 * Who did something with the segment last. A kernel thread that drops an address space is nobody.
 */
static void note_process(struct shm_segment *seg)
{
	const struct process *p = process_current();

	if (p)
		seg->lpid = p->node.nr;
}

static void shm_mapped(struct vm_object *vo)
{
	segment_of(vo)->atime = now_seconds();
	note_process(segment_of(vo));
}

static void shm_unmapped(struct vm_object *vo)
{
	segment_of(vo)->dtime = now_seconds();
	note_process(segment_of(vo));
	forget_if_unused_locked(vo);
}

static void shm_release(struct vm_object *vo)
{
	kfree(vo->owner);
}

static const struct vm_object_ops shm_object_ops = {
	.mapped = shm_mapped,
	.unmapped = shm_unmapped,
	.release = shm_release,
};

bool shm_identify(const struct vm_object *vo, int *id)
{
	if (vo->ops != &shm_object_ops)
		return false;
	*id = segment_of(vo)->id;
	return true;
}

/*
 * Look-up
 */

/* The object at an index, referenced, or NULL. */
static struct vm_object *object_at(unsigned index)
{
	struct vm_object *vo;

	spin_lock(&table_lock);
	vo = radix_get(&table, index);
	if (vo)
		vm_object_get(vo);
	spin_unlock(&table_lock);
	return vo;
}

/* The segment with that id: its object, referenced and locked for writing; or ERR_PTR. */
static struct vm_object *find_and_lock(int id, bool by_index)
{
	struct vm_object *vo = id < 0 ? NULL : object_at((unsigned)id % IPC_INDICES);

	if (!vo)
		return ERR_PTR(-EINVAL);
	if (!by_index && segment_of(vo)->id != id) {
		vm_object_put(vo);
		return ERR_PTR(-EINVAL);
	}
	rw_write_lock(&vo->lock);
	if (!segment_of(vo)->gone)
		return vo;
	rw_write_unlock(&vo->lock);
	vm_object_put(vo);
	return ERR_PTR(-EIDRM);
}

static void unlock_and_put(struct vm_object *vo)
{
	rw_write_unlock(&vo->lock);
	vm_object_put(vo);
}

/*
 * shmget
 */

static void key_name(int32_t key, char name[16])
{
	fmt_snprintf(name, 16, "SYSV%08x", (unsigned)key);
}

/* The key names the segment no more. => keys_lock held, the caller has a reference */
static void drop_key(int32_t key)
{
	char name[16];
	int err;

	if (key == IPC_PRIVATE)
		return;
	key_name(key, name);
	err = vm_share_withdraw(name);
	assert(!err);
}

/*
 * The next free index. They go round, and each round has a sequence number of its own, so that an
 * id that was removed stays unused for long. => table_lock, there is one
 */
static int pick_id_locked(void)
{
	int end = (int)MIN(MAX(used * 3 / 2, (unsigned)INDEX_FEW), (unsigned)IPC_INDICES);
	int index = last_index + 1 < end ? last_index + 1 : 0;

	while (radix_get(&table, (uint64_t)index))
		index = index + 1 < end ? index + 1 : 0;
	if (index <= last_index)
		sequence = sequence < SEQUENCE_MAX ? sequence + 1 : 0;
	last_index = index;
	return sequence * IPC_INDICES + index;
}

/* Enter the object, whose reference the table takes over on success. 0, -ENOSPC, -ENOMEM. */
static int table_enter(struct vm_object *vo)
{
	struct shm_segment *seg = segment_of(vo);
	uint64_t all = READ_ONCE(shm_limits.all);
	int err = -ENOSPC;

	spin_lock(&table_lock);
	if (used < READ_ONCE(shm_limits.mni) && total_pages <= all &&
		seg->pages <= all - total_pages) {
		seg->id = pick_id_locked();
		seg->perm.seq = (uint16_t)(seg->id / IPC_INDICES);
		err = radix_insert(&table, (uint64_t)(seg->id % IPC_INDICES), vo);
	}
	if (!err) {
		used++;
		total_pages += seg->pages;
	}
	spin_unlock(&table_lock);
	return err;
}

/* A segment that nobody can find yet, or ERR_PTR. */
static struct vm_object *make_segment(int32_t key, const char *name, uint64_t size, unsigned flags)
{
	vm_flags_t reserve = flags & SHM_NORESERVE ? VM_NORESERVE : 0;
	struct shm_segment *seg = kzalloc(sizeof(*seg), 0);
	struct vm_object *vo;

	if (!seg)
		return ERR_PTR(-ENOMEM);
	vo = vm_object_create(name, size, VM_RIGHTS);
	if (IS_ERR(vo)) {
		kfree(seg);
		return vo;
	}
	seg->pages = page_count(size);
	seg->perm.key = key;
	seg->perm.mode = flags & RIGHTS_MASK;
	seg->ctime = now_seconds();
	seg->cpid = process_current()->node.nr;
	vm_object_set_owner(vo, &shm_object_ops, seg);
	if (commit_counts(VM_WRITE | reserve, true) && vm_object_charge(vo) != 0) {
		vm_object_put(vo);
		return ERR_PTR(-ENOMEM);
	}
	return vo;
}

/* A new segment's id. => keys_lock held, the key is free */
static int create_segment(int32_t key, const char *name, uint64_t size, unsigned flags)
{
	uint64_t pages = size / PAGE_SIZE + (size % PAGE_SIZE != 0);
	struct vm_object *vo;
	int err, id;

	if (size < SHMMIN || size > READ_ONCE(shm_limits.max))
		return -EINVAL;
	if (pages > UINT64_MAX / PAGE_SIZE || pages > READ_ONCE(shm_limits.all))
		return -ENOSPC;
	/* There is no pool of huge pages: as Linux built without hugetlbfs. */
	if (flags & SHM_HUGETLB)
		return -EINVAL;
	vo = make_segment(key, name, size, flags);
	if (IS_ERR(vo))
		return (int)PTR_ERR(vo);
	if (key != IPC_PRIVATE) {
		err = vm_share_publish(vo, name);
		if (err)
			goto out_put;
	}
	/* From here on others may know it, and remove it. */
	vm_object_get(vo);
	err = table_enter(vo);
	if (err)
		goto out_withdraw;
	id = segment_of(vo)->id;
	vm_object_put(vo);
	return id;

out_withdraw:
	drop_key(key);
	vm_object_put(vo);
out_put:
	vm_object_put(vo);
	return err;
}

/* The id of the segment that the key names already. => keys_lock held */
static int use_segment(const struct vm_object *vo, uint64_t size, unsigned flags)
{
	if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
		return -EEXIST;
	return size > vo->vo_size ? -EINVAL : segment_of(vo)->id;
}

int shm_get(int32_t key, uint64_t size, unsigned flags)
{
	struct vm_object *vo = ERR_PTR(-ENOENT);
	char name[16];
	int id;

	key_name(key, name);
	mutex_lock(&keys_lock);
	if (key != IPC_PRIVATE)
		vo = vm_share_open(name);
	if (!IS_ERR(vo))
		id = use_segment(vo, size, flags);
	else if (key == IPC_PRIVATE || flags & IPC_CREAT)
		id = create_segment(key, name, size, flags);
	else
		id = -ENOENT;
	mutex_unlock(&keys_lock);
	if (!IS_ERR(vo))
		vm_object_put(vo);
	return id;
}

/*
 * shmat, shmdt
 */

/* Where the area is wanted: 0 and *addr rounded, or -EINVAL. */
static int attach_address(vaddr_t *addr, unsigned flags)
{
	bool given = *addr != 0;

	if (*addr & PAGE_MASK && !(flags & SHM_RND))
		return -EINVAL;
	*addr = ALIGN_DOWN(*addr, PAGE_SIZE);
	/* What shall replace something must say what. */
	if (flags & SHM_REMAP && (!given || *addr == 0))
		return -EINVAL;
	return 0;
}

int shm_attach(struct mm_context *ctx, int id, vaddr_t addr, unsigned flags, vaddr_t *out)
{
	vm_flags_t rights = VM_USER | VM_READ;
	struct vm_object *vo;
	int err = id < 0 ? -EINVAL : attach_address(&addr, flags);

	if (err)
		return err;
	rights |= flags & SHM_RDONLY ? 0 : VM_WRITE;
	rights |= flags & SHM_EXEC ? VM_EXEC : 0;
	vo = find_and_lock(id, false);
	if (IS_ERR(vo))
		return (int)PTR_ERR(vo);
	segment_of(vo)->attaching++;
	rw_write_unlock(&vo->lock);

	if (!(flags & SHM_REMAP) && addr + vo->vo_size < addr)
		err = -EINVAL;
	else
		err = mm_map_shared_area(ctx, vo, addr, rights, flags & SHM_REMAP, out);

	rw_write_lock(&vo->lock);
	segment_of(vo)->attaching--;
	forget_if_unused_locked(vo);
	unlock_and_put(vo);
	/* Something is there already. */
	return err == -EEXIST ? -EINVAL : err;
}

int shm_detach(struct mm_context *ctx, vaddr_t addr)
{
	return mm_unmap_shared_area(ctx, addr, &shm_object_ops);
}

/*
 * shmctl
 */

int shm_remove(int id)
{
	struct vm_object *vo;
	int32_t key;

	mutex_lock(&keys_lock);
	vo = find_and_lock(id, false);
	if (IS_ERR(vo)) {
		mutex_unlock(&keys_lock);
		return (int)PTR_ERR(vo);
	}
	key = segment_of(vo)->perm.key;
	segment_of(vo)->perm.key = IPC_PRIVATE;
	segment_of(vo)->perm.mode |= SHM_DEST;
	forget_if_unused_locked(vo);
	rw_write_unlock(&vo->lock);
	drop_key(key);
	mutex_unlock(&keys_lock);
	vm_object_put(vo);
	return 0;
}

int shm_set(int id, const struct abi_ipc_perm *perm)
{
	struct vm_object *vo = find_and_lock(id, false);
	struct shm_segment *seg;
	int err = -EINVAL;

	if (IS_ERR(vo))
		return (int)PTR_ERR(vo);
	seg = segment_of(vo);
	/* There is one user (sys_cred.c). */
	if (perm->uid == 0 && perm->gid == 0) {
		seg->perm.mode = (seg->perm.mode & ~RIGHTS_MASK) | (perm->mode & RIGHTS_MASK);
		seg->ctime = now_seconds();
		err = 0;
	}
	unlock_and_put(vo);
	return err;
}

/* Count the pages of a segment as locked. 0, -EPERM or -ENOMEM. */
static int charge_locked(uint64_t pages)
{
	uint64_t limit = rlimit_get(process_current(), RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	int err = -EPERM;

	if (limit == 0)
		return err;
	spin_lock(&table_lock);
	err = locked_pages + pages <= limit ? 0 : -ENOMEM;
	if (!err)
		locked_pages += pages;
	spin_unlock(&table_lock);
	return err;
}

int shm_lock(int id, bool lock)
{
	struct vm_object *vo = find_and_lock(id, false);
	struct shm_segment *seg;
	int err = 0;

	if (IS_ERR(vo))
		return (int)PTR_ERR(vo);
	seg = segment_of(vo);
	if (lock && !(seg->perm.mode & SHM_LOCKED)) {
		err = charge_locked(seg->pages);
		if (!err)
			seg->perm.mode |= SHM_LOCKED;
	} else if (!lock && seg->perm.mode & SHM_LOCKED) {
		seg->perm.mode &= ~SHM_LOCKED;
		spin_lock(&table_lock);
		locked_pages -= seg->pages;
		spin_unlock(&table_lock);
	}
	unlock_and_put(vo);
	return err;
}

/* => object locked */
static void status_locked(const struct vm_object *vo, struct shm_status *st)
{
	const struct shm_segment *seg = segment_of(vo);

	*st = (struct shm_status){
		.id = seg->id,
		.resident = vo->npages,
		.ds =
			{
				.shm_perm = seg->perm,
				.shm_segsz = vo->vo_size,
				.shm_atime = seg->atime,
				.shm_dtime = seg->dtime,
				.shm_ctime = seg->ctime,
				.shm_cpid = seg->cpid,
				.shm_lpid = seg->lpid,
				.shm_nattch = attached(vo),
			},
	};
}

int shm_status(int id, bool by_index, struct shm_status *st)
{
	struct vm_object *vo = find_and_lock(id, by_index);

	if (IS_ERR(vo))
		return (int)PTR_ERR(vo);
	status_locked(vo, st);
	unlock_and_put(vo);
	return 0;
}

/* The index of the first segment at or after that one, or -ENOENT. */
static int next_index(uint64_t index)
{
	bool found;

	spin_lock(&table_lock);
	found = radix_next(&table, &index) != NULL;
	spin_unlock(&table_lock);
	return found ? (int)index : -ENOENT;
}

int shm_status_next(unsigned *index, struct shm_status *st)
{
	int at = next_index(*index);

	/* Who goes between the two steps is passed over. */
	while (at >= 0 && shm_status(at, true, st) != 0)
		at = next_index((uint64_t)at + 1);
	if (at < 0)
		return at;
	*index = (unsigned)at;
	return 0;
}

int shm_totals(struct abi_shm_info *info)
{
	struct shm_status st;
	unsigned index = 0;
	int highest = 0;

	*info = (struct abi_shm_info){.used_ids = 0};
	for (; shm_status_next(&index, &st) == 0; index++) {
		highest = (int)index;
		info->used_ids++;
		info->shm_tot += page_count(st.ds.shm_segsz);
		info->shm_rss += st.resident;
	}
	return highest;
}

/*
 * System V shared memory: segments by id and by key. Each is a zero object; what maps it is counted
 * by the object itself.
 */
#ifndef PROC_SHM_H
#define PROC_SHM_H

#include "abi/shm.h"
#include "mm/types.h"

struct mm_context;
struct vm_object;

/*
 * /proc/sys/kernel/shmmax (bytes of a segment), shmall (pages of all), shmmni (segments). Words,
 * read without a lock.
 */
struct shm_limits {
	uint64_t max, all;
	unsigned mni;
};
extern struct shm_limits shm_limits;

void shm_init(void);

/*
 * All: => nothing held; may sleep. Ids that name no segment: -EINVAL, -EIDRM (it was removed
 * meanwhile).
 */
/* shmget(2): the id, or -ENOENT, -EEXIST, -EINVAL, -ENOSPC, -ENOMEM. */
int shm_get(int32_t key, uint64_t size, unsigned flags);
/* shmat(2): flags are SHM_*; 0 and *out, -EINVAL, -EIDRM, errors of mm_map. */
int __must_check shm_attach(
	struct mm_context *ctx, int id, vaddr_t addr, unsigned flags, vaddr_t *out);
/* shmdt(2). 0, -EINVAL, -EPERM (sealed). */
int __must_check shm_detach(struct mm_context *ctx, vaddr_t addr);
/* IPC_RMID: gone at once, or with the last map of it. */
int __must_check shm_remove(int id);
/* IPC_SET: the rights and owners of *perm. -EINVAL: no such user. */
int __must_check shm_set(int id, const struct abi_ipc_perm *perm);
/* SHM_LOCK, SHM_UNLOCK. -EPERM, -ENOMEM: RLIMIT_MEMLOCK. */
int __must_check shm_lock(int id, bool lock);

struct shm_status {
	int id;
	uint64_t resident; /* pages */
	struct abi_shmid_ds ds;
};
/* IPC_STAT; SHM_STAT: id is an index, whatever its sequence number says. */
int __must_check shm_status(int id, bool by_index, struct shm_status *st);
/* The first segment at or after *index, which is set. 0 or -ENOENT. */
int __must_check shm_status_next(unsigned *index, struct shm_status *st);
/* What SHM_INFO tells; returns the highest index in use, 0 when there is none. */
int shm_totals(struct abi_shm_info *info);

/* Is it a segment's object? Then *id names it, as the inode number in /proc/PID/maps. */
bool shm_identify(const struct vm_object *vo, int *id);

#endif

/* System V shared memory. Sources: linux/ipc.h, linux/shm.h, asm-generic/ipcbuf.h, shmbuf.h. */
#ifndef ABI_SHM_H
#define ABI_SHM_H

#include <stdint.h>

#define IPC_PRIVATE 0
#define IPC_CREAT   01000u
#define IPC_EXCL    02000u

#define IPC_RMID 0
#define IPC_SET	 1
#define IPC_STAT 2
#define IPC_INFO 3

#define SHM_HUGETLB   04000u
#define SHM_NORESERVE 010000u

#define SHM_RDONLY 010000u
#define SHM_RND	   020000u
#define SHM_REMAP  040000u
#define SHM_EXEC   0100000u

#define SHM_LOCK     11
#define SHM_UNLOCK   12
#define SHM_STAT     13
#define SHM_INFO     14
#define SHM_STAT_ANY 15

/* What shm_perm.mode has beside the nine bits of rights. */
#define SHM_DEST   01000u
#define SHM_LOCKED 02000u

#define SHMMIN	    1
#define SHMMAX	    (UINT64_MAX - (1ul << 24))
#define SHMALL	    (UINT64_MAX - (1ul << 24))
#define SHMMNI	    4096
#define IPC_INDICES 32768 /* an id is sequence * IPC_INDICES + index */

struct abi_ipc_perm {
	int32_t key;
	uint32_t uid, gid, cuid, cgid, mode;
	uint16_t seq, pad;
	uint64_t unused[2];
};
_Static_assert(sizeof(struct abi_ipc_perm) == 48, "struct ipc64_perm");

struct abi_shmid_ds {
	struct abi_ipc_perm shm_perm;
	uint64_t shm_segsz;
	int64_t shm_atime, shm_dtime, shm_ctime;
	int32_t shm_cpid, shm_lpid;
	uint64_t shm_nattch;
	uint64_t unused[2];
};
_Static_assert(sizeof(struct abi_shmid_ds) == 112, "struct shmid64_ds");
_Static_assert(__builtin_offsetof(struct abi_shmid_ds, shm_nattch) == 88, "struct shmid64_ds");

struct abi_shminfo {
	uint64_t shmmax, shmmin, shmmni, shmseg, shmall;
	uint64_t unused[4];
};
_Static_assert(sizeof(struct abi_shminfo) == 72, "struct shminfo64");

struct abi_shm_info {
	int32_t used_ids, pad;
	uint64_t shm_tot, shm_rss, shm_swp, swap_attempts, swap_successes;
};
_Static_assert(sizeof(struct abi_shm_info) == 48, "struct shm_info");

#endif

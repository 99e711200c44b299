/* System V shared memory: shmget and its family. */
#include "abi/shm.h"
#include "lib/string.h"
#include "proc/shm.h"
#include "sys/sys.h"

long sys_shmget(const uint64_t *a)
{
	return shm_get((int32_t)a[0], a[1], (unsigned)a[2]);
}

long sys_shmat(const uint64_t *a)
{
	vaddr_t got;
	int err = shm_attach(thread_current()->ctx, (int)a[0], a[1], (unsigned)a[2], &got);

	return err ? err : (long)got;
}

long sys_shmdt(const uint64_t *a)
{
	return shm_detach(thread_current()->ctx, a[0]);
}

static long put_status(int id, bool by_index, uaddr_t buf)
{
	struct shm_status st;
	int err = shm_status(id, by_index, &st);

	if (!err)
		err = copy_to_user(buf, &st.ds, sizeof(st.ds));
	if (err)
		return err;
	return by_index ? st.id : 0;
}

static long put_limits(uaddr_t buf)
{
	struct abi_shminfo limits = {
		.shmmax = READ_ONCE(shm_limits.max),
		.shmmin = SHMMIN,
		.shmmni = READ_ONCE(shm_limits.mni),
		.shmseg = READ_ONCE(shm_limits.mni),
		.shmall = READ_ONCE(shm_limits.all),
	};
	struct abi_shm_info totals;
	int highest = shm_totals(&totals);

	return copy_to_user(buf, &limits, sizeof(limits)) ?: highest;
}

static long put_totals(uaddr_t buf)
{
	struct abi_shm_info totals;
	int highest = shm_totals(&totals);

	return copy_to_user(buf, &totals, sizeof(totals)) ?: highest;
}

static long set_status(int id, uaddr_t buf)
{
	struct abi_shmid_ds ds;

	if (copy_from_user(&ds, buf, sizeof(ds)))
		return -EFAULT;
	return shm_set(id, &ds.shm_perm);
}

long sys_shmctl(const uint64_t *a)
{
	int id = (int)a[0], cmd = (int)a[1];

	if (id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_RMID:
		return shm_remove(id);
	case IPC_SET:
		return set_status(id, a[2]);
	case IPC_STAT:
		return put_status(id, false, a[2]);
	case IPC_INFO:
		return put_limits(a[2]);
	case SHM_LOCK:
	case SHM_UNLOCK:
		return shm_lock(id, cmd == SHM_LOCK);
	case SHM_STAT:
	case SHM_STAT_ANY:
		return put_status(id, true, a[2]);
	case SHM_INFO:
		return put_totals(a[2]);
	default:
		return -EINVAL;
	}
}

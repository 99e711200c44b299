/* /proc/sysvipc. Columns as Linux has them: ipcs(1) reads them. */
#include "proc/procfs_priv.h"
#include "proc/shm.h"

static void put_segment(struct proc_text *t, const struct shm_status *st)
{
	const struct abi_shmid_ds *ds = &st->ds;
	const struct abi_ipc_perm *perm = &ds->shm_perm;

	proc_printf(t, "%10d %10d  %4o %21llu %5d %5d  %5llu %5u %5u %5u %5u ", perm->key, st->id,
		perm->mode, (unsigned long long)ds->shm_segsz, ds->shm_cpid, ds->shm_lpid,
		(unsigned long long)ds->shm_nattch, perm->uid, perm->gid, perm->cuid, perm->cgid);
	proc_printf(t, "%10lld %10lld %10lld %21llu %21llu\n", (long long)ds->shm_atime,
		(long long)ds->shm_dtime, (long long)ds->shm_ctime,
		(unsigned long long)(st->resident * PAGE_SIZE), 0ull);
}

static int show_shm(struct proc_text *t, const struct proc_ref *ref)
{
	struct shm_status st;

	(void)ref;
	proc_puts(t, "       key      shmid perms                  size  cpid  lpid nattch"
		     "   uid   gid  cuid  cgid      atime      dtime      ctime"
		     "                   rss                  swap\n");
	for (unsigned index = 0; shm_status_next(&index, &st) == 0; index++)
		put_segment(t, &st);
	return 0;
}

static const struct proc_entry sysvipc_entries[] = {
	PROC_FILE("shm", show_shm),
};
const struct proc_dir proc_sysvipc_dir = {
	.entries = sysvipc_entries, .nentries = ARRAY_SIZE(sysvipc_entries)};

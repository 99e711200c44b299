/* /proc/sys: settings and actions. */
#include "dev/random.h"
#include "fs/mount.h"
#include "fs/pipe.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "proc/exec.h"
#include "proc/fault_report.h"
#include "proc/procfs_priv.h"
#include "proc/rlimit.h"
#include "proc/shm.h"
#include "proc/system.h"

static int show_osrelease(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	proc_puts(t, SYSTEM_RELEASE "\n");
	return 0;
}

static int show_ostype(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	proc_puts(t, SYSTEM_NAME "\n");
	return 0;
}

static int show_version(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	proc_printf(t, "%s\n", system_version());
	return 0;
}

static int show_hostname(struct proc_text *t, const struct proc_ref *ref)
{
	char name[UTS_LEN + 1];

	(void)ref;
	system_get_hostname(name);
	proc_printf(t, "%s\n", name);
	return 0;
}

static int store_hostname(const struct proc_ref *ref, char *text, size_t len)
{
	(void)ref;
	if (len > UTS_LEN)
		return -EINVAL;
	system_set_hostname(text, len);
	return 0;
}

static int show_pid_max(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	proc_printf(t, "%d\n", pid_max());
	return 0;
}

int proc_parse_number(const char *text, uint64_t *out)
{
	const char *end;

	return fmt_parse_u64(text, &end, 10, out) && *end == 0 ? 0 : -EINVAL;
}

/* A number of at most max, or -EINVAL. */
static int parse_up_to(const char *text, uint64_t max, uint64_t *v)
{
	return proc_parse_number(text, v) || *v > max ? -EINVAL : 0;
}

static int store_pid_max(const struct proc_ref *ref, char *text, size_t len)
{
	uint64_t v;
	int err = parse_up_to(text, PID_MAX_LIMIT, &v);

	(void)ref;
	(void)len;
	return err ?: pid_set_max((int)v);
}

static int show_randomize(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	proc_printf(t, "%d\n", exec_randomize());
	return 0;
}

static int store_randomize(const struct proc_ref *ref, char *text, size_t len)
{
	uint64_t v;
	int err = parse_up_to(text, EXEC_RANDOMIZE_ALL, &v);

	(void)ref;
	(void)len;
	if (!err)
		exec_set_randomize((int)v);
	return err;
}

static int show_shmmax(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	proc_printf(t, "%llu\n", (unsigned long long)READ_ONCE(shm_limits.max));
	return 0;
}

static int store_word(const char *text, uint64_t *word)
{
	uint64_t v;
	int err = proc_parse_number(text, &v);

	if (!err)
		WRITE_ONCE(*word, v);
	return err;
}

static int store_shmmax(const struct proc_ref *ref, char *text, size_t len)
{
	(void)ref;
	(void)len;
	return store_word(text, &shm_limits.max);
}

static int show_shmall(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	proc_printf(t, "%llu\n", (unsigned long long)READ_ONCE(shm_limits.all));
	return 0;
}

static int store_shmall(const struct proc_ref *ref, char *text, size_t len)
{
	(void)ref;
	(void)len;
	return store_word(text, &shm_limits.all);
}

static int show_shmmni(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	proc_printf(t, "%u\n", READ_ONCE(shm_limits.mni));
	return 0;
}

static int store_shmmni(const struct proc_ref *ref, char *text, size_t len)
{
	uint64_t v;
	int err = parse_up_to(text, IPC_INDICES, &v);

	(void)ref;
	(void)len;
	if (!err)
		WRITE_ONCE(shm_limits.mni, (unsigned)v);
	return err;
}

static int show_exception_trace(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	proc_printf(t, "%d\n", READ_ONCE(fault_report_wanted));
	return 0;
}

static int store_exception_trace(const struct proc_ref *ref, char *text, size_t len)
{
	uint64_t v;
	int err = parse_up_to(text, 1, &v);

	(void)ref;
	(void)len;
	if (!err)
		WRITE_ONCE(fault_report_wanted, (int)v);
	return err;
}

static const struct proc_entry debug_entries[] = {
	PROC_CONTROL("exception-trace", show_exception_trace, store_exception_trace),
};
static const struct proc_dir debug_dir = {
	.entries = debug_entries, .nentries = ARRAY_SIZE(debug_entries)};

/* Constants that programs size their tables by. */
static int show_ngroups_max(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	proc_puts(t, "65536\n");
	return 0;
}

static int show_cap_last_cap(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	proc_puts(t, "40\n");
	return 0;
}

static int show_nr_open(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	proc_printf(t, "%u\n", NOFILE_MAX);
	return 0;
}

static int show_pipe_max_size(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	proc_printf(t, "%u\n", PIPE_SIZE_MAX);
	return 0;
}

/* As RFC 4122 has random ones. */
static void put_uuid(struct proc_text *t, uint64_t hi, uint64_t lo)
{
	hi = (hi & ~0xf000ull) | 0x4000;
	lo = (lo & ~(3ull << 62)) | 1ull << 63;
	proc_printf(t, "%08x-%04x-%04x-%04x-%012llx\n", (unsigned)(hi >> 32),
		(unsigned)(hi >> 16 & 0xffff), (unsigned)(hi & 0xffff), (unsigned)(lo >> 48),
		(unsigned long long)(lo & 0xffffffffffffull));
}

static int show_uuid(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	put_uuid(t, random_u64(), random_u64());
	return 0;
}

static uint64_t boot_id[2]; /* (c) */

static int show_boot_id(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	put_uuid(t, boot_id[0], boot_id[1]);
	return 0;
}

void proc_sys_init(void)
{
	random_get(boot_id, sizeof(boot_id));
}

static const struct proc_entry random_entries[] = {
	PROC_FILE("boot_id", show_boot_id),
	PROC_FILE("uuid", show_uuid),
};
static const struct proc_dir random_dir = {
	.entries = random_entries, .nentries = ARRAY_SIZE(random_entries)};

static const struct proc_entry kernel_entries[] = {
	PROC_FILE("cap_last_cap", show_cap_last_cap),
	PROC_CONTROL("hostname", show_hostname, store_hostname),
	PROC_FILE("ngroups_max", show_ngroups_max),
	PROC_FILE("osrelease", show_osrelease),
	PROC_FILE("ostype", show_ostype),
	PROC_CONTROL("pid_max", show_pid_max, store_pid_max),
	PROC_DIR("random", &random_dir),
	PROC_CONTROL("randomize_va_space", show_randomize, store_randomize),
	PROC_CONTROL("shmall", show_shmall, store_shmall),
	PROC_CONTROL("shmmax", show_shmmax, store_shmmax),
	PROC_CONTROL("shmmni", show_shmmni, store_shmmni),
	/* Each thread has a number. */
	PROC_FILE("threads-max", show_pid_max),
	PROC_FILE("version", show_version),
};
static const struct proc_dir kernel_dir = {
	.entries = kernel_entries, .nentries = ARRAY_SIZE(kernel_entries)};

static const struct proc_entry fs_entries[] = {
	PROC_FILE("nr_open", show_nr_open),
	PROC_FILE("pipe-max-size", show_pipe_max_size),
};
static const struct proc_dir fs_dir = {.entries = fs_entries, .nentries = ARRAY_SIZE(fs_entries)};

static const struct proc_entry sys_entries[] = {
	PROC_DIR("debug", &debug_dir),
	PROC_DIR("fs", &fs_dir),
	PROC_DIR("kernel", &kernel_dir),
	PROC_DIR("vm", &proc_sysvm_dir),
};
const struct proc_dir proc_sys_dir = {.entries = sys_entries, .nentries = ARRAY_SIZE(sys_entries)};

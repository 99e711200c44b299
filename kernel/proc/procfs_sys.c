/* /proc/sys: settings and actions. */
#include "fs/mount.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "proc/exec.h"
#include "proc/fault_report.h"
#include "proc/procfs_priv.h"
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

static int store_pid_max(const struct proc_ref *ref, char *text, size_t len)
{
	uint64_t v;
	int err = proc_parse_number(text, &v);

	(void)ref;
	(void)len;
	if (err)
		return err;
	return v > PID_MAX_LIMIT ? -EINVAL : pid_set_max((int)v);
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
	int err = proc_parse_number(text, &v);

	(void)ref;
	(void)len;
	if (err || v > EXEC_RANDOMIZE_ALL)
		return -EINVAL;
	exec_set_randomize((int)v);
	return 0;
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
	int err = proc_parse_number(text, &v);

	(void)ref;
	(void)len;
	if (err || v > IPC_INDICES)
		return -EINVAL;
	WRITE_ONCE(shm_limits.mni, (unsigned)v);
	return 0;
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
	int err = proc_parse_number(text, &v);

	(void)ref;
	(void)len;
	if (err || v > 1)
		return -EINVAL;
	WRITE_ONCE(fault_report_wanted, (int)v);
	return 0;
}

static const struct proc_entry debug_entries[] = {
	PROC_CONTROL("exception-trace", show_exception_trace, store_exception_trace),
};
static const struct proc_dir debug_dir = {
	.entries = debug_entries, .nentries = ARRAY_SIZE(debug_entries)};

static const struct proc_entry kernel_entries[] = {
	PROC_CONTROL("hostname", show_hostname, store_hostname),
	PROC_FILE("osrelease", show_osrelease),
	PROC_FILE("ostype", show_ostype),
	PROC_CONTROL("pid_max", show_pid_max, store_pid_max),
	PROC_CONTROL("randomize_va_space", show_randomize, store_randomize),
	PROC_CONTROL("shmall", show_shmall, store_shmall),
	PROC_CONTROL("shmmax", show_shmmax, store_shmmax),
	PROC_CONTROL("shmmni", show_shmmni, store_shmmni),
	PROC_FILE("version", show_version),
};
static const struct proc_dir kernel_dir = {
	.entries = kernel_entries, .nentries = ARRAY_SIZE(kernel_entries)};

static const struct proc_entry sys_entries[] = {
	PROC_DIR("debug", &debug_dir),
	PROC_DIR("kernel", &kernel_dir),
	PROC_DIR("vm", &proc_sysvm_dir),
};
const struct proc_dir proc_sys_dir = {.entries = sys_entries, .nentries = ARRAY_SIZE(sys_entries)};

#ifndef _SYS_IPC_H
#define _SYS_IPC_H

#include <sys/cdefs.h>
#include <sys/types.h>

#define IPC_PRIVATE ((key_t)0)
#define IPC_CREAT   01000
#define IPC_EXCL    02000
#define IPC_NOWAIT  04000

#define IPC_RMID 0
#define IPC_SET	 1
#define IPC_STAT 2
#define IPC_INFO 3

/* As the kernel has it: no translation. */
struct ipc_perm {
	int __key;
	unsigned int uid, gid, cuid, cgid, mode;
	unsigned short __seq, __pad;
	unsigned long __unused1, __unused2;
};

__BEGIN_DECLS

key_t ftok(const char *path, int id);

__END_DECLS

#endif

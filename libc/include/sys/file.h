#ifndef _SYS_FILE_H
#define _SYS_FILE_H

#include <sys/fcntl.h>

#define LOCK_SH 1
#define LOCK_EX 2
#define LOCK_NB 4
#define LOCK_UN 8

__BEGIN_DECLS
int flock(int fd, int op);
__END_DECLS

#endif

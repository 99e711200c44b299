#ifndef _SYS_KLOG_H
#define _SYS_KLOG_H

#include <sys/cdefs.h>

#define SYSLOG_ACTION_READ_ALL	    3
#define SYSLOG_ACTION_READ_CLEAR    4
#define SYSLOG_ACTION_CLEAR	    5
#define SYSLOG_ACTION_CONSOLE_LEVEL 8
#define SYSLOG_ACTION_SIZE_BUFFER   10

__BEGIN_DECLS
int klogctl(int type, char *buf, int len);
__END_DECLS

#endif

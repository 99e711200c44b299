/* What newlib asks for each thread: its struct _reent (errno lives there), and results of system
 * calls in errno. */
#include "syscall.h"
#include "thread.h"
#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

struct _reent *__getreent(void)
{
	return thread_self()->reent;
}

long __syscall_result(long ret)
{
	if ((unsigned long)ret <= -4096UL)
		return ret;
	errno = (int)-ret;
	return -1;
}

long syscall(long number, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return __syscall_result(__syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]));
}

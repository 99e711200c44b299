/*
 * What newlib's sources and headers ask of a machine: the result types of read and write, and that
 * _REENT comes from a function, since each thread has its own.
 */
#ifndef __SYS_CONFIG_H__
#define __SYS_CONFIG_H__

#include <machine/ieeefp.h>
#include <sys/features.h>

#define __DYNAMIC_REENT__
#define _READ_WRITE_RETURN_TYPE	 _ssize_t
#define _READ_WRITE_BUFSIZE_TYPE __SIZE_TYPE__

#define _POINTER_INT long
#undef __RAND_MAX
#define __RAND_MAX	 0x7fffffff
#define MALLOC_ALIGNMENT 16
#define __FILENAME_MAX__ 4096

#ifndef __EXPORT
#define __EXPORT
#endif
#ifndef __IMPORT
#define __IMPORT
#endif

/* See newlib.h: choices made when newlib was configured. */
#ifdef _WANT_REENT_SMALL
#define _REENT_SMALL
#endif
#ifdef _WANT_REENT_GLOBAL_STDIO_STREAMS
#define _REENT_GLOBAL_STDIO_STREAMS
#endif
#ifdef _WANT_USE_LONG_TIME_T
#define _USE_LONG_TIME_T
#endif
#ifdef _MB_EXTENDED_CHARSETS_ALL
#define _MB_EXTENDED_CHARSETS_ISO     1
#define _MB_EXTENDED_CHARSETS_WINDOWS 1
#endif

#endif

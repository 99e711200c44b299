/* printf-style formatting into a buffer or through a callback. Pure, no locks, no allocation, no
 * floats. */
#ifndef LIB_FMT_H
#define LIB_FMT_H

#include "lib/base.h"

typedef void (*fmt_put_fn)(void *cookie, const char *s, size_t n);

/*
 * %d %i %u %x %X %o %c %s %p %% with flags - 0 + space #, width, .precision, * and hh h l ll z j t.
 */
void fmt_vprint(fmt_put_fn put, void *cookie, const char *fmt, va_list ap);
/* As vsnprintf(3): always ends in NUL if size > 0, returns the length that the whole text has. */
int fmt_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
__printf(3, 4) int fmt_snprintf(char *buf, size_t size, const char *fmt, ...);
/* Parse an unsigned number (base 0 = by prefix); sets *end behind it; false if there is none or it
 * overflows. */
bool fmt_parse_u64(const char *s, const char **end, unsigned base, uint64_t *out);

#endif

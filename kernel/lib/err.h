/* Names of error numbers, for messages. Pure. */
#ifndef LIB_ERR_H
#define LIB_ERR_H

#include "lib/base.h"

/* "ENOENT" for 2 or -2; "E?" for a number that has no name; "OK" for 0. */
const char *err_name(long err);

#endif

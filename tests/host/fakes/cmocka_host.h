/* cmocka with what it wants included before it, and the fakes. */
#ifndef CMOCKA_HOST_H
#define CMOCKA_HOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "host.h"

#endif

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

/*
 * An assertion on any thread but the test's own. It ends the program: cmocka could not leave that
 * thread, nor could the others go on.
 */
#define mt_must(cond)                                                                        \
	do {                                                                                 \
		if (!(cond)) {                                                               \
			fprintf(stderr, "%s:%d: CPU %u: %s\n", __FILE__, __LINE__, cpu_id(), \
				#cond);                                                      \
			abort();                                                             \
		}                                                                            \
	} while (0)

#endif

/* fork + exit + wait, small static process. */
#include "fork_common.h"

BENCH("fork", "fork", 300, NULL, run)

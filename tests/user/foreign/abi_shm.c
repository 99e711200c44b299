/* System V shared memory as foreign C libraries see it: their structs. */
#include "../shm.c"

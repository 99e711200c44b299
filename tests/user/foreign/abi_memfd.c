/* memfd, its seals and shm_open as foreign C libraries see them. */
#include "../memfd.c"

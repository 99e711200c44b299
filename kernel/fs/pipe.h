/* Pipes and FIFOs: a ring of frames between readers and writers. */
#ifndef FS_PIPE_H
#define FS_PIPE_H

#include "fs/file.h"

/* The most that F_SETPIPE_SZ gives: /proc/sys/fs/pipe-max-size. */
#define PIPE_SIZE_MAX (1u << 20)

/* pipe2(2): two files with one reference each. flags: O_NONBLOCK, O_DIRECT refused with -EINVAL. */
int __must_check pipe_create(uint32_t flags, struct file **rd, struct file **wr);
extern const struct file_ops fifo_file_ops; /* for FIFO inodes of any file system */
/* Set by the process layer: send SIGPIPE to the current thread. */
void pipe_set_sigpipe(void (*fn)(void));
void pipe_init(void);

#endif

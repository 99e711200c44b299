/* /proc: processes and the system as files. */
#ifndef PROC_PROCFS_H
#define PROC_PROCFS_H

/* Registers the file-system type "proc". */
void procfs_init(void);

#endif

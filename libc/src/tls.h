#ifndef LIBC_TLS_H
#define LIBC_TLS_H

/* Finds the program's PT_TLS segment and gives the first thread its TLS and thread pointer. */
void __tls_setup(void);

#endif

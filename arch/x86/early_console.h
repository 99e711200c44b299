/*
 * Serial port and VGA text screen as consoles of the kernel log, from the first instruction of C.
 */
#ifndef X86_EARLY_CONSOLE_H
#define X86_EARLY_CONSOLE_H

/* Both work from now on; registers them with klog. */
void early_console_init(void);

#endif

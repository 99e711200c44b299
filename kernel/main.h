/* Where portable code begins. */
#ifndef MAIN_H
#define MAIN_H

#include "lib/base.h"

/* => boot CPU, boot stack, interrupts off; this_cpu(), traps, klog and boot_info work */
__noreturn void kmain(void);

#endif

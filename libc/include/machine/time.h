/* XSI fixes the unit of clock(); times() counts in sysconf(_SC_CLK_TCK). */
#ifndef _MACHTIME_H_
#define _MACHTIME_H_

#define _CLOCKS_PER_SEC_ 1000000

#endif

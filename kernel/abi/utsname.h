/* uname(2) and sysinfo(2). Sources: linux/utsname.h, linux/sysinfo.h. */
#ifndef ABI_UTSNAME_H
#define ABI_UTSNAME_H

#include <stdint.h>

#define UTS_LEN 64

struct abi_utsname {
	char sysname[UTS_LEN + 1];
	char nodename[UTS_LEN + 1];
	char release[UTS_LEN + 1];
	char version[UTS_LEN + 1];
	char machine[UTS_LEN + 1];
	char domainname[UTS_LEN + 1];
};
_Static_assert(sizeof(struct abi_utsname) == 390, "struct new_utsname");

struct abi_sysinfo {
	int64_t uptime;
	uint64_t loads[3];
	uint64_t totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	uint16_t procs;
	uint16_t pad;
	uint32_t pad2;
	uint64_t totalhigh, freehigh;
	uint32_t mem_unit;
	uint32_t pad3;
};
_Static_assert(sizeof(struct abi_sysinfo) == 112, "struct sysinfo");

#endif

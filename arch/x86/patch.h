/* Code that depends on the CPU: three-byte NOPs that become CLAC or STAC. */
#ifndef X86_PATCH_H
#define X86_PATCH_H

#define CLAC_CODE "0xca010f"
#define STAC_CODE "0xcb010f"

/* A site in inline assembly. */
#define PATCH_SITE(code)                       \
	"771: .byte 0x0f, 0x1f, 0x00\n\t"      \
	".pushsection .patch_sites, \"a\"\n\t" \
	".quad 771b, " code "\n\t"             \
	".popsection\n\t"

/* Put the instructions in if the CPU has SMAP. => text is writable: before physmap_init */
void patch_apply(void);

#endif

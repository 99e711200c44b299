/*
 * Multiboot2: what GRUB hands over. Source: Multiboot2 Specification 2.0, 3.6 (boot information
 * format): a list of tags, each 8-byte aligned.
 */
#include "boot.h"
#include "lib/string.h"
#include "mm/physmap.h"

enum {
	MB2_END = 0,
	MB2_CMDLINE = 1,
	MB2_LOADER_NAME = 2,
	MB2_MODULE = 3,
	MB2_MEMORY_MAP = 6,
	MB2_FRAMEBUFFER = 8,
	MB2_RSDP_OLD = 14,
	MB2_RSDP_NEW = 15,
};

struct mb2_tag {
	uint32_t type, size;
};

struct mb2_module {
	struct mb2_tag tag;
	uint32_t start, end;
};

struct mb2_memory_map {
	struct mb2_tag tag;
	uint32_t entry_size, entry_version;
};

struct mb2_memory_entry {
	uint64_t base, len;
	uint32_t type, reserved;
};

struct mb2_framebuffer {
	struct mb2_tag tag;
	uint64_t base;
	uint32_t pitch, width, height;
	uint8_t bpp, type;
};

static void take_memory_map(const struct mb2_memory_map *map)
{
	const char *p = (const char *)(map + 1), *end = (const char *)map + map->tag.size;

	for (; map->entry_size && p + map->entry_size <= end; p += map->entry_size) {
		const struct mb2_memory_entry *e = (const void *)p;

		boot_add_range(e->base, e->len, e->type);
	}
}

static void take_module(const struct mb2_module *mod)
{
	if (boot_info.module_len)
		return; /* only the first one has a meaning */
	boot_info.module_base = mod->start;
	boot_info.module_len = mod->end - mod->start;
}

static void take_framebuffer(const struct mb2_framebuffer *fb)
{
	boot_info.fb_base = fb->base;
	boot_info.fb_pitch = fb->pitch;
	boot_info.fb_width = fb->width;
	boot_info.fb_height = fb->height;
	boot_info.fb_bpp = fb->bpp;
	boot_info.fb_type = fb->type;
}

static void take_tag(const struct mb2_tag *tag)
{
	switch (tag->type) {
	case MB2_CMDLINE:
		boot_set_cmdline((const char *)(tag + 1));
		break;
	case MB2_MODULE:
		take_module((const void *)tag);
		break;
	case MB2_MEMORY_MAP:
		take_memory_map((const void *)tag);
		break;
	case MB2_FRAMEBUFFER:
		take_framebuffer((const void *)tag);
		break;
	case MB2_RSDP_OLD:
	case MB2_RSDP_NEW:
		/* The tag holds a copy: as good as the original, but it must outlive the loader's
		 * memory. */
		{
			static char rsdp[64] __aligned(16);

			memcpy(rsdp, tag + 1, MIN((size_t)tag->size - sizeof(*tag), sizeof(rsdp)));
			boot_info.rsdp = (uint64_t)rsdp - KERNEL_VMA;
		}
		break;
	}
}

void boot_parse_multiboot2(paddr_t info)
{
	const char *base = phys_to_virt(info);
	uint32_t total = *(const uint32_t *)base;

	boot_info.loader = "Multiboot2";
	for (uint32_t off = 8; off + sizeof(struct mb2_tag) <= total;) {
		const struct mb2_tag *tag = (const void *)(base + off);

		if (tag->type == MB2_END || tag->size < sizeof(*tag))
			break;
		take_tag(tag);
		off += ALIGN_UP(tag->size, 8u);
	}
}

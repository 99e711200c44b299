/*
 * What lies on an ext2 volume. All numbers are little endian.
 * Source: "The Second Extended File System: Internal Layout" (Poirier), and the ext4 documentation
 * of the same fields for the wider inodes.
 */
#ifndef EXT2_DISK_H
#define EXT2_DISK_H

#include "lib/base.h"

#define EXT2_MAGIC	  0xef53
#define EXT2_SUPER_OFFSET 1024u
#define EXT2_ROOT_INO	  2
#define EXT2_NDIR	  12 /* direct blocks of an inode; then single, double, triple indirect */
#define EXT2_NBLOCKS	  15
#define EXT2_LINK_MAX	  32000
#define EXT2_NAME_MAX	  255

/* s_state */
#define EXT2_STATE_VALID 0x1 /* cleanly unmounted */
#define EXT2_STATE_ERROR 0x2

#define EXT2_RO_COMPAT_SPARSE_SUPER 0x1u
#define EXT2_RO_COMPAT_LARGE_FILE   0x2u
#define EXT2_INCOMPAT_FILETYPE	    0x2u
#define EXT2_RO_COMPAT_KNOWN	    (EXT2_RO_COMPAT_SPARSE_SUPER | EXT2_RO_COMPAT_LARGE_FILE)
#define EXT2_INCOMPAT_KNOWN	    EXT2_INCOMPAT_FILETYPE

struct ext2_super_disk {
	uint32_t s_inodes_count;
	uint32_t s_blocks_count;
	uint32_t s_r_blocks_count;
	uint32_t s_free_blocks_count;
	uint32_t s_free_inodes_count;
	uint32_t s_first_data_block;
	uint32_t s_log_block_size;
	uint32_t s_log_frag_size;
	uint32_t s_blocks_per_group;
	uint32_t s_frags_per_group;
	uint32_t s_inodes_per_group;
	uint32_t s_mtime;
	uint32_t s_wtime;
	uint16_t s_mnt_count;
	uint16_t s_max_mnt_count;
	uint16_t s_magic;
	uint16_t s_state;
	uint16_t s_errors;
	uint16_t s_minor_rev_level;
	uint32_t s_lastcheck;
	uint32_t s_checkinterval;
	uint32_t s_creator_os;
	uint32_t s_rev_level;
	uint16_t s_def_resuid;
	uint16_t s_def_resgid;
	/* revision 1 */
	uint32_t s_first_ino;
	uint16_t s_inode_size;
	uint16_t s_block_group_nr;
	uint32_t s_feature_compat;
	uint32_t s_feature_incompat;
	uint32_t s_feature_ro_compat;
	uint8_t s_uuid[16];
	char s_volume_name[16];
	char s_last_mounted[64];
	uint32_t s_algo_bitmap;
	uint8_t s_prealloc_blocks;
	uint8_t s_prealloc_dir_blocks;
	uint16_t s_reserved_gdt_blocks;
	uint8_t s_rest[816];
};
_Static_assert(sizeof(struct ext2_super_disk) == 1024, "ext2 super block");

struct ext2_group_disk {
	uint32_t bg_block_bitmap;
	uint32_t bg_inode_bitmap;
	uint32_t bg_inode_table;
	uint16_t bg_free_blocks_count;
	uint16_t bg_free_inodes_count;
	uint16_t bg_used_dirs_count;
	uint16_t bg_pad;
	uint32_t bg_reserved[3];
};
_Static_assert(sizeof(struct ext2_group_disk) == 32, "ext2 group descriptor");

struct ext2_inode_disk {
	uint16_t i_mode;
	uint16_t i_uid;
	uint32_t i_size;
	uint32_t i_atime;
	uint32_t i_ctime;
	uint32_t i_mtime;
	uint32_t i_dtime;
	uint16_t i_gid;
	uint16_t i_links_count;
	uint32_t i_blocks; /* 512-byte units, indirect blocks included */
	uint32_t i_flags;
	uint32_t i_osd1;
	uint32_t i_block[EXT2_NBLOCKS];
	uint32_t i_generation;
	uint32_t i_file_acl;  /* block of extended attributes */
	uint32_t i_size_high; /* regular files; directories of revision 0: their ACL */
	uint32_t i_faddr;
	uint16_t i_osd2_frag;
	uint16_t i_osd2_pad;
	uint16_t i_uid_high;
	uint16_t i_gid_high;
	uint32_t i_osd2_reserved;
	/* inodes of 256 bytes and more, as far as i_extra_isize says */
	uint16_t i_extra_isize;
	uint16_t i_pad1;
	uint32_t i_ctime_extra; /* nanoseconds << 2 | two more bits of seconds */
	uint32_t i_mtime_extra;
	uint32_t i_atime_extra;
	uint32_t i_crtime;
	uint32_t i_crtime_extra;
};
#define EXT2_INODE_OLD_SIZE 128u
_Static_assert(offsetof(struct ext2_inode_disk, i_extra_isize) == EXT2_INODE_OLD_SIZE, "inode");
#define EXT2_EXTRA_TIMES 16u /* i_extra_isize that covers the three times */
#define EXT2_EXTRA_ISIZE 32u /* what new inodes get */

/* i_flags */
#define EXT2_FL_IMMUTABLE 0x10u
#define EXT2_FL_APPEND	  0x20u
#define EXT2_FL_INDEX	  0x1000u  /* hashed directory (its blocks read as plain ones) */
#define EXT2_FL_EXTENTS	  0x80000u /* ext4: we cannot read these */
#define EXT2_FL_INLINE	  0x10000000u

struct ext2_dirent {
	uint32_t inode; /* 0: free */
	uint16_t rec_len;
	uint8_t name_len;
	uint8_t file_type; /* with the filetype feature, else 0 */
	char name[];
};
#define EXT2_DIRENT_HEAD 8u
#define EXT2_DIRENT_MIN	 12u
static inline uint32_t ext2_dirent_size(size_t name_len)
{
	return (uint32_t)((EXT2_DIRENT_HEAD + name_len + 3) & ~3ul);
}

/* Block of extended attributes: only its count of users matters here. */
struct ext2_xattr_disk {
	uint32_t h_magic;
	uint32_t h_refcount;
	uint32_t h_blocks;
	uint32_t h_hash;
};
#define EXT2_XATTR_MAGIC 0xea020000u

#endif

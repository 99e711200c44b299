/* Flags of mount(2), umount2(2), reboot(2), syslog(2). Sources: linux/mount.h, linux/reboot.h,
 * syslog(2). */
#ifndef ABI_MOUNT_H
#define ABI_MOUNT_H

#define MS_RDONLY      0x1
#define MS_NOSUID      0x2
#define MS_NODEV       0x4
#define MS_NOEXEC      0x8
#define MS_SYNCHRONOUS 0x10
#define MS_REMOUNT     0x20
#define MS_NOATIME     0x400
#define MS_NODIRATIME  0x800
#define MS_BIND	       0x1000
#define MS_MOVE	       0x2000
#define MS_REC	       0x4000
#define MS_SILENT      0x8000
#define MS_PRIVATE     0x40000
#define MS_RELATIME    0x200000
#define MS_STRICTATIME 0x1000000
#define MS_MGC_VAL     0xc0ed0000
#define MS_MGC_MSK     0xffff0000

#define MNT_FORCE	1
#define MNT_DETACH	2
#define MNT_EXPIRE	4
#define UMOUNT_NOFOLLOW 8

#define LINUX_REBOOT_MAGIC1	   0xfee1dead
#define LINUX_REBOOT_MAGIC2	   672274793
#define LINUX_REBOOT_MAGIC2A	   85072278
#define LINUX_REBOOT_MAGIC2B	   369367448
#define LINUX_REBOOT_MAGIC2C	   537993216
#define LINUX_REBOOT_CMD_RESTART   0x01234567
#define LINUX_REBOOT_CMD_HALT	   0xcdef0123
#define LINUX_REBOOT_CMD_CAD_ON	   0x89abcdef
#define LINUX_REBOOT_CMD_CAD_OFF   0x00000000
#define LINUX_REBOOT_CMD_POWER_OFF 0x4321fedc
#define LINUX_REBOOT_CMD_RESTART2  0xa1b2c3d4

#define SYSLOG_ACTION_CLOSE	    0
#define SYSLOG_ACTION_OPEN	    1
#define SYSLOG_ACTION_READ	    2
#define SYSLOG_ACTION_READ_ALL	    3
#define SYSLOG_ACTION_READ_CLEAR    4
#define SYSLOG_ACTION_CLEAR	    5
#define SYSLOG_ACTION_CONSOLE_OFF   6
#define SYSLOG_ACTION_CONSOLE_ON    7
#define SYSLOG_ACTION_CONSOLE_LEVEL 8
#define SYSLOG_ACTION_SIZE_UNREAD   9
#define SYSLOG_ACTION_SIZE_BUFFER   10

#endif

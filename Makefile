# Quire: the only build entry. `make help` lists the targets; all output goes to build/.
#
# DEBUG=1 builds and runs the debug kernel (lock ranks, verify after edits, poisoning, UBSan). Both variants live side
# by side in build/release and build/debug; build/quire is the one that was asked for last.

B     := build
DEBUG ?= 0
V     ?= 0
Q     := $(if $(filter 1,$(V)),,@)
ifeq ($(DEBUG),1)
VARIANT := debug
else
VARIANT := release
endif

.DEFAULT_GOAL := all
.SECONDARY:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

include kernel/build.mk
-include arch/x86/iso.mk
-include libc/build.mk
-include userland/build.mk
-include initrd/build.mk
-include tests/build.mk

# What the machine of `make run` looks like; anything can be given on the command line.
MACHINE ?= q35
CPU     ?= max
MEM     ?= 512M
SMP     ?= 2
APPEND  ?=
# Evaluated when it is used: the probe needs the kernel.
ACCEL    = $(shell tools/qemu-accel $(B)/release/quire)
QEMU     = qemu-system-x86_64 -M $(MACHINE) -accel $(ACCEL) -cpu $(CPU) -m $(MEM) -smp $(SMP) -nographic -no-reboot

.PHONY: all all-variants run run-direct debug check coverage format clean help
all:
	$(Q)tools/setup build image iso
	$(Q)$(MAKE) --no-print-directory kernel image iso

# Both kernels, whichever DEBUG says.
all-variants:
	$(Q)$(MAKE) --no-print-directory DEBUG=1 $(B)/debug/quire
	$(Q)$(MAKE) --no-print-directory DEBUG=0 $(B)/release/quire

.PHONY: image
image: $(B)/initrd.ext2

run:
	$(Q)tools/setup build image iso run
	$(Q)$(MAKE) --no-print-directory kernel iso $(B)/release/quire
	$(Q)$(QEMU) -cdrom $(B)/quire.iso

run-direct:
	$(Q)tools/setup build image run
	$(Q)$(MAKE) --no-print-directory kernel image
	$(Q)$(QEMU) -kernel $(B)/quire -initrd $(B)/initrd.ext2 -append "console=ttyS0 $(APPEND)"

# The machine waits for a debugger: gdb build/quire -ex 'target remote :1234'
debug:
	$(Q)tools/setup build image run
	$(Q)$(MAKE) --no-print-directory kernel image
	$(Q)$(QEMU) -s -S -kernel $(B)/quire -initrd $(B)/initrd.ext2 -append "console=ttyS0 $(APPEND)"

C_FILES = $(shell git ls-files -co --exclude-standard '*.c' '*.h')

check:
	$(Q)tools/setup check
	$(Q)/usr/bin/python3 tools/check-layers
	$(Q)clang-format --dry-run --Werror $(C_FILES)
	@echo 'format: as .clang-format says'
	$(Q)for p in tests/fuzz/plants/*.patch; do patch -s -p1 -F0 --dry-run <$$p || { echo "$$p does not apply"; exit 1; }; done
	@echo 'planted bugs: all apply'

format:
	$(Q)clang-format -i $(C_FILES)

clean:
	rm -rf $(B)

help:
	@echo 'make               kernel, root image, GRUB ISO (build/quire, build/initrd.ext2, build/quire.iso)'
	@echo 'make run           boot the ISO through GRUB, console on this terminal; type poweroff to end'
	@echo 'make run-direct    boot build/quire without GRUB (APPEND="..." adds to the command line)'
	@echo 'make debug         the same, waiting for gdb on port 1234'
	@echo 'make test          all tests; ends in "N passed, N failed"'
	@echo 'make test-LEVEL    one level: check host fuzz kernel user boot (TEST=name: only that)'
	@echo 'make test-jitter   host tests with threads that are held up by chance (SEEDS="1 2 3" TEST=name)'
	@echo 'make test-boot-all every machine, CPU model, CPU count and memory size'
	@echo 'make test-churn    a million maps of random sizes, and every frame back in its place'
	@echo 'make fuzz          the model fuzzer of the memory system, for an hour or SECONDS=N'
	@echo 'make fuzz-plants   does the fuzzer find bugs? Plants them one by one (PLANT=word: only some)'
	@echo 'make coverage      branches that host tests and fuzzer take, by file of kernel/mm (LINES=1 FILE=word: those not taken)'
	@echo 'make bench         time and instructions per operation, beside Debian Linux (ROW=fork TABLE=instructions PAIRS=3)'
	@echo 'make check         formatting, layers of includes'
	@echo 'make format        clang-format over the tree'
	@echo 'make clean         remove build/'
	@echo 'variables          DEBUG=1 V=1 MACHINE=q35|pc CPU=max|qemu64 MEM=512M SMP=2'

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
-include libc/build.mk
-include userland/build.mk
-include initrd/build.mk
-include tests/build.mk

.PHONY: all help clean
all: kernel

help:
	@echo 'targets: all kernel iso run test clean'

clean:
	rm -rf $(B)

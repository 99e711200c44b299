# newlib for x86_64-quire, the port's part of the C library, the compiler wrapper.
#
#	$(SYSROOT)              include/, lib/libc.a, lib/libm.a, lib/crt0.o
#	$(B)/bin/x86_64-quire-* gcc and the binutils that configure scripts look for
#
# User programs depend on $(LIBC_READY), which is newer than all of these.

SYSROOT     := $(B)/sysroot
QUIRE_CC    := $(B)/bin/x86_64-quire-gcc
LIBC_READY  := $(SYSROOT)/lib/libc.a
HOSTCC      ?= gcc
NEWLIB_TAR   = $(firstword $(wildcard /usr/src/newlib/newlib-*.tar.xz))

LIBC_HEADERS := $(shell find libc/include -name '*.h')
LIBC_SRC     := $(wildcard libc/src/*.c libc/src/*.S libc/src/pthread/*.c)
LIBC_OBJ     := $(patsubst libc/src/%,$(B)/libc/%.o,$(LIBC_SRC))
LIBC_CFLAGS  := -std=gnu17 -Os -g -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wvla \
	-ffunction-sections -fdata-sections -fno-builtin -D_GNU_SOURCE
# Members of newlib's libc.a that the port has its own version of.
LIBC_REPLACED := $(patsubst %,lib_a-%.o,clock execl execle execlp execv execve execvp isatty popen raise remove \
	rename setjmp sleep stack_protector system usleep)

.PHONY: libc
libc: $(LIBC_READY)

# TEXT in a variable of its own would not do: the wrapper must be written anew when the host's compiler moves.
$(QUIRE_CC): libc/x86_64-quire-gcc.in libc/build.mk
	$(Q)mkdir -p $(@D)
	$(Q)sed -e 's|@HOSTCC@|$(HOSTCC)|' -e "s|@GCCINC@|$$($(HOSTCC) -print-file-name=include)|" $< >$@
	$(Q)chmod +x $@
	$(Q)for tool in ar ranlib strip nm objcopy objdump ld as; do \
		printf '#!/bin/sh\nexec %s "$$@"\n' $$tool >$(@D)/x86_64-quire-$$tool; \
		chmod +x $(@D)/x86_64-quire-$$tool; done

$(B)/newlib/stamp: libc/build-newlib libc/newlib.patch $(LIBC_HEADERS)
	@echo '  NEWLIB  $(SYSROOT)'
	$(Q)test -n "$(NEWLIB_TAR)" || { echo 'newlib: install the package newlib-source' >&2; exit 1; }
	+$(Q)HOSTCC='$(HOSTCC)' MAKE='$(MAKE)' libc/build-newlib $(NEWLIB_TAR) $(B)/newlib $(SYSROOT)
	$(Q)for lib in pthread rt dl util; do ar cr $(SYSROOT)/lib/lib$$lib.a; done
	$(Q)cp libc/quire.specs $(SYSROOT)/lib/
	$(Q)touch $@

$(SYSROOT)/lib/quire.specs: libc/quire.specs $(B)/newlib/stamp
	$(Q)cp $< $@
	$(Q)touch $@

$(B)/libc/%.c.o: libc/src/%.c $(QUIRE_CC) $(SYSROOT)/lib/quire.specs
	$(Q)mkdir -p $(@D)
	$(Q)$(QUIRE_CC) $(LIBC_CFLAGS) -MMD -MP -c $< -o $@

$(B)/libc/%.S.o: libc/src/%.S $(QUIRE_CC) $(SYSROOT)/lib/quire.specs
	$(Q)mkdir -p $(@D)
	$(Q)$(QUIRE_CC) -g -MMD -MP -c $< -o $@

# ar's D modifier leaves times and owners out: the same sources give the same bytes.
$(LIBC_READY): $(LIBC_OBJ) $(B)/newlib/stamp
	@echo '  AR      $@'
	$(Q)cp $(B)/libc/crt0.S.o $(SYSROOT)/lib/crt0.o
	$(Q)cp $(B)/newlib/install/x86_64-quire/lib/libc.a $@.new
	$(Q)ar dD $@.new $(LIBC_REPLACED)
	$(Q)ar qD $@.new $(filter-out %/crt0.S.o,$(LIBC_OBJ))
	$(Q)ranlib -D $@.new
	$(Q)mv $@.new $@

-include $(LIBC_OBJ:.o=.d)

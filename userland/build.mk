# User programs: each userland/*.c is one program; userland/lib/ is linked into all; dash is /bin/sh.

USER_BIN     := $(B)/userland
USER_SRC     := $(wildcard userland/*.c)
USER_NAMES   := $(patsubst userland/%.c,%,$(USER_SRC))
USER_LIB_SRC := $(wildcard userland/lib/*.c)
USER_LIB     := $(USER_BIN)/lib.a
USER_PROGS   := $(patsubst %,$(USER_BIN)/%,$(USER_NAMES))
USER_CFLAGS  := -std=gnu17 -Os -g -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-ffunction-sections -fdata-sections -D_GNU_SOURCE -Iuserland/lib
USER_LDFLAGS := -Wl,--gc-sections -Wl,--build-id=none

.PHONY: userland
userland: $(USER_PROGS) $(USER_BIN)/sh

$(USER_BIN)/obj/%.o: userland/%.c $(LIBC_READY)
	@mkdir -p $(@D)
	$(Q)$(QUIRE_CC) $(USER_CFLAGS) -MMD -MP -c $< -o $@

$(USER_LIB): $(patsubst userland/%.c,$(USER_BIN)/obj/%.o,$(USER_LIB_SRC))
	$(Q)rm -f $@
	$(Q)ar crD $@ $^

# Programs with debug information are in build/userland; what goes into an image is stripped.
$(USER_PROGS): $(USER_BIN)/%: $(USER_BIN)/obj/%.o $(USER_LIB)
	@echo '  LINK    $@'
	$(Q)$(QUIRE_CC) $(USER_LDFLAGS) $^ -o $@

$(USER_BIN)/stripped/%: $(USER_BIN)/%
	@mkdir -p $(@D)
	$(Q)strip -o $@ $<

# dash, from Debian's source package. Its generators run on the host. Debian's two privmode patches add a file that
# only automake would build, and there are no setuid shells here, so they are taken back; the generated configure
# script is used as it comes, hence the autotools are told to do nothing.
DASH_SRC := $(B)/src/dash

$(DASH_SRC)/.fetched: libc/fetch-source
	@echo '  FETCH   dash'
	$(Q)libc/fetch-source dash $(B)/src
	$(Q)cd $(DASH_SRC) && for p in 9002-Add-privmode-Part-2.diff 9001-Add-privmode-Part-1.diff; do \
		if [ -f debian/patches/$$p ]; then patch -s -R -p1 <debian/patches/$$p; fi; done
	$(Q)touch $@

$(USER_BIN)/sh: $(DASH_SRC)/.fetched $(LIBC_READY) userland/build.mk
	@echo '  DASH    $@'
	$(Q)rm -rf $(B)/dash && mkdir -p $(B)/dash $(@D)
	+$(Q)cd $(B)/dash && { $(abspath $(DASH_SRC))/configure --host=x86_64-quire --build=x86_64-linux-gnu --without-libedit \
		--disable-fnmatch --disable-glob CC=$(abspath $(QUIRE_CC)) CFLAGS='-Os -g -ffunction-sections -fdata-sections' \
		LDFLAGS='$(USER_LDFLAGS)' && \
		$(MAKE) AUTOCONF=: ACLOCAL=: AUTOMAKE=: AUTOHEADER=: ; } >log 2>&1 || { tail -n 20 log >&2; exit 1; }
	$(Q)cp $(B)/dash/src/dash $@

-include $(patsubst userland/%.c,$(USER_BIN)/obj/%.d,$(USER_SRC) $(USER_LIB_SRC))

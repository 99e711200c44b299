# The kernel: every .c and .S below kernel/, arch/x86/ and tests/kernel/ belongs to it.
#
# Linked twice: the first pass finds where the functions are, the second has their table inside (tools/make-symtab).

KERNEL_SRC := $(sort $(shell find kernel arch/x86 tests/kernel tests/contract \( -name '*.c' -o -name '*.S' \) \
	! -name '*_host.c' ! -path 'arch/x86/vdso/*' 2>/dev/null))
KOBJ       := $(B)/$(VARIANT)/obj
KERNEL_OBJ := $(patsubst %,$(KOBJ)/%.o,$(KERNEL_SRC))

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
# Jumps and loops are packed: their alignment was 4 % of the image, and part of the padding is executed.
KCFLAGS  := -std=gnu17 -O2 -g -ffreestanding -nostdinc -isystem $(shell gcc -print-file-name=include) -Ikernel -Iarch/x86 -Itests/kernel \
	-m64 -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fno-pic -fno-pie -fno-stack-protector -fno-strict-aliasing \
	-fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fno-common -fcf-protection=none -ffunction-sections \
	-fno-delete-null-pointer-checks -fno-optimize-sibling-calls -fno-align-jumps -fno-align-loops $(WARNINGS)
ifeq ($(DEBUG),1)
KCFLAGS += -DQUIRE_DEBUG -fsanitize=undefined -fno-sanitize=alignment,object-size
endif
KLDFLAGS := -nostdlib -static -z max-page-size=0x1000 -z noexecstack --build-id=none --no-warn-rwx-segments \
	-T arch/x86/link.ld

$(KOBJ)/%.o: % kernel/build.mk
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)gcc $(KCFLAGS) -MMD -MP -MF $(@:.o=.d) -c -o $@ $<

# The vDSO is user code: a shared object of its own, which vdso_image.S takes in.
VDSO_SO     := $(B)/$(VARIANT)/vdso.so
VDSO_CFLAGS := -std=gnu17 -O2 -fPIC -ffreestanding -nostdinc -m64 -mno-red-zone -fno-stack-protector -fcf-protection=none \
	-fasynchronous-unwind-tables -fno-common $(WARNINGS)
$(VDSO_SO): arch/x86/vdso/vdso.c arch/x86/vdso/vdso_data.h arch/x86/vdso/vdso.lds kernel/build.mk
	@mkdir -p $(@D)
	@echo "  VDSO    $@"
	$(Q)gcc $(VDSO_CFLAGS) -shared -nostdlib -Wl,-Bsymbolic -Wl,-soname,linux-vdso.so.1 -Wl,--hash-style=both -Wl,--build-id=none \
		-Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--no-undefined -Wl,-T,arch/x86/vdso/vdso.lds -o $@ $<
	$(Q)strip --strip-all $@
$(KOBJ)/arch/x86/vdso_image.S.o: KCFLAGS += -DVDSO_SO='"$(VDSO_SO)"'
$(KOBJ)/arch/x86/vdso_image.S.o: $(VDSO_SO)

-include $(KERNEL_OBJ:.o=.d)

# The list of sources: the kernel is linked anew when a file is added or removed.
$(KOBJ)/sources: FORCE
	@mkdir -p $(@D)
	@echo '$(KERNEL_SRC)' | cmp -s - $@ || echo '$(KERNEL_SRC)' >$@
.PHONY: FORCE
FORCE:

$(B)/$(VARIANT)/quire: $(KERNEL_OBJ) $(KOBJ)/sources arch/x86/link.ld tools/make-symtab
	@echo "  LD      $@"
	$(Q)tools/make-symtab >$(KOBJ)/symtab0.S
	$(Q)gcc -c -o $(KOBJ)/symtab0.o $(KOBJ)/symtab0.S
	$(Q)ld $(KLDFLAGS) -o $(KOBJ)/quire.pass1 $(KERNEL_OBJ) $(KOBJ)/symtab0.o
	$(Q)tools/make-symtab $(KOBJ)/quire.pass1 >$(KOBJ)/symtab.S
	$(Q)gcc -c -o $(KOBJ)/symtab.o $(KOBJ)/symtab.S
	$(Q)ld $(KLDFLAGS) -o $@ $(KERNEL_OBJ) $(KOBJ)/symtab.o

.PHONY: kernel
kernel: $(B)/$(VARIANT)/quire
	$(Q)cmp -s $< $(B)/quire || cp $< $(B)/quire

# ext2 over damaged images: `make test-fuzz` runs seeds for 20 s; `build/fuzz/fuzz_ext2 -s SEED -n 1` one seed;
# build/fuzz/libfuzz_ext2 is the same under libFuzzer.

FUZZ              := $(B)/fuzz
FUZZ_EXT2_SECONDS ?= 20

$(FUZZ)/fuzz_ext2: $(HOST)/asan/obj/tests/fuzz/ext2_main.o $(HOST)/asan/libquire.a
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) $(HOST_ASAN) -o $@ $^ $(HOST_LIBS)

$(FUZZ)/libfuzz_ext2: tests/fuzz/ext2_main.c $(HOST_LIBSRC)
	@mkdir -p $(@D)
	$(Q)clang $(HOST_CFLAGS) -DEXT2_LIBFUZZER -fsanitize=fuzzer,address,undefined -fno-sanitize=alignment \
		-Wno-unknown-warning-option -o $@ $^ -lpthread

.PHONY: test-fuzz test-fuzz-ext2
test-fuzz: test-fuzz-ext2
test-fuzz-ext2: $(FUZZ)/fuzz_ext2
	$(Q)if $(FUZZ)/fuzz_ext2 -t $(FUZZ_EXT2_SECONDS) 2>$(FUZZ)/ext2.log; then echo 'ok 1 - fuzz: ext2 images that lie'; \
		else tail -60 $(FUZZ)/ext2.log; echo 'not ok 1 - fuzz: ext2 images that lie'; fi

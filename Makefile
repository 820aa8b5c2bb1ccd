# thole and thole-shim: one non-recursive Makefile. `make help` lists the targets.

VERSION := 0.1.0
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

BUILD ?= release
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
DESTDIR ?=
# mixed: libseccomp, libcap and yajl from their archives where the system has them, libmnl and libc
# shared (a start costs some 0.15 ms less than with five shared libraries); dynamic: all shared.
LINK ?= mixed
# WERROR=1 in CI and in `make test`.
WERROR ?= 0

ifdef CROSS
CC := $(CROSS)-linux-gnu-gcc
PKG_CONFIG ?= $(CROSS)-linux-gnu-pkg-config
BUILD_DIR := build/$(CROSS)-$(BUILD)
else
PKG_CONFIG ?= pkg-config
BUILD_DIR := build/$(BUILD)
endif
ifeq ($(origin CC),default)
CC := gcc
endif
BIN_DIR := $(if $(CROSS)$(filter-out release,$(BUILD)),$(BUILD_DIR)/bin,bin)
GEN_DIR := build/gen

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
	-Wpointer-arith -Wwrite-strings -Wundef -Wno-missing-field-initializers
ifeq ($(WERROR),1)
WARN += -Werror
endif
HARDEN := -fPIE -fstack-protector-strong -fno-strict-aliasing -fvisibility=hidden
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -ffunction-sections -fdata-sections
CFLAGS_debug := -O1 -g3 -DTHOLE_TEST
CFLAGS_asan := -O1 -g -DTHOLE_TEST -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all
CFLAGS_cov := -O0 -g -DTHOLE_TEST --coverage
LDFLAGS_release := -Wl,--gc-sections
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_cov := --coverage

CFLAGS ?=
LDFLAGS ?=
ALL_CPPFLAGS := -D_GNU_SOURCE -I. -I$(GEN_DIR) -DTHOLE_VERSION='"$(VERSION)"' $(CPPFLAGS)
ALL_CFLAGS := -std=gnu11 $(WARN) $(HARDEN) $(CFLAGS_$(BUILD)) $(CFLAGS)
ALL_LDFLAGS := -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed,--hash-style=gnu,-O1 \
	$(LDFLAGS_$(BUILD)) $(LDFLAGS)

# ---- libraries -------------------------------------------------------------------------------
PKGS := libseccomp libcap yajl libmnl libprotobuf-c
pkg_cflags := $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
ALL_CPPFLAGS += $(pkg_cflags)
# $(call lib,PKG,ARCHIVE): the archive if LINK=mixed and there is one, else pkg-config's flags.
archive = $(filter /%,$(shell $(CC) -print-file-name=$(1)))
lib = $(or $(if $(filter mixed,$(LINK)),$(call archive,$(2))),$(shell $(PKG_CONFIG) --libs $(1)))
LIBS_common = $(call lib,yajl,libyajl_s.a)
LIBS_runtime = $(call lib,libseccomp,libseccomp.a) $(call lib,libcap,libcap.a) $(LIBS_common) \
	$(call lib,libprotobuf-c,libprotobuf-c.a) $(shell $(PKG_CONFIG) --libs libmnl) -ldl
LIBS_shim = $(call lib,libprotobuf-c,libprotobuf-c.a) $(LIBS_common) -pthread

# ---- sources ---------------------------------------------------------------------------------
src = $(sort $(wildcard $(1)/*.c))
SRC_common := $(call src,common)
SRC_spec := $(call src,spec)
SRC_runtime := $(call src,runtime)
SRC_shim := $(call src,shim)
PROTO := $(sort $(wildcard shim/*.proto))
GEN_C := $(PROTO:%.proto=$(GEN_DIR)/%.pb-c.c)
PROTO_runtime := $(sort $(wildcard runtime/*.proto))
GEN_C_runtime := $(PROTO_runtime:%.proto=$(GEN_DIR)/%.pb-c.c)

obj = $(patsubst %.c,$(BUILD_DIR)/obj/%.o,$(1))
OBJ_common := $(call obj,$(SRC_common))
OBJ_spec := $(call obj,$(SRC_spec))
gen_obj = $(patsubst $(GEN_DIR)/%.c,$(BUILD_DIR)/obj/gen/%.o,$(1))
OBJ_runtime := $(call obj,$(SRC_runtime)) $(call gen_obj,$(GEN_C_runtime))
OBJ_gen := $(call gen_obj,$(GEN_C))
OBJ_shim := $(call obj,$(SRC_shim)) $(OBJ_gen)
LIB_common := $(BUILD_DIR)/libcommon.a
LIB_spec := $(BUILD_DIR)/libspec.a
LIB_runtime := $(BUILD_DIR)/libruntime.a
LIB_shim := $(BUILD_DIR)/libshim.a

.PHONY: help all demo test test-fast test-vm unit bench lint fmt fuzz coverage install uninstall dist \
	clean deps deps-build payload cross drivers fuzz-replay man man-check FORCE
.DELETE_ON_ERROR:
.PRECIOUS: $(BUILD_DIR)/obj/%.o $(BUILD_DIR)/obj/gen/%.o

all: $(BIN_DIR)/thole $(BIN_DIR)/thole-shim ## build bin/thole and bin/thole-shim (BUILD=debug|release|asan|cov)

help: ## show this list
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- compile and link --------------------------------------------------------------------------
$(BUILD_DIR)/obj/%.o: %.c $(BUILD_DIR)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(if $(filter tests/%,$<),,-include common/banned.h) -MMD -MP -c -o $@ $<

# Generated code is compiled without our warnings.
$(BUILD_DIR)/obj/gen/%.o: $(GEN_DIR)/%.c $(BUILD_DIR)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -w -MMD -MP -c -o $@ $<

$(GEN_DIR)/%.pb-c.c $(GEN_DIR)/%.pb-c.h &: %.proto
	@mkdir -p $(@D)
	protoc-c --c_out=$(GEN_DIR) $<

$(call obj,$(SRC_shim)): | $(GEN_C)
$(call obj,$(SRC_runtime)): | $(GEN_C_runtime)

# The commit is compiled into one object only; it changes with every commit.
$(BUILD_DIR)/obj/common/version.o: private ALL_CPPFLAGS += -DTHOLE_COMMIT='"$(COMMIT)"'
$(BUILD_DIR)/obj/common/version.o: $(BUILD_DIR)/commit

# Objects are made anew when the flags change.
$(BUILD_DIR)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS)' > $@
$(BUILD_DIR)/commit: FORCE
	@mkdir -p $(@D)
	@echo '$(COMMIT)' | cmp -s - $@ || echo '$(COMMIT)' > $@
FORCE:

define archive_rule
$(LIB_$(1)): $$(filter-out %/main.o,$$(OBJ_$(1)))
	@rm -f $$@
	$$(AR) rcs $$@ $$^
endef
AR ?= ar
$(foreach l,common spec runtime shim,$(eval $(call archive_rule,$(l))))

$(BIN_DIR)/thole: $(BUILD_DIR)/obj/runtime/main.o $(LIB_runtime) $(LIB_spec) $(LIB_common)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_runtime)

$(BIN_DIR)/thole-shim: $(BUILD_DIR)/obj/shim/main.o $(LIB_shim) $(LIB_common)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_shim)

-include $(shell find $(BUILD_DIR) -name '*.d' 2>/dev/null)

# ---- man pages and completions ------------------------------------------------------------------
# Rendered from the command table and kept in the tree, for cross builds and for who only reads:
# lint fails where they are stale.
DOCGEN := $(BUILD_DIR)/tools/docgen
$(DOCGEN): $(call obj,$(call src,tools)) $(LIB_runtime) $(LIB_spec) $(LIB_common)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_runtime)
man: $(DOCGEN) ## render docs/man and completions from the command table
	@mkdir -p completions && grep -l 'Rendered by' docs/man/*.8 2>/dev/null | xargs -r rm
	$(DOCGEN) docs/man docs/man/text completions
man-check: $(DOCGEN)
	@rm -rf build/docs && mkdir -p build/docs/man build/docs/completions
	@$(DOCGEN) build/docs/man docs/man/text build/docs/completions
	@diff -u build/docs/completions completions && \
		{ [ "$$(grep -l 'Rendered by' docs/man/*.8 | wc -l)" -eq "$$(ls build/docs/man | wc -l)" ] && \
		for f in build/docs/man/*; do diff -u docs/man/$${f##*/} $$f || exit 1; done; } || \
		{ echo 'stale: run make man'; exit 1; }
MAN_PAGES = $(wildcard docs/*.8 docs/man/*.8)

# ---- tests ---------------------------------------------------------------------------------------
UNIT_SRC := $(sort $(wildcard tests/unit/*/*_test.c))
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD_DIR)/unit/%)

unit_libs_common := $(LIB_common)
unit_libs_spec := $(LIB_spec) $(LIB_common)
unit_libs_runtime := $(LIB_runtime) $(LIB_spec) $(LIB_common)
unit_libs_shim := $(LIB_shim) $(LIB_common)
define unit_rule
$$(BUILD_DIR)/unit/$(1)/%_test: $$(BUILD_DIR)/obj/tests/unit/$(1)/%_test.o $$(unit_libs_$(1))
	@mkdir -p $$(@D)
	$$(CC) $$(ALL_CFLAGS) $$(ALL_LDFLAGS) -o $$@ $$^ $$(LIBS_$(2)) -lcmocka
endef
$(eval $(call unit_rule,common,common))
$(eval $(call unit_rule,spec,common))
$(eval $(call unit_rule,runtime,runtime))
$(eval $(call unit_rule,shim,shim))

unit: $(UNIT_BIN) ## build the unit tests of this BUILD

# A fuzz target also builds as a replayer of its corpus (tests/fuzz/replay.c), which the tests run.
FUZZ := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_REPLAY := $(FUZZ:%=$(BUILD_DIR)/fuzz/%)
FUZZ_LIBS := $(LIB_shim) $(LIB_spec) $(LIB_common)
$(BUILD_DIR)/fuzz/%: $(BUILD_DIR)/obj/tests/fuzz/%_fuzz.o $(BUILD_DIR)/obj/tests/fuzz/replay.o $(FUZZ_LIBS)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_shim)
fuzz-replay: $(FUZZ_REPLAY)

FUZZ_SECONDS ?= 30
fuzz: deps ## run every fuzz target with libFuzzer for FUZZ_SECONDS each
	tests/fuzz/run $(FUZZ_SECONDS) $(FUZZ)

# Static programs that run inside containers (no image needed), and the bench's floor.
PAYLOAD := $(BUILD_DIR)/payload/payload
payload: $(PAYLOAD)
$(PAYLOAD): tests/payload/payload.c $(BUILD_DIR)/flags
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -O2 $(WARN) -static -o $@ $<
$(BUILD_DIR)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -O2 $(WARN) -static -o $@ $<
DRIVERS := $(patsubst tests/integration/%.c,$(BUILD_DIR)/integration/%,$(wildcard tests/integration/*.c))
$(BUILD_DIR)/integration/%: $(BUILD_DIR)/obj/tests/integration/%.o $(LIB_runtime) $(LIB_spec) $(LIB_common)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_runtime)
drivers: $(DRIVERS)

deps-build: ; @tests/deps build
deps: ; @tests/deps test

test: deps ## everything: lint, unit (ASan+UBSan), bats, integration; installs what is missing
	@tests/run all
test-vm: deps ## all suites in a guest: pure cgroup v2, systemd, an older and a newer kernel
	@tests/run vm-all
test-fast: deps ## lint and unit tests only
	@tests/run fast
lint: ## layers, sizes, banned calls, clang-format, clang-tidy, cppcheck, shellcheck
	@tests/deps test && tests/lint/run
bench: ## thole beside runc, crun and a hard-coded floor, on pure cgroup v1 and v2; prints ratios
	@tests/deps bench && $(MAKE) --no-print-directory all $(BUILD_DIR)/bench/floor && tests/bench/run
demo: ## build, make a small bundle, run it under the shim, show its log and exit record
	@tests/deps demo && $(MAKE) --no-print-directory all && tests/demo

FMT_SRC = $(sort $(wildcard */*.c */*.h tests/*/*.c tests/*/*.h tests/*/*/*.c))
fmt: ## clang-format the tree
	clang-format -i $(FMT_SRC)

coverage: deps ## unit test coverage by gcov, per file
	@tests/coverage

CROSS_ARCH ?= aarch64
cross: ## build for CROSS_ARCH and run the unit tests under qemu-user
	@tests/cross $(CROSS_ARCH)

install: all ## install into $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(BINDIR)
	install -m 0755 bin/thole bin/thole-shim $(DESTDIR)$(BINDIR)
	ln -sf thole-shim $(DESTDIR)$(BINDIR)/thole-conmon
	ln -sf thole-shim $(DESTDIR)$(BINDIR)/containerd-shim-thole-v2
	install -d $(addprefix $(DESTDIR),$(MANDIR)/man8 $(BASHDIR) $(ZSHDIR) $(FISHDIR))
	install -m 0644 $(MAN_PAGES) $(DESTDIR)$(MANDIR)/man8
	install -m 0644 completions/thole.bash $(DESTDIR)$(BASHDIR)/thole
	install -m 0644 completions/_thole $(DESTDIR)$(ZSHDIR)/_thole
	install -m 0644 completions/thole.fish $(DESTDIR)$(FISHDIR)/thole.fish

uninstall: ## remove what install made
	rm -f $(addprefix $(DESTDIR)$(BINDIR)/,thole thole-shim thole-conmon containerd-shim-thole-v2)
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man8/,$(notdir $(MAN_PAGES)))
	rm -f $(addprefix $(DESTDIR),$(BASHDIR)/thole $(ZSHDIR)/_thole $(FISHDIR)/thole.fish)

dist: ## a source tarball of HEAD
	git archive --prefix=thole-$(VERSION)/ -o thole-$(VERSION).tar.gz HEAD

clean: ## remove everything built
	rm -rf build bin

# SPDX-License-Identifier: GPL-2.0
# The only entry point: `make help`. Every target installs what it needs and
# can be run again after a failure: it goes on where it stopped.

BUILD ?= build
export BUILD := $(abspath $(BUILD))
export LINUX_SRC FORCE T JOBS
export MEMFILE_T0 := $(shell date +%s)
H := harness
MAKEFLAGS += --no-print-directory

.PHONY: help demo test test-base tree tree-deps patches check-patches upstream build kunit shell bench clean
.NOTPARALLEL:

help:
	@echo 'make demo           real guests: private memory moved out of the way of huge pages, and swapped'
	@echo "make test           everything; T='pattern' runs the tests whose names match"
	@echo 'make tree           build/tree: the base kernel, patches/ as commits, new files as links'
	@echo 'make patches        the commits of build/tree to patches/'
	@echo 'make check-patches  the series applies, builds at each step, and is clean'
	@echo 'make upstream       build/upstream: the whole as a mailing-list series'
	@echo 'make build          the kernels of the lanes, and the test programs'
	@echo 'make kunit          KUnit on UML'
	@echo 'make shell          a shell in the plain kernel, with the test programs'
	@echo 'make bench          what memory costs in instructions, beside memfd and the base'
	@echo 'make clean          removes build/, but not the downloaded source'
	@echo
	@echo 'BUILD=DIR           instead of build/'
	@echo 'LINUX_SRC=PATH      a tarball or tree of the source, instead of a download'

tree:
	@$H/deps tree
	@$H/tree

patches: tree-deps
	@$H/patches

tree-deps:
	@$H/deps tree

check-patches: tree
	@$H/deps build check
	@$H/check-patches

upstream: tree
	@$H/upstream

build: tree
	@$H/deps build run
	@$H/build plain debug

kunit: tree
	@$H/deps build
	@$H/kunit

test: tree
	@$H/deps build run check
	@$H/test

# KVM's and mm's selftests on the kernel without our changes
test-base: tree
	@$H/deps build run
	@LANES=base T='$(or $(T),^base/)' $H/test

demo: tree
	@$H/deps build run
	@$H/build plain base
	@T='/mm/memfile_bench$$' $H/run-tests base
	@T='/mm/memfile_bench$$' $H/run-tests plain
	@$H/demo "$$BUILD" "$$BUILD/out-plain/arch/x86/boot/bzImage"

shell: tree
	@$H/deps build run
	@$H/build plain
	@$H/shell

bench: tree
	@$H/deps build run
	@$H/build plain base
	@T='/mm/memfile_bench$$' $H/run-tests base
	@T='/mm/memfile_bench$$' $H/run-tests plain
	@$H/bench

# The source was a long download: it stays.
clean:
	@if [ -d "$$BUILD" ]; then find "$$BUILD" -mindepth 1 -maxdepth 1 ! -name dl -exec rm -rf {} +; fi

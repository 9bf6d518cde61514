# SPDX-License-Identifier: Apache-2.0
# Thin names for the scripts in script/ and for Meson; nothing is decided here.
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
SCRIPT = BUILD=$(BUILD) script

.DEFAULT_GOAL := build
.PHONY: help build install uninstall test unit integration fuzz lab bench demo lint format clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 14

build: ## build; programs run in place under build/bin
	@$(SCRIPT)/build

install: build ## install the built programs to $(DESTDIR)$(PREFIX)
	install -d "$(DESTDIR)$(PREFIX)"
	for d in bin libexec share; do \
		if [ -d "$(BUILD)/$$d" ]; then cp -R --no-preserve=ownership "$(BUILD)/$$d" "$(DESTDIR)$(PREFIX)/"; fi; \
	done

uninstall: build ## remove what install put there
	cd "$(BUILD)" && find bin libexec share ! -type d -exec rm -f "$(DESTDIR)$(PREFIX)/{}" \;

test: ## set up and run everything (root; what CI runs)
	@script/test

unit: build ## unit tests
	@$(SCRIPT)/unit

integration: build ## integration tests on the build (root)
	@$(SCRIPT)/integration

fuzz: ## every fuzz target for a while (FUZZ_SECONDS)
	@script/fuzz

lab: build ## unit and integration tests on a cgroup v2 kernel in QEMU (root)
	@$(SCRIPT)/lab

bench: build ## cloche beside the kernel floor and other engines (root)
	@$(SCRIPT)/bench

demo: ## build, run a container, show what its start cost (root)
	@script/demo

lint: ## format, clang-tidy, layers, headers, sizes, symbols, tree
	@script/lint

format: ## put every C file into the project's format
	@script/format

clean: ## remove build output
	rm -rf build build-*

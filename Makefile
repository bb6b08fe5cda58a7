# make run     install what is missing, build, open the shell on $(DIR)
# make test    the same, then run all tests
# The other targets: build lint format check fuzz bench install uninstall clean

DIR ?= ./data
PREFIX ?= /usr/local
DESTDIR ?=
N ?= 1000000
KEY ?= 16
ROUNDS ?= 3
SWIFT ?= swift
# The executable without Foundation and with Swift's library inside: it starts in milliseconds.
RELEASE = -c release --static-swift-stdlib --product stave
BINARY = $(shell $(SWIFT) build $(RELEASE) --show-bin-path)/stave
SHARE = $(DESTDIR)$(PREFIX)/share
COMPLETIONS = $(SHARE)/bash-completion/completions/stave $(SHARE)/zsh/site-functions/_stave \
	$(SHARE)/fish/vendor_completions.d/stave.fish
PACKAGES = libedit-dev libxxhash-dev pkg-config
SOURCES = Package.swift Sources Tests
# A crash in a test prints its trace and ends; it does not wait for a key.
export SWIFT_BACKTRACE ?= interactive=no,color=no

.PHONY: run build test lint format check fuzz bench install uninstall clean dependencies

run: build
	@$(BINARY) --create $(DIR)

build: dependencies
	$(SWIFT) build $(RELEASE)

test: dependencies
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build

# What lint, sanitizers and an optimized build have to say; takes several times as long as `test`.
check: lint test
	STAVE_EXHAUSTIVE=1 $(SWIFT) test -c release --scratch-path .build-release -Xswiftc -enable-testing
	STAVE_STRESS_SECONDS=60 $(SWIFT) test --sanitize=thread --scratch-path .build-tsan \
		--filter Concurrency
	ASAN_OPTIONS=detect_leaks=0 $(SWIFT) test --sanitize=address --scratch-path .build-asan \
		--filter 'StaveDiskTests|StaveTests'

lint:
	$(SWIFT) format lint --strict --recursive $(SOURCES)

format:
	$(SWIFT) format --in-place --recursive $(SOURCES)

# The decoders under libFuzzer: RUNS inputs each, or as many as SECONDS allow.
RUNS ?= 10000000
SECONDS ?= 600
fuzz: dependencies
	Tests/Fuzz/build
	RUNS=$(RUNS) SECONDS_EACH=$(SECONDS) Tests/Fuzz/run

# Stave beside a bare C floor of the same design: N keys of KEY bytes, CPU time, medians of ROUNDS.
bench: dependencies
	$(SWIFT) run -c release --package-path Tests/Benchmarks Benchmarks $(N) $(KEY) $(ROUNDS)

install: build
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/stave
	install -D -m 644 docs/stave.1 $(SHARE)/man/man1/stave.1
	install -d $(dir $(COMPLETIONS))
	$(BINARY) --generate-completion-script bash > $(word 1,$(COMPLETIONS))
	$(BINARY) --generate-completion-script zsh > $(word 2,$(COMPLETIONS))
	$(BINARY) --generate-completion-script fish > $(word 3,$(COMPLETIONS))

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/stave $(SHARE)/man/man1/stave.1 $(COMPLETIONS)

clean:
	rm -rf .build .build-release .build-tsan .build-asan .build-fuzz Tests/Benchmarks/.build

dependencies:
	@command -v $(SWIFT) >/dev/null || { echo "swift is missing: install Swift 6.2 or newer from swift.org"; exit 1; }
	@if ! pkg-config --exists libedit libxxhash 2>/dev/null; then \
		echo "installing $(PACKAGES)"; \
		sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		$$sudo apt-get update -qq && $$sudo apt-get install -y -qq $(PACKAGES); \
	fi

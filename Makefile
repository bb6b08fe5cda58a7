# make run     install what is missing, build, open the shell on $(DIR)
# make test    the same, then run all tests
# The other targets: build lint format check fuzz torture torture-cli soak bench bench-peers bench-peers-large
# bench-docs bench-scripts picture budget install uninstall dist deb package-test
# check-arm check-api clean

DIR ?= ./data
PREFIX ?= /usr/local
DESTDIR ?=
N ?= 1000000
KEY ?= 16
ROUNDS ?= 3
ROUNDS_OF_POWER ?= 20
KILLS ?= 3000
SECONDS ?= 1200
MINUTES ?= 30
# The folder of a torture harness for key-value stores, which speaks the protocol that
# Tests/Torture/stave.py describes: its torture.py takes an adapter, --scale, --seed and --work.
TORTURE ?=
SCALE ?= 1
SEED ?= 1
SWIFT ?= swift
# The executable without Foundation and with Swift's library inside: it starts in milliseconds.
RELEASE = -c release --static-swift-stdlib --product stave
BINARY = $(shell $(SWIFT) build $(RELEASE) --show-bin-path)/stave
ENGINES ?= stave,floor
VALUE ?= 100
RESULTS ?= bench-results
PEER_ENGINES ?= stave,floor,tkrzw,kyoto,lmdb,lmdb-wm,leveldb,rocksdb,bdb,sqlite
LARGE_ENGINES ?= stave,floor,tkrzw,kyoto,lmdb,lmdb-wm
PEERS = librocksdb-dev libleveldb-dev liblmdb-dev libtkrzw-dev libkyotocabinet-dev libsqlite3-dev \
	libdb5.3-dev
VERSION = $(shell sed -n 's/^public let staveVersion = "\(.*\)"/\1/p' Sources/Stave/StoreVersion.swift)
ARCHITECTURE = $(shell dpkg --print-architecture)
PACKAGE = dist/stave_$(VERSION)_$(ARCHITECTURE).deb
SHARE = $(DESTDIR)$(PREFIX)/share
COMPLETIONS = $(SHARE)/bash-completion/completions/stave $(SHARE)/zsh/site-functions/_stave \
	$(SHARE)/fish/vendor_completions.d/stave.fish
SCRIPT_PEERS = redis-server redis-tools tkrzw-utils kyotocabinet-utils lmdb-utils db5.3-util sqlite3 \
	gdbmtool rocksdb-tools python3
TORTURE_PACKAGES = python3 strace gcc libc6-dev btrfs-progs xfsprogs
PACKAGES = libedit-dev libxxhash-dev pkg-config
SOURCES = Package.swift Sources Tests
# A crash in a test prints its trace and ends; it does not wait for a key.
export SWIFT_BACKTRACE ?= interactive=no,color=no

.PHONY: run build test lint format check fuzz torture torture-cli soak
.PHONY: bench bench-peers bench-peers-large bench-docs bench-scripts picture budget
.PHONY: install uninstall dist deb package-test check-arm check-api clean dependencies peers script-peers torture-packages

run: build
	@$(BINARY) --create $(DIR)

build: dependencies
	$(SWIFT) build $(RELEASE)

test: dependencies
	Tests/Client/run
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build

# What lint, sanitizers and an optimized build have to say; takes several times as long as `test`.
check: lint test budget
	STAVE_EXHAUSTIVE=1 $(SWIFT) test -c release --scratch-path .build-release -Xswiftc -enable-testing
	STAVE_STRESS_SECONDS=60 $(SWIFT) test --sanitize=thread --scratch-path .build-tsan \
		--filter Concurrency
	ASAN_OPTIONS=detect_leaks=0 $(SWIFT) test --sanitize=address --scratch-path .build-asan \
		--filter 'StaveDiskTests|StaveTests'
	$(MAKE) package-test check-arm check-api
	$(MAKE) torture-cli SCALE=0.1

# Faults at every call in every way, power cuts, and thousands of kills: ROUNDS_OF_POWER histories a
# setting, KILLS kills in at most SECONDS. STAVE_SEED=n repeats one.
torture: dependencies
	STAVE_LONG=1 STAVE_POWER_ROUNDS=$(ROUNDS_OF_POWER) STAVE_KILLS=$(KILLS) STAVE_SECONDS=$(SECONDS) \
		$(SWIFT) test --filter 'FaultTests|PowerLossTests|KillTests|LimitsTests|ManySegmentsTests'

# The program under a harness that knows nothing of it; Tests/Torture says what the two say to each other.
torture-cli: build
	@[ -z "$(TORTURE)" ] || $(MAKE) -s torture-packages
	@if [ -z "$(TORTURE)" ]; then \
		echo "torture-cli is skipped: TORTURE=FOLDER names a harness (Tests/Torture/stave.py)"; \
	else \
		STAVE="$(BINARY)" Tests/Torture/run "$(abspath $(TORTURE))" $(SCALE) $(SEED); \
	fi

# MINUTES of mixed load; figures are printed as it goes.
soak: dependencies
	STAVE_SOAK_MINUTES=$(MINUTES) $(SWIFT) test -c release --scratch-path .build-release \
		-Xswiftc -enable-testing --filter SoakTests

lint:
	$(SWIFT) format lint --strict --recursive $(SOURCES)
	$(SWIFT) Tests/Tidy/tidy.swift

format:
	$(SWIFT) format --in-place --recursive $(SOURCES)

# The decoders under libFuzzer: RUNS inputs each, or as many as SECONDS allow.
RUNS ?= 10000000
SECONDS ?= 600
fuzz: dependencies
	Tests/Fuzz/build
	RUNS=$(RUNS) SECONDS_EACH=$(SECONDS) Tests/Fuzz/run

BENCH = $(SWIFT) run -c release --package-path Tests/Benchmarks

# Stave beside a bare C floor of the same design: N keys of KEY bytes, values of VALUE, ROUNDS rounds.
bench: dependencies
	$(BENCH) Benchmarks run --keys $(N) --key-length $(KEY) --value $(VALUE) --rounds $(ROUNDS) \
		--engines $(ENGINES)

# Stave beside the other engines, which are installed. What $(RESULTS) holds already is not measured
# again, so that a run can be interrupted. Then the page is made anew.
bench-peers: dependencies peers
	mkdir -p $(RESULTS)
	$(BENCH) PeerBenchmarks run --keys $(N) --rounds $(ROUNDS) --engines $(PEER_ENGINES) \
		--results $(RESULTS)/peers.jsonl
	$(BENCH) PeerBenchmarks run --keys $$(($(N) / 4)) --value 1024 --rounds 1 \
		--engines $(PEER_ENGINES) --results $(RESULTS)/peers.jsonl
	$(BENCH) PeerBenchmarks run --keys $$(($(N) / 100)) --value 65536 --rounds 1 \
		--engines $(PEER_ENGINES) --results $(RESULTS)/peers.jsonl
	$(MAKE) bench-docs

# The same with ten times as many keys, for the engines that come near.
bench-peers-large: dependencies peers
	mkdir -p $(RESULTS)
	$(BENCH) PeerBenchmarks run --keys $$(($(N) * 10)) --rounds 1 --engines $(LARGE_ENGINES) \
		--results $(RESULTS)/peers.jsonl
	$(MAKE) bench-docs

# docs/benchmarks.md and its charts, from the results that are there.
bench-docs: dependencies peers
	$(BENCH) PeerBenchmarks report $(RESULTS)/*.jsonl

# Scripts of set and get lines through a pipe, beside the shells of other stores, which are installed;
# then the memory that 1 M and 10 M lines take. N lines, N / 10 for shells that take minutes.
bench-scripts: build script-peers
	Tests/Benchmarks/bench-scripts speed $(BINARY) --lines $(N) --slow-lines $$(($(N) / 10)) \
		--rounds $(ROUNDS)
	Tests/Benchmarks/bench-scripts memory $(BINARY) --lines $(N)

# docs/shell.svg, from a real session.
picture: build
	$(call install-missing,tmux)
	docs/shell-picture $(BINARY) > docs/shell.svg

# Instructions an operation, against the budget that is checked in. (Debug information goes, because
# valgrind 3.19 gives up on some of it.)
budget: dependencies
	@command -v valgrind >/dev/null || { \
		sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		$$sudo apt-get update -qq && $$sudo apt-get install -y -qq valgrind; }
	$(SWIFT) build -c release --package-path Tests/Benchmarks --product Instructions
	bin=$$($(SWIFT) build -c release --package-path Tests/Benchmarks --show-bin-path)/Instructions; \
		strip --strip-debug $$bin && $$bin Tests/Benchmarks/budget.txt

install: build
	install -D -m 755 --strip $(BINARY) $(DESTDIR)$(PREFIX)/bin/stave
	install -D -m 644 docs/stave.1 $(SHARE)/man/man1/stave.1
	install -d $(dir $(COMPLETIONS))
	$(BINARY) --generate-completion-script bash > $(word 1,$(COMPLETIONS))
	$(BINARY) --generate-completion-script zsh > $(word 2,$(COMPLETIONS))
	$(BINARY) --generate-completion-script fish > $(word 3,$(COMPLETIONS))

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/stave $(SHARE)/man/man1/stave.1 $(COMPLETIONS)

# The sources of the last commit: the same commit gives the same bytes.
dist:
	@mkdir -p dist
	git archive --format=tar --prefix=stave-$(VERSION)/ HEAD | gzip -9n > dist/stave-$(VERSION).tar.gz
	@cd dist && sha256sum stave-$(VERSION).tar.gz

# A Debian package of the program, its manual page and its completions.
deb: build
	$(call install-missing,dpkg-dev)
	Tests/Packaging/deb $(VERSION) $(ARCHITECTURE) $(PACKAGE)

# Installs the package into a root of its own, tries it, and removes it; unpacks the sources, and
# compares them with what is checked in.
package-test: deb dist
	Tests/Packaging/test $(PACKAGE) dist/stave-$(VERSION).tar.gz $(VERSION)

# The C parts compiled for a 64-bit ARM processor, and their hashes run in an emulator.
check-arm: dependencies
	$(call install-missing,gcc libc6-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)
	Tests/Arm/run

# What programs that use the library would have to change since the last release; BASE names another.
BASE ?= $(shell git describe --tags --abbrev=0 --match 'v*' 2>/dev/null)
check-api: dependencies
	@if [ -z "$(BASE)" ]; then \
		echo "check-api is skipped: there is no release yet (BASE=COMMIT names what to compare with)"; \
	else \
		$(SWIFT) package diagnose-api-breaking-changes $(BASE) --products Stave StaveCodable; \
	fi

clean:
	rm -rf dist Tests/Client/.build .build .build-release .build-tsan .build-asan .build-fuzz Tests/Benchmarks/.build

dependencies:
	@command -v $(SWIFT) >/dev/null || { echo "swift is missing: install Swift 6.2 or newer from swift.org"; exit 1; }
	@if ! pkg-config --exists libedit libxxhash 2>/dev/null; then \
		echo "installing $(PACKAGES)"; \
		sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		$$sudo apt-get update -qq && $$sudo apt-get install -y -qq $(PACKAGES); \
	fi

torture-packages:
	$(call install-missing,$(TORTURE_PACKAGES))

peers:
	$(call install-missing,$(PEERS))

script-peers:
	$(call install-missing,$(SCRIPT_PEERS))

define install-missing
@if ! dpkg-query -W $(1) >/dev/null 2>&1; then \
	echo "installing $(1)"; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	$$sudo apt-get update -qq && $$sudo apt-get install -y -qq $(1); \
fi
endef

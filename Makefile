# Larder: make help lists the targets.
SHELL   := /bin/bash
GO      ?= go
TAGS    := urfave_cli_no_docs
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FLAGS   := -tags $(TAGS) -trimpath -ldflags '-s -w -X main.version=$(VERSION)'
PREFIX  ?= /usr/local
BIN     ?= bin
DOCS    ?= bin/docs
DIST    ?= dist

# The hook has an entry of its own, where there is one: see cmd/larder-hook/guard.go.
HOOK_amd64 := -E larder_guard
HOOKFLAGS  := -trimpath -ldflags '-s -w -X main.version=$(VERSION) $(HOOK_$(shell $(GO) env GOARCH))'

comma := ,

export CGO_ENABLED := 0

.PHONY: help build docs dist demo demo-npm demo-maven test test-pure test-store test-script test-mount test-constructions test-fuzz test-e2e test-torture kernels bench torture soak races swaps load lint install uninstall clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## bin/larder, bin/larder-hook, bin/larder-nri and bin/larder-runc
	@mkdir -p $(BIN)
	$(GO) build $(FLAGS) -o $(BIN)/larder ./cmd/larder
	$(GO) build -tags $(TAGS) $(HOOKFLAGS) -o $(BIN)/larder-hook ./cmd/larder-hook
	$(GO) build $(FLAGS) -o $(BIN)/larder-nri ./cmd/larder-nri
	$(GO) build $(FLAGS) -o $(BIN)/larder-runc ./cmd/larder-runc

docs: ## manual pages, completions and units, into DOCS (bin/docs)
	$(GO) run -tags docs,$(TAGS) -ldflags '-X main.version=$(VERSION)' ./cmd/larder docs $(DOCS) $(PREFIX)

dist: ## tarballs, deb, rpm and checksums of this commit, into DIST (dist/)
	@DIST=$(DIST) scripts/dist.sh

demo: ## the main job on real packages, in a scratch store (root)
	@scripts/demo.sh

demo-npm: ## node_modules of a real project from its lock, in a scratch store (root, Node.js and npm)
	@scripts/demo-npm.sh

demo-maven: ## a real project by an mvn that asks for nothing, in a scratch store (root, Maven and a JDK)
	@scripts/demo-maven.sh

test: ## every tier, counted one by one; root, Python and the package indexes needed
	@scripts/test.sh pure store script mount constructions e2e beside fuzz kernels torture

test-pure test-store test-script test-mount test-constructions test-fuzz test-e2e test-torture: ## one tier
	@scripts/test.sh $(@:test-%=%)

kernels: ## boot older kernels in qemu and mount there; KERNELS="5.15 6.1 6.8 6.12" says which
	@KERNELS="$(KERNELS)" scripts/test.sh kernels

bench: build ## ratios measured side by side (root, Python, the package indexes); BENCH="--only run --quick" says which and how
	@python3 scripts/bench $(BENCH)

torture: bin/torture ## kills, failing calls, power cuts and damage, and what is left (root); TORTURE="-kills 1000 -seed 7" says what
	@bin/torture $(or $(TORTURE),-kills 40 -points 40 -times 40 -errnos 100 -hosts 20 -cuts 30 -damages 100)

soak: bin/torture ## torture in rounds with other seeds, from SEED on, for SOAK=2h (root)
	@bin/torture -soak $(or $(SOAK),1h) -seed $(or $(SEED),$(shell date +%s)) -jobs 2 $(or $(TORTURE),-kills 300 -points 100 -times 200 -errnos 300 -sites 300 -hosts 60 -cuts 120 -damages 300)

# With the programs that it tortures: they name their steps.
.PHONY: bin/torture
bin/torture:
	@mkdir -p bin/failpoint
	$(GO) build $(FLAGS) -tags $(TAGS),failpoint -o bin/failpoint/larder ./cmd/larder
	$(GO) build -tags $(TAGS),failpoint $(HOOKFLAGS) -o bin/failpoint/larder-hook ./cmd/larder-hook
	$(GO) build -tags $(TAGS) -o $@ ./scripts/torture

races: ## attaches against gc: every order of their steps, and 1,000 at random (root); RACES=5000 says how many
	LARDER_RACES=$(or $(RACES),1000) $(GO) test -tags $(TAGS) -count=1 -v -timeout 60m -run '^TestMountAttach(BesideGC|esRaceGC)$$' ./cmd/larder-hook

swaps: ## attaches while directories on the way are exchanged for links: 200,000 (root); SWAPS=5000 says how many
	LARDER_SWAPS=$(or $(SWAPS),200000) $(GO) test -tags $(TAGS) -count=1 -v -timeout 60m -run '^TestMountSwaps$$' ./overlay/oci

load: ## containers one after another, held together, and at once: 10000,1000,50, and so many of runc held: 1000 (root); LOAD=100,40,20 and RUNC=20 say how many
	LARDER_LOAD=$(or $(LOAD),10000$(comma)1000$(comma)50) LARDER_E2E=1 LARDER_RUNC_LOAD=$(or $(RUNC),1000) \
	  $(GO) test -tags $(TAGS) -count=1 -v -timeout 60m -run '^Test(MountLoad|E2ERuncLoad)$$' ./cmd/larder-hook

lint: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l cmd snapshot overlay builder popularity scripts)" || { gofmt -d cmd snapshot overlay builder popularity scripts; exit 1; }
	$(GO) vet -tags $(TAGS) ./...
	$(GO) vet -tags docs,$(TAGS) ./cmd/larder
	$(GO) tool staticcheck -tags $(TAGS) ./...

install: build ## into PREFIX (/usr/local): bin/larder, and larder-hook, larder-nri and larder-runc in libexec/larder
	install -D -m 0755 $(BIN)/larder $(DESTDIR)$(PREFIX)/bin/larder
	install -D -m 0755 $(BIN)/larder-hook $(DESTDIR)$(PREFIX)/libexec/larder/larder-hook
	install -D -m 0755 $(BIN)/larder-nri $(DESTDIR)$(PREFIX)/libexec/larder/larder-nri
	install -D -m 0755 $(BIN)/larder-runc $(DESTDIR)$(PREFIX)/libexec/larder/larder-runc

uninstall: ## what install put there; the store and the configuration stay
	rm -f $(DESTDIR)$(PREFIX)/bin/larder $(addprefix $(DESTDIR)$(PREFIX)/libexec/larder/,larder-hook larder-nri larder-runc)
	rmdir --ignore-fail-on-non-empty $(DESTDIR)$(PREFIX)/libexec/larder 2>/dev/null || true

clean: ## remove bin/ and dist/
	rm -rf bin dist

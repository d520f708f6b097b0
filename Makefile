# `make` or `make help` lists the targets. PKGS="./service/feed/..." narrows test, test-go and bench.
SHELL := bash
.SHELLFLAGS := -o pipefail -c
.DEFAULT_GOAL := help
PKGS ?= ./... ./.ci/gotest
BIN := bin/dimmer
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# Static, so that the binary runs in an image that holds nothing else; deploy/Dockerfile builds it the same way.
BUILD := CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"

# The race detector needs a C compiler. Without one the tests still run, and say so.
CC_FOUND := $(shell command -v "$$(go env CC)" 2>/dev/null)
RACE := $(if $(CC_FOUND),-race)
# In CI nothing comes from Go's cache of test results.
GOTEST := go run ./.ci/gotest
GOTESTFLAGS ?= $(RACE) -shuffle=on -timeout=20m $(if $(filter true,$(CI)),-count=1)

FUZZTIME ?= 30s
FUZZ ?= .
BENCH ?= .
COUNT ?= 1

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: run
run: ui-maybe build ## start a server, the example shop and, the first time, the tour (TOUR=0: not); data in ./.dimmer
	@exec $(BIN) dev

.PHONY: build
build: ## build bin/dimmer, a static binary, and the example shop beside it
	@mkdir -p bin
	$(BUILD) -o $(BIN) ./cmd/dimmer
	$(BUILD) -o bin/shop ./sdk/go/examples/shop

.PHONY: ui
ui: ## build the admin UI into the folder that make build embeds; needs Node
	@.ci/ui build

.PHONY: ui-maybe
ui-maybe:
	@.ci/ui maybe

.PHONY: test
test: race-note ## all tests; gets redis-server, chromium and strace if they are missing
	@env=$$(.ci/tools env) && eval "$$env" && bad=0 && \
	{ $(if $(filter default,$(UITESTS)),.ci/ui test || bad=1;) \
	$(if $(and $(RACE),$(filter ./...,$(PKGS))),go test ./service/stats -run TestSimulations -count=1 || bad=1;) \
	$(GOTEST) -noalloc -- $(GOTESTFLAGS) $(PKGS) || bad=$$?; exit $$bad; }

# Narrowed to packages, make test leaves the UI out.
UITESTS := $(if $(filter file,$(origin PKGS)),default)

.PHONY: test-ui
test-ui: ## the UI's tests: types, pure logic, and a browser against the real binary
	@env=$$(.ci/tools env) && eval "$$env" && .ci/ui test

.PHONY: test-go
test-go: race-note ## tests that need Go alone; lists what it left out
	@echo "test-go: tests that need a redis-server, and those of the admin UI (types, Vitest, browser), are left out; make test runs them"
	@CI= REDIS_SERVER=none $(GOTEST) -allow-skips -noalloc -- $(GOTESTFLAGS) $(PKGS)

.PHONY: race-note
race-note:
	@$(if $(CC_FOUND),,echo "NOTE: no C compiler ($$(go env CC)): tests run WITHOUT the race detector" >&2)

.PHONY: lint
lint: ## gofmt, golangci-lint, buf lint and breaking, tsc, generated code is current
	@.ci/lint

.PHONY: generate
generate: ## write the generated code: proto/, service/adminapi/api.gen.go, admin-ui/src/api/schema.gen.ts
	@.ci/generate

.PHONY: bench
bench: ## benchmarks, then each figure beside its limit and target; BENCH=regexp, COUNT=n for benchstat
	@env=$$(.ci/tools env) && eval "$$env" && \
	go test -run='^$$' -bench='$(BENCH)' -benchmem -count=$(COUNT) -timeout=2h $(PKGS) | .ci/benchtable

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME (30s); FUZZ=regexp chooses
	@.ci/fuzz '$(FUZZTIME)' '$(FUZZ)'

.PHONY: simulate
simulate: ## 10,000 simulated rollouts of each kind; writes docs/statistics.md and its plots
	go test ./service/stats -run TestReport -count=1 -timeout=1h -v -args -paths=10000 -write="$(CURDIR)/docs"

.PHONY: soak
soak: ## the long versions of the tests (hours), then an hour of fuzzing
	@env=$$(.ci/tools env) && eval "$$env" && \
	DIMMER_SOAK=1 $(GOTEST) -- $(RACE) -count=1 -timeout=4h $(PKGS)
	@.ci/fuzz 10m

.PHONY: screenshots
screenshots: ui build ## every screen of the admin UI, light and dark, desktop and phone, into .cache/screenshots
	@env=$$(.ci/tools env) && eval "$$env" && .ci/ui screenshots

.PHONY: image
image: ui-maybe ## build the container image with buildah or docker
	@deploy/image '$(VERSION)'

.PHONY: doctor
doctor: ## each tool: found, needed, and the line that installs it
	@.ci/tools doctor

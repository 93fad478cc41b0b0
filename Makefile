# edgegw. `make` alone prints what there is to make.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Options: make run PORT=9000, make fuzz FUZZTIME=1h, make build VERSION=v1.2.3.
PORT ?= 8080
FUZZTIME ?= 5m
VERSION ?=
ARGS ?=

export CGO_ENABLED := 0
export PORT VERSION

TOOLS := .cache/tools

# Every area that `make test` runs, the longest first, and last what runs alone.
AREAS := test-race lint test-arm test-boards fuzz-smoke test-386 test-realtime test-disk test-firstrun test-torture test-attack test-observed test-api test-conformance test-client-go test-client-javascript test-client-micropython test-client-rust test-client-c test-client-c-ports cross-smoke tidy-check test-tools test-service test-packages test-boot test-browser

.PHONY: help
help: ## print this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ run and build

.PHONY: run
run: build ## start a gateway on 127.0.0.1:8080 (PORT=) with ./data, for trying things out
	@scripts/run.sh $(ARGS)

.PHONY: build
build: ## build bin/edgegw (VERSION=)
	@scripts/build.sh bin/edgegw

.PHONY: cross
cross: ## build for every board into dist/ and hold the size budget of armv6 (VERSION=)
	@scripts/cross-build.sh

.PHONY: packages
packages: ## make the Debian packages and the tarballs in dist/ (VERSION=, MAINTAINER=)
	@scripts/package.sh

.PHONY: size
size: ## print what each third-party module costs on armv6
	@scripts/module-sizes.sh

.PHONY: web
web: ## make the dashboard's embedded files of its sources
	@go -C tools/web run . ../../internal/dashboard/web ../../internal/dashboard/dist

.PHONY: bench
bench: ## measure beside a bare gws server; takes a while and wants an idle machine
	@scripts/bench.sh

.PHONY: clean
clean: ## remove what was built and what tests left; ./data stays
	@rm -rf bin dist .cache e2e/node_modules

##@ test

.PHONY: test
test: ## run every test; installs what is missing
	@scripts/test.sh $(AREAS)

.PHONY: test-go
test-go: ## run vet and the Go tests without the slow parts; the quick inner loop
	@scripts/ensure-tools.sh openssl curl
	@go vet ./...
	@go test -short ./internal/... ./cmd/... ./firmware-clients/...

.PHONY: test-race
test-race: ## run all Go tests with the race detector
	@scripts/ensure-tools.sh gcc promtool openssl curl
	@CGO_ENABLED=1 go test -race -count=1 -timeout 12m ./internal/... ./cmd/... ./firmware-clients/...

.PHONY: test-script
test-script: ## run the scripts against the real binary
	@scripts/ensure-tools.sh openssl curl
	@go test -count=1 ./cmd/edgegw/...

.PHONY: test-arm
test-arm: ## run the Go tests as on the oldest Raspberry Pi, under qemu
	@scripts/test-32bit.sh arm

.PHONY: test-arm-gateway
test-arm-gateway: ## run the gateway's black-box tests under qemu; alone, and on a quiet machine
	@scripts/test-32bit.sh arm-gateway

.PHONY: test-386
test-386: ## run the Go tests as a 32-bit program
	@scripts/test-32bit.sh 386

.PHONY: test-boards
test-boards: ## have a conversation with the binary of every board, under qemu; frames, stores and tokens on armv7 and arm64
	@scripts/test-boards.sh

.PHONY: test-browser
test-browser: build ## run the tests in a real browser
	@scripts/test-browser.sh

.PHONY: screenshots
screenshots: build ## take docs/screenshots anew; takes two minutes
	@scripts/ensure-tools.sh node npm chromium
	@scripts/npm-ci.sh e2e
	@node e2e/screenshots.mjs

.PHONY: test-client-go
test-client-go: ## run the Go client through the fault course (root, to mount the disk that loses its power)
	@scripts/course.sh go

.PHONY: test-client-javascript
test-client-javascript: build ## test the JavaScript client: vectors, faults, the real binary, types
	@scripts/test-client-javascript.sh

.PHONY: test-client-micropython
test-client-micropython: build ## test the MicroPython client on both interpreters: vectors, faults, the real binary
	@scripts/test-client-micropython.sh

.PHONY: test-client-rust
test-client-rust: ## test the Rust client with Debian's compiler, natively and for armhf: vectors, package, fault course (root)
	@scripts/test-client-rust.sh

.PHONY: test-client-c
test-client-c: ## test the C client with both compilers: unit tests, vectors, fuzzing, sizes on small processors, the course, ARM boards (FUZZ_SECONDS=)
	@scripts/test-client-c.sh

.PHONY: test-client-c-ports
test-client-c-ports: ## test the C client as a component, a library and a package: ESP-IDF, Arduino, PlatformIO, CMake; the port to ESP-IDF and the class for Arduino through the fault course
	@scripts/test-client-c-ports.sh

.PHONY: build-esp-idf
build-esp-idf: ## build the example of the C client with ESP-IDF, which IDF_PATH names, for CHIPS="esp32 esp32c3"
	@scripts/build-esp-idf.sh $(CHIPS)

.PHONY: test-api
test-api: build ## let schemathesis try the API document on the real binary (SECONDS_PER_RUN=60)
	@scripts/test-api.sh

.PHONY: test-conformance
test-conformance: build ## run the Autobahn WebSocket test suite on the real binary (CASES="6.* 7.9.1")
	@scripts/test-conformance.sh

.PHONY: test-attack
test-attack: ## attack the real binary: tokens, timing, bodies, origins, headers, floods; prints figures
	@go test -count=1 -timeout 8m -v ./e2e/attack

.PHONY: test-realtime
test-realtime: ## kill, flood and stall the real binary and compare it with a model; prints figures (ROUNDS=, SEED=)
	@go test -count=1 -parallel 8 -timeout $(if $(ROUNDS),0,9m) -v ./e2e/realtime

.PHONY: test-firstrun
test-firstrun: ## go from an empty folder to the first message, and run the cloud-init example; prints the time
	@scripts/ensure-tools.sh curl shellcheck python3 python3-yaml
	@go test -count=1 -timeout 2m ./e2e/firstrun -v
	@scripts/test-cloud-init.sh

.PHONY: test-disk
test-disk: ## let the real binary run out of disk on a small ext4 of its own (root, to mount it)
	@scripts/ensure-tools.sh mkfs.ext4
	@go test -count=1 -timeout 4m -v ./e2e/disk

.PHONY: test-observed
test-observed: ## let VictoriaMetrics, vmagent, vmalert, promtool and fail2ban look at the real binary
	@scripts/ensure-tools.sh promtool victoria-metrics vmagent vmalert fail2ban-regex
	@go test -count=1 -parallel 4 -timeout 5m -v ./e2e/observed

.PHONY: scale
scale: ## store a million messages in 200 rooms, and measure the start, pages, searches, memory, and what a backup costs publishers (MESSAGES=)
	@EDGEGW_SCALE_MESSAGES=$(MESSAGES) go test -count=1 -timeout 15m -v ./e2e/scale

.PHONY: test-torture
test-torture: ## cut the real binary off in every way, a few times each, and compare with a ledger (root, to mount disks)
	@scripts/torture.sh

.PHONY: torture
torture: ## the same N times (N=100) of KIND (all, or a test of e2e/torture), in LANES; adds to docs/reliability.json (SEED=)
	@scripts/torture.sh --add $(if $(N),$(N),100) $(if $(KIND),$(KIND),all)

.PHONY: fuzz-smoke
fuzz-smoke: ## fuzz every target for 10 seconds
	@scripts/fuzz.sh 10s

.PHONY: fuzz
fuzz: ## fuzz every target for long (FUZZTIME=5m each)
	@scripts/fuzz.sh $(FUZZTIME)

.PHONY: test-tools
test-tools: ## see the scripts of this repository refuse what they should
	@scripts/selftest.sh

.PHONY: test-service
test-service: ## run the real binary as systemd does, look at the units, and hold its system calls against them; prints figures
	@scripts/ensure-tools.sh systemd-analyze strace qemu-arm-static
	@go test -count=1 -timeout 4m -v ./e2e/service

.PHONY: test-packages
test-packages: ## build the packages twice, and install, update, remove and purge them with no network (root)
	@scripts/test-packages.sh

.PHONY: test-boot
test-boot: ## boot a Debian in a container and try the service in it: crash, hang, reload, upgrade, sockets, stop (root)
	@scripts/test-boot.sh

##@ checks

.PHONY: lint
lint: ## check form and known mistakes: gofmt, vet, staticcheck, gosec, shellcheck
	@scripts/lint.sh $(TOOLS)

.PHONY: tidy-check
tidy-check: ## check that go.mod and go.sum say what the sources need, third_party what was released, and the dashboard's files what its sources make
	@go mod tidy -diff
	@scripts/third-party.sh --check
	@go -C tools mod tidy -diff
	@go -C tools/nfpm mod tidy -diff
	@go -C tools/web mod tidy -diff
	@go -C tools/web run . -check ../../internal/dashboard/web ../../internal/dashboard/dist
	@cd internal/dashboard/web/vendor && sha256sum --quiet --check SHA256SUMS
	@go mod verify

.PHONY: cross-smoke
cross-smoke: ## build for armv6 and hold the size budget
	@scripts/cross-build.sh armv6

.PHONY: reproducible
reproducible: ## build for every board twice from scratch and compare, byte for byte
	@scripts/reproducible.sh

.PHONY: sbom
sbom: ## write what is linked into the gateway to dist/edgegw.cdx.json (CycloneDX)
	@scripts/sbom.sh $(TOOLS)

.PHONY: secret-scan
secret-scan: ## look for secrets in the sources and in their history
	@scripts/secret-scan.sh

.PHONY: audit
audit: ## ask for known weaknesses: govulncheck, npm audit, cargo audit; needs the internet
	@scripts/audit.sh $(TOOLS)

.PHONY: check
check: secret-scan test reproducible sbom ## run everything of the pipeline that needs no internet: all but audit, ESP-IDF and the release's provenance

.PHONY: release
release: ## make what a release consists of in dist/ (VERSION=v1.2.3)
	@scripts/release.sh $(TOOLS)

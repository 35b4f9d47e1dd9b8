# Darkroom. `make help` lists the targets.
SHELL := /bin/bash
GO ?= go
TOOLS := $(CURDIR)/bin/tools
VERSITYGW_VERSION := v1.8.0
VAULT_VERSION := v1.13.0
GOFUMPT_VERSION := v0.12.0
STATICCHECK_VERSION := v0.8.2
HLSJS_VERSION := 1.7.4
PLAYWRIGHT_VERSION := 1.64.1
NODE_SDK_VERSION := 3.1169.0

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

.PHONY: build
build: ## build bin/darkroom, one static binary; FIPS=1 builds it with Go's certified cryptographic module
	CGO_ENABLED=0 $(if $(FIPS),GOFIPS140=certified) $(GO) build -trimpath -o $(or $(OUT),bin/darkroom) ./cmd/darkroom

.PHONY: deps-demo
deps-demo:
	@scripts/deps.sh ffmpeg aws curl openssl

.PHONY: demo
demo: deps-demo build ## run the main job on a fresh server, from s3:// to s3://, and check what comes out
	@scripts/demo.sh

.PHONY: deps-test
deps-test: $(TOOLS)/versitygw-$(VERSITYGW_VERSION) $(TOOLS)/vault-$(VAULT_VERSION) test/browser/node_modules/.installed-$(HLSJS_VERSION)-$(PLAYWRIGHT_VERSION) test/node/node_modules/.installed-$(NODE_SDK_VERSION)
	@scripts/deps.sh ffmpeg aws2 curl openssl boto3 cryptography gcc chromium node

$(TOOLS)/versitygw-$(VERSITYGW_VERSION):
	@echo "installing versitygw $(VERSITYGW_VERSION), the S3 server that the object store's client is tested against"
	@mkdir -p $(TOOLS) && cd / && GOBIN=$(TOOLS) GOFLAGS=-mod=mod $(GO) install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW_VERSION)
	@touch $@

$(TOOLS)/vault-$(VAULT_VERSION): test/vault/main.go test/vault/go.mod test/vault/go.sum
	@echo "building the core of HashiCorp Vault $(VAULT_VERSION), the transit engine that the root of trust is tested against; this takes some minutes, once"
	@mkdir -p $(TOOLS) && cd test/vault && CGO_ENABLED=0 GOFLAGS=-mod=readonly $(GO) build -trimpath -ldflags='-s -w' -o $@ .

test/browser/node_modules/.installed-$(HLSJS_VERSION)-$(PLAYWRIGHT_VERSION):
	@scripts/deps.sh node
	@echo "installing hls.js $(HLSJS_VERSION) and playwright-core $(PLAYWRIGHT_VERSION), the player and its driver"
	@cd test/browser && npm install --no-save --no-package-lock --no-audit --no-fund --silent hls.js@$(HLSJS_VERSION) playwright-core@$(PLAYWRIGHT_VERSION)
	@touch $@

test/node/node_modules/.installed-$(NODE_SDK_VERSION):
	@scripts/deps.sh node
	@echo "installing the AWS SDK for JavaScript's MediaConvert client $(NODE_SDK_VERSION)"
	@cd test/node && npm install --no-save --no-package-lock --no-audit --no-fund --silent @aws-sdk/client-mediaconvert@$(NODE_SDK_VERSION)
	@touch $@

.PHONY: test
test: deps-test build ## run all tests, with the race detector; installs what it needs
	VERSITYGW=$(TOOLS)/versitygw VAULT=$(TOOLS)/vault-$(VAULT_VERSION) $(GO) test -race -timeout 30m ./...

.PHONY: check
check: ## vet, gofumpt, staticcheck, module files, coverage of what decides security; the import rules are a test
	$(GO) vet ./...
	$(GO) mod verify
	@out=$$($(GO) run mvdan.cc/gofumpt@$(GOFUMPT_VERSION) -l cmd internal test); if [ -n "$$out" ]; then echo "gofumpt would change:"; echo "$$out"; exit 1; fi
	$(GO) run honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION) ./...
	@for p in iam sigv4 secret totp; do $(GO) test -cover ./internal/$$p | tee -a /dev/stderr | grep -q 'coverage: 100.0%' || { echo "internal/$$p decides security: every statement of it is tested"; exit 1; }; done

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (default 30s)
	@scripts/fuzz.sh $(or $(FUZZTIME),30s)

.PHONY: bench
bench: deps-demo build $(TOOLS)/versitygw-$(VERSITYGW_VERSION) ## measure against a named peer in the same run
	$(GO) run ./test/bench

.PHONY: clean
clean: ## remove what was built
	rm -rf bin

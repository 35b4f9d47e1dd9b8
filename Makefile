# Darkroom. `make help` lists the targets.
SHELL := /bin/bash
GO ?= go
TOOLS := $(CURDIR)/bin/tools
VERSITYGW_VERSION := v1.8.0
VAULT_VERSION := v1.13.0
GOFUMPT_VERSION := v0.12.0
STATICCHECK_VERSION := v0.8.2
HLSJS_VERSION := 1.7.4
SHAKA_VERSION := 5.2.12
PACKAGER_VERSION := 3.4.2
PLAYWRIGHT_VERSION := 1.64.1
NODE_SDK_VERSION := 3.1169.0
NATS_VERSION := v2.15.2
FAUXQS_VERSION := 2.4.1
FAUXQS_NODE_VERSION := 22.23.3

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

.PHONY: build
build: ## build bin/darkroom, one static binary; FIPS=1 builds it with Go's certified cryptographic module
	CGO_ENABLED=0 $(if $(FIPS),GOFIPS140=certified) $(GO) build -trimpath -o $(or $(OUT),bin/darkroom) ./cmd/darkroom

# The builds of the players that the page of the key server uses are npm packages of others: they are fetched, not kept here. The server takes these very files alone.
PLAYER := bin/player/.installed-$(HLSJS_VERSION)-$(SHAKA_VERSION)

.PHONY: player
player: $(PLAYER) ## install hls.js and Shaka Player into bin/player, for the page /player/ of the key server

$(PLAYER):
	@scripts/deps.sh node
	@echo "installing hls.js $(HLSJS_VERSION) and Shaka Player $(SHAKA_VERSION), the players of the key server's page (Apache License 2.0)"
	@mkdir -p bin/player $(TOOLS)/player && cd $(TOOLS)/player && npm install --no-save --no-package-lock --no-audit --no-fund --silent hls.js@$(HLSJS_VERSION) shaka-player@$(SHAKA_VERSION)
	@cp $(TOOLS)/player/node_modules/hls.js/dist/hls.min.js $(TOOLS)/player/node_modules/shaka-player/dist/shaka-player.compiled.js bin/player/
	@cp $(TOOLS)/player/node_modules/hls.js/LICENSE bin/player/LICENSE.hls.js && cp $(TOOLS)/player/node_modules/shaka-player/LICENSE bin/player/LICENSE.shaka-player
	@touch $@

.PHONY: deps-demo
deps-demo:
	@scripts/deps.sh ffmpeg aws curl openssl

.PHONY: demo
demo: deps-demo build player ## run the main job on a fresh server, from s3:// to s3://, and check what comes out
	@scripts/demo.sh

.PHONY: deps-test
deps-test: $(PLAYER) $(TOOLS)/nats-server-$(NATS_VERSION) $(TOOLS)/fauxqs/.installed-$(FAUXQS_VERSION)-$(FAUXQS_NODE_VERSION) $(TOOLS)/versitygw-$(VERSITYGW_VERSION) $(TOOLS)/vault-$(VAULT_VERSION) test/browser/node_modules/.installed-$(HLSJS_VERSION)-$(SHAKA_VERSION)-$(PLAYWRIGHT_VERSION) test/packager/node_modules/.installed-$(PACKAGER_VERSION) test/node/node_modules/.installed-$(NODE_SDK_VERSION)
	@scripts/deps.sh ffmpeg aws2 curl openssl boto3 cryptography gcc chromium node poppler prometheus

$(TOOLS)/versitygw-$(VERSITYGW_VERSION):
	@echo "installing versitygw $(VERSITYGW_VERSION), the S3 server that the object store's client is tested against"
	@mkdir -p $(TOOLS) && cd / && GOBIN=$(TOOLS) GOFLAGS=-mod=mod $(GO) install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW_VERSION)
	@touch $@

$(TOOLS)/vault-$(VAULT_VERSION): test/vault/main.go test/vault/go.mod test/vault/go.sum
	@echo "building the core of HashiCorp Vault $(VAULT_VERSION), the transit engine that the root of trust is tested against; this takes some minutes, once"
	@mkdir -p $(TOOLS) && cd test/vault && CGO_ENABLED=0 GOFLAGS=-mod=readonly $(GO) build -trimpath -ldflags='-s -w' -o $@ .

$(TOOLS)/nats-server-$(NATS_VERSION):
	@echo "installing nats-server $(NATS_VERSION), the NATS that events are sent to in tests"
	@mkdir -p $(TOOLS) && cd / && GOBIN=$(TOOLS) GOFLAGS=-mod=mod $(GO) install github.com/nats-io/nats-server/v2@$(NATS_VERSION)
	@touch $@

# The emulator needs a newer Node.js than Debian 12 has: the package of npm that ships its binary is installed beside it.
$(TOOLS)/fauxqs/.installed-$(FAUXQS_VERSION)-$(FAUXQS_NODE_VERSION):
	@scripts/deps.sh node
	@echo "installing fauxqs $(FAUXQS_VERSION), the emulator of SQS and SNS that events are sent to in tests, and Node.js $(FAUXQS_NODE_VERSION) for it"
	@mkdir -p $(TOOLS)/fauxqs && cd $(TOOLS)/fauxqs && arch=$$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/') && npm install --no-save --no-package-lock --no-audit --no-fund --silent fauxqs@$(FAUXQS_VERSION) node-linux-$$arch@$(FAUXQS_NODE_VERSION) && ln -sf node_modules/node-linux-$$arch/bin/node node
	@touch $@

test/browser/node_modules/.installed-$(HLSJS_VERSION)-$(SHAKA_VERSION)-$(PLAYWRIGHT_VERSION):
	@scripts/deps.sh node
	@echo "installing hls.js $(HLSJS_VERSION) and Shaka Player $(SHAKA_VERSION), the players, and playwright-core $(PLAYWRIGHT_VERSION), their driver"
	@cd test/browser && npm install --no-save --no-package-lock --no-audit --no-fund --silent hls.js@$(HLSJS_VERSION) shaka-player@$(SHAKA_VERSION) playwright-core@$(PLAYWRIGHT_VERSION)
	@touch $@

test/packager/node_modules/.installed-$(PACKAGER_VERSION):
	@scripts/deps.sh node
	@echo "installing shaka-packager $(PACKAGER_VERSION), the packager that the tests decrypt and compare with"
	@mkdir -p test/packager && cd test/packager && npm install --no-save --no-package-lock --no-audit --no-fund --silent shaka-packager@$(PACKAGER_VERSION)
	@touch $@

test/node/node_modules/.installed-$(NODE_SDK_VERSION):
	@scripts/deps.sh node
	@echo "installing the AWS SDK for JavaScript's MediaConvert client $(NODE_SDK_VERSION)"
	@cd test/node && npm install --no-save --no-package-lock --no-audit --no-fund --silent @aws-sdk/client-mediaconvert@$(NODE_SDK_VERSION)
	@touch $@

.PHONY: test
test: deps-test build ## run all tests, with the race detector; installs what it needs
	VERSITYGW=$(TOOLS)/versitygw VAULT=$(TOOLS)/vault-$(VAULT_VERSION) scripts/test.sh $(GO) test -race -timeout 60m ./...

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
bench: deps-demo build $(TOOLS)/versitygw-$(VERSITYGW_VERSION) test/packager/node_modules/.installed-$(PACKAGER_VERSION) ## measure against a named peer in the same run
	$(GO) run ./test/bench

.PHONY: clean
clean: ## remove what was built
	rm -rf bin

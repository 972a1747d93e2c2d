# One front door. Every target sets up what it needs under .venv and nothing outside this folder.
PYTHON ?= python3
BIN := .venv/bin
TEST_PROCESSES ?= 3
export SOURCE ?=

.PHONY: help demo demo-pipeline test check bench soak proto docs format clean
help:
	@echo 'make demo [SOURCE=video.mp4]   see it work: a server, a camera, the answers checked'
	@echo 'make demo-pipeline             a camera, an extension and a topology between them, the answers checked'
	@echo 'make test                      all tests'
	@echo 'make check                     format, lint, types, imports, stubs'
	@echo 'make bench                     frames/s beside Triton, Ray Serve, MLServer and a bare handler (35 minutes)'
	@echo 'make soak                      overload, worker death and leaks for long (16 minutes)'
	@echo 'make proto                     regenerate the protobuf stubs'
	@echo 'make docs                      rebuild the generated parts of docs/'

.venv/core.stamp: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "framewire needs Python 3.11 or newer; this is %s; set PYTHON=/path/to/python3.11" % sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo 'python3 has no venv; on Debian: apt install python3-venv'; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/dev.stamp: .venv/core.stamp
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: .venv/core.stamp
	@$(BIN)/framewire demo $${SOURCE:+"$$SOURCE"}

demo-pipeline: .venv/core.stamp
	@$(BIN)/python tools/demo_pipeline.py

test: .venv/dev.stamp
	@$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile

check: .venv/dev.stamp
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/generate_stubs.py --check

format: .venv/dev.stamp
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

proto: .venv/dev.stamp
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/generate_stubs.py

docs: .venv/dev.stamp
	@$(BIN)/python tools/build_docs.py

bench: .venv/core.stamp
	@$(BIN)/python benchmarks/run.py --write

soak: .venv/dev.stamp
	@$(BIN)/python tests/soak/soak.py --write

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

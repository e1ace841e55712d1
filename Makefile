# Everything runs from a bare clone: each target makes .venv first where it needs it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
DATA ?= shapes
WORKERS ?= auto
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help env demo test lint format docs gallery browser proofs bench lock clean
help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

env: $(STAMP)  ## .venv from the locked requirements (idempotent)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Striate needs Python 3.11 or newer, this is %s; name another: make env PYTHON=python3.12" % sys.version.split()[0])'
	@echo "Making $(VENV) from requirements.lock: about 2.5 GB to download on Linux (PyTorch with its CUDA libraries), 0.4 GB on macOS; 7 GB on disk; about two minutes."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)
	@echo "$(VENV) is ready: $$($(BIN)/striate --version)"

demo: env  ## train, examine, report (DATA=shapes, or DATA=FashionMNIST with STRIATE_DATA)
	@$(BIN)/striate demo --data $(DATA) --out demo --overwrite

test: env  ## the whole suite, no network, a process a core (WORKERS=0 for one after another)
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m pytest -n $(WORKERS)

lint: env  ## format, lint, types: what pre-commit runs
	@$(BIN)/pre-commit run --all-files --show-diff-on-failure

format: env  ## rewrite the files as the formatter has them
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

docs: env  ## reference pages from the signatures
	@$(BIN)/python docs/build.py

gallery: env  ## the pictures of docs/painting.md; PART=name for one
	@$(BIN)/python docs/gallery.py $(PART)

browser: env  ## a Chromium for the page tests
	@$(BIN)/python docs/browser.py

proofs: env  ## long experiments, resumable; PART=name for one; results in docs/results.md
	@$(BIN)/python benchmarks/proofs.py $(PART)

bench: env  ## speed against peers, in .venv-bench
	@$(BIN)/python benchmarks/run.py

lock:  ## resolve requirements.lock anew for every platform
	@$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install --quiet uv
	@$(VENV)-lock/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --upgrade \
		--no-annotate --no-emit-index-url --custom-compile-command "make lock" \
		--extra dev pyproject.toml --output-file requirements.lock
	@rm -rf $(VENV)-lock

clean:  ## what the targets made, but not .venv
	@rm -rf demo dist build .mypy_cache .ruff_cache

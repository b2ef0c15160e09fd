# Everything starts from a clone, Python >= 3.11, make and git; each target does its own set-up.

PYTHON ?= python3
JOBS ?= $(shell expr $$(nproc) + 1)
UV_VERSION := 0.13.9

VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
STAMPS := $(VENV)/.stamps
PROJECTS := pyproject.toml $(sort $(wildcard plugins/*/pyproject.toml))
PLUGIN_DIRS := $(patsubst %/pyproject.toml,%,$(filter plugins/%,$(PROJECTS)))

# Where it is set, each of the hundreds of hubs that the tests start would compile all of its modules anew.
unexport PYTHONDONTWRITEBYTECODE

# Where mypy finds the modules of the plugins and of the registry under the names that they are imported by.
empty :=
export MYPYPATH := $(subst $(empty) $(empty),:,plugin-registry $(PLUGIN_DIRS))

.DEFAULT_GOAL := help
.PHONY: help setup run test coverage check types docs bench soak registry peers lock clean

help:  ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: $(STAMPS)/installed  ## Make .venv with the hub, its plugins and the development tools

run: setup  ## Run a demo hub on loopback
	$(BIN)/hub demo

test: setup peers  ## Run every test; JOBS=0 runs one file after the other, not several side by side
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

coverage: setup peers  ## Run every test and see that it reaches 95 % of the code; takes twice as long
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: setup types  ## Lint, format, types, layers, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	@set -e; for script in docs/generate.py plugin-registry/generate.py; do \
	    if [ -f $$script ]; then echo "$$script --check"; $(BIN)/python $$script --check; fi; done

types: setup
	$(BIN)/mypy . --exclude '^(plugins/|tests/bad_plugins/(?!test_))'
	@# One run per plugin: their test modules may share names.
	@set -e; for plugin in $(PLUGIN_DIRS); do echo "mypy $$plugin"; $(BIN)/mypy $$plugin; done

docs: setup  ## Build the site of the documentation in build/docs
	$(BIN)/python -m docs.site

bench: setup peers  ## Measure this hub beside its peers on this machine; ARGS="--only smtp --keep" and the like
	$(BIN)/python -m bench $(ARGS)

soak: setup peers  ## Run the long loops at full length; the report is docs/benchmarks/soak.md
	$(BIN)/python -m pytest --soak -m "soak(alone=True)"
	$(BIN)/python -m pytest --soak -m "soak and not soak(alone=True)" --numprocesses $$(nproc) --dist loadfile

registry: setup peers  ## Check all plugins and build the registry in build/registry; ARGS="--up-to loads" and the like
	$(BIN)/python plugin-registry/generate.py $(ARGS)

peers:
	tests/peers/install.sh

lock: $(STAMPS)/uv-$(UV_VERSION)  ## Resolve all dependencies anew into requirements.lock
	$(UV) lock --upgrade
	$(UV) export --quiet --all-packages --all-groups --no-emit-workspace --no-annotate --no-header --frozen \
	    --output-file requirements.lock
	@# It must name packages and hashes only, so that it works with whichever registry a machine is set up for.
	! grep -n '://\|^-' requirements.lock

clean:  ## Remove what the targets above have made
	rm -rf $(VENV) hub-demo build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache \
	    .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "error: '$(PYTHON)' is not Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11 setup" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv; \
	    else \
	        echo "error: '$(PYTHON)' has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; \
	    fi; }
	$(PYTHON) -m venv --clear $(VENV)
	@mkdir -p $(STAMPS)
	@touch $@

$(STAMPS)/uv-$(UV_VERSION): $(STAMPS)/venv
	$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

$(STAMPS)/synced: $(STAMPS)/uv-$(UV_VERSION) requirements.lock
	VIRTUAL_ENV=$(VENV) $(UV) pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	@touch $@

# After every sync, for it removes what is not in the lock, our own packages included.
$(STAMPS)/installed: $(STAMPS)/synced $(PROJECTS) hub/version.py
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --no-build-isolation --offline \
	    -e . $(addprefix -e ./,$(PLUGIN_DIRS))
	@touch $@

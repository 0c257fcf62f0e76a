# Two commands for everybody: make demo, make test. Both build .venv when it is missing.
PYTHON ?= $(shell for p in python3.12 python3.13 python3.11 python3; do \
  $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: all demo test check bench peers clean
all: $(READY)

$(READY): pyproject.toml .ci/environment
	@bash .ci/environment "$(PYTHON)"
	@touch $@

demo: $(READY)
	@bash .ci/system-libraries
	$(BIN)/napari-stml demo --folder demo

test: $(READY)
	@bash .ci/system-libraries
	bash .ci/on-screen $(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/npe2 validate src/napari_stml/napari.yaml
	$(BIN)/typos

bench: $(READY)
	@for b in benchmarks/*.py; do echo "== $$b"; $(BIN)/python $$b || exit 1; done

peers:
	@bash benchmarks/peers "$(PYTHON)"

clean:
	rm -rf .venv .peers demo

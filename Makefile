# Two commands do all the set-up themselves: `make demo` and `make test`.

BIN := .venv/bin
# These need no servers and do not disturb each other. Of all others, each process has servers of
# its own, and the tests of one file share them one after the other.
SIDE_BY_SIDE := unit or property or cases or conventions

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format lock docs dashboards screenshots bench ci clean

help: ## List these commands.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## Make .venv from requirements.lock, if it is not fresh.
	@tools/bootstrap.sh

demo: setup ## Ingest the samples into real servers and show who did what; TRAILS=DIR takes others.
	@exec $(BIN)/python -m tools.demo "$${TRAILS:-samples}"

test: setup ## Run all tests, those that need servers too.
	$(BIN)/python -m pytest -q -n 2 -p no:benchmark -m "$(SIDE_BY_SIDE)"
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder --durations 25 \
		-p no:benchmark -m "not ($(SIDE_BY_SIDE))"

lint: setup ## Check format, rules, types, imports, dependencies, spelling and YAML.
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/codespell
	$(BIN)/yamllint --strict .

format: setup ## Format the code.
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lock: setup ## Resolve the dependencies anew into requirements.lock.
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
		--extra dev --extra geo pyproject.toml -o requirements.lock --no-header

docs: setup ## Write the generated pages of docs/reference anew.
	$(BIN)/python -m tools.reference

dashboards: setup ## Write the saved objects for OpenSearch Dashboards anew.
	$(BIN)/python -m tools.dashboards

screenshots: setup ## Take the pictures of docs/images anew; it needs Chromium.
	$(BIN)/python -m tools.screenshots

bench: setup ## Measure all of it side by side; writes benchmarks/RESULTS.md.
	$(BIN)/python -m benchmarks

ci: ## Run what continuous integration runs.
	.ci/run

clean: ## Remove .venv and everything that tools left here.
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks \
		.import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

PYTHON ?= python3
VENV := .venv
DEMO_SOURCE := synthetic
SEEDS := 0 1 2 3 4
JOBS := 1
BASE := main
LATENTS := 0.5,2
CHANNELS := 8,32
# A module of tests stays in one process, for its tests share what was built for them.
PYTEST := pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
COMMITTED := params.yaml dvc.lock metrics plots data/generated

# Stages run as `python -m …`: the environment's own Python must come first.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo repro restore seeds small-sets memory alarm-rule growth watch-demo compare show review docs hooks quick test test-bulk clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 16

setup: $(VENV)/ready ## make .venv with everything pinned (2 to 5 minutes, 2 GB or more)

# An experiment is a commit, whose author must have a name, also where Git knows of none.
demo seeds compare: export GIT_AUTHOR_NAME ?= demo
demo seeds compare: export GIT_AUTHOR_EMAIL ?= demo@localhost
demo seeds compare: export GIT_COMMITTER_NAME ?= demo
demo seeds compare: export GIT_COMMITTER_EMAIL ?= demo@localhost
demo: $(VENV)/ready ## the whole pipeline offline, on drawn wells, as the experiment `demo`
	dvc exp run --force --name demo --set-param dataset.source=$(DEMO_SOURCE)
	@echo
	@echo "HEAD = the committed metrics, of the real wells; workspace = these, of drawn wells."
	@dvc metrics diff --all HEAD
	@echo "Pictures: plots/dataset (the wells), plots/detection/detector (what was found in them)."
	@echo "\`make restore\` brings the committed state back (it drops changes in $(COMMITTED))."

repro: $(VENV)/ready ## rebuild what is out of date, as `dvc repro` does
	dvc repro

restore: $(VENV)/ready ## bring the committed params, lock, metrics and plots back, after a demo or a failed run
	git restore --source=HEAD --staged --worktree -- $(COMMITTED)
	dvc checkout --allow-missing
	@echo "The committed state is back."

# Queued experiments run in copies of the project, which take the archive from here.
SWEEP := WELLS_ARCHIVE="$$PWD/data/raw/wells.zip" python -m tools.sweep --jobs $(JOBS)

seeds: repro ## every metric's spread over five seeds, JOBS=1 of them at once: metrics/seeds.json
	for seed in $(SEEDS); do \
		dvc exp run --queue --force --name seed-$$seed --set-param seed=$$seed || exit 1; \
	done
	$(SWEEP)
	python -m tools.seeds $(SEEDS)

small-sets: $(VENV)/ready repro ## how few training wells and known spills are enough (3 minutes): docs/small_sets.csv
	python -m tools.small_sets

memory: $(VENV)/ready repro ## MNAD with and without its memory, three seeds each (16 minutes): docs/memory.csv
	python -m tools.memory

alarm-rule: $(VENV)/ready repro ## which rule of alarms is fast and seldom wrong (2 minutes): docs/alarm_rule.csv
	python -m tools.alarm_rule

growth: $(VENV)/ready ## time and memory of the stages with up to a million photos (50 minutes, 12 GB of memory): docs/growth.csv
	python -m tools.growth

watch-demo: $(VENV)/ready ## the live watch on drawn wells, in a browser: two spills, a hand and a stopped camera a minute
	python -m tools.watch demo

compare: $(VENV)/ready repro ## a grid of latent sizes, JOBS=1 of them at once, and a table of them
	dvc exp run --queue --set-param 'networks.autoencoder.latent=$(LATENTS)' \
		--set-param 'networks.mnad.channels=$(CHANNELS)' validate
	$(SWEEP)
	@$(MAKE) --no-print-directory show

show: $(VENV)/ready ## this commit's experiments in a narrow table: what differs, and what to choose by
	@python -m tools.show

review: $(VENV)/ready ## what became of the detector since BASE=main: review/report.md, report.html
	python -m tools.review $(BASE)

docs: $(VENV)/ready ## write the committed metrics into README.md and docs/, between their markers
	python -m tools.docs

hooks: $(VENV)/ready ## set Git hooks: ruff before a commit, DVC's data with a checkout
	pre-commit install --hook-type pre-commit --hook-type post-checkout

quick: $(VENV)/ready ## lint, types and the tests that take no minute together
	ruff check
	ruff format --check
	mypy
	$(PYTEST) -m "not slow"

test: $(VENV)/ready ## lint, types and all tests, with the coverage of the code
	ruff check
	ruff format --check
	mypy
	$(PYTEST) --cov

test-bulk: $(VENV)/ready ## bulk classification with Ray and a stand-in for S3, which it installs (2 minutes)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-bulk-dev.txt
	$(PYTEST) $(addprefix tests/bulk/test_,ray.py s3.py bulk_bench.py requirements.py)

clean: ## remove the environment and every cache; data, models and results stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .coverage* dvc_plots review

$(VENV)/ready: requirements.txt requirements-dev.txt requirements-watch.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 …")'
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "error: Python's venv is missing (Debian: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned packages: some minutes."
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(VENV)/bin/python -m tools.plots_template
	@touch $@

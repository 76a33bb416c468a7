# Everything that a person does with this project. `make run` and `make test` need Python 3.11,
# 3.12 or 3.13, make and git, and do the rest themselves.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
# The supported Pythons, newest first. PYTHON= names another interpreter than `make` would take.
SUPPORTED := 3.13 3.12 3.11
PYTHON ?=
VENV := .venv
READY := $(VENV)/.installed
DRIVER := $(VENV)/.spark
EXECUTORS := .spark/executors
PORT ?= 8080
# VERBOSE=1 shows the commands, and all that uv, DVC, MLflow, TensorFlow and the servers say.
VERBOSE ?=
export VERBOSE
IS_QUIET := $(if $(filter-out 0,$(VERBOSE)),,yes)
QUIET := $(if $(IS_QUIET),@)
FOLLOW ?=
REPO ?=
SCORING_PORT ?= 5001
MODEL_URI ?=
DATASET ?=
KILLS ?= 3
ROUNDS ?= 1
OPTIONS ?=
# The settings in params.yaml suit the demo and its six minutes; a real data set deserves more.
LONGER := -S preprocess.draws=4 -S preprocess.rescaled=2 -S train.epochs=14
# A client with BuildKit; another one may come first on PATH.
DOCKER ?= $(firstword $(wildcard /usr/bin/docker) docker)
# Where the code comes from, if that is an address; without the login that may be in it.
SOURCE = $(shell git remote get-url origin 2>/dev/null | sed -n '/:/{s,//[^/@]*@,//,;p}')
PIP_SECRET := $(addprefix --secret id=pip$(shell echo ,)src=,$(wildcard /etc/pip.conf))
# What DVC says of a stage that it does not run, and at its end; the steps speak for themselves.
DVC_SAYS := ^(Stage |Data and pipelines|Ran experiment|Experiment results)
OF_DVC = $(if $(IS_QUIET),| { grep --line-buffered -E "$(DVC_SAYS)" || true; })
# uv lists some 400 packages.
OF_UV = $(if $(IS_QUIET),2>&1 | sed -u '/^ [-+~] /d')
SCRIPTS := .ci/run requirements/compile.sh deploy/spark-cluster deploy/server-setup deploy/rollout-through-ssm

# Written by `make dagshub`; what the environment says counts more.
ifeq ($(origin MLFLOW_TRACKING_URI),undefined)
-include .env
export MLFLOW_TRACKING_USERNAME MLFLOW_TRACKING_PASSWORD
endif
# An environment of another version than PYTHON= names is made anew.
ifneq ($(PYTHON),)
ifneq ($(shell $(PYTHON) --version 2>&1),$(shell $(VENV)/bin/python --version 2>&1))
.PHONY: $(READY)
endif
endif
PATH_OUTSIDE := $(PATH)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export MLFLOW_TRACKING_URI ?= sqlite:///$(CURDIR)/mlflow.db
export MLFLOW_EXPERIMENT_NAME ?= forgery-detector
export MLFLOW_ALLOW_PICKLE_DESERIALIZATION := false
# MLflow's servers would each start nine processes for jobs that nothing here uses.
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION ?= false
export TF_CPP_MIN_LOG_LEVEL ?= $(if $(IS_QUIET),2,0)
export TF_ENABLE_ONEDNN_OPTS ?= 0
# Material for MkDocs prints at every build that it is maintained until May 2027 (then: Zensical).
export NO_MKDOCS_2_WARNING ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup run pipeline steps serve dagshub ui spark test doors fuzz faults containers clusters lint scan docs bench bench-check bench-scale soak model image lock clean

help: ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 20

setup: $(READY) ## the virtual environment, from the hashed lock

# That the interpreter runs, is supported and can make environments. (pyenv puts commands on the path
# that do not run, and Debian packages `venv` apart.)
define USABLE
import ensurepip, sys, venv
sys.exit("%d.%d" % sys.version_info[:2] not in "$(SUPPORTED)".split())
endef
# The environment's own Python as long as it is usable, else the newest.
CANDIDATES = $(VENV)/bin/python $(SUPPORTED:%=python%) python3

$(READY): export USABLE := $(USABLE)
$(READY): export PATH := $(PATH_OUTSIDE)
$(READY): requirements/bootstrap.lock requirements/dev.lock pyproject.toml
	@for python in $(or $(PYTHON),$(CANDIDATES)); do \
	  "$$python" -c "$$USABLE" 2>/dev/null || continue; \
	  anew=--clear; test $(VENV)/bin/python -ef "$$python" && anew=; \
	  "$$python" -m venv $$anew $(VENV) && exit; \
	done; \
	echo "Supported are Python $(SUPPORTED), with the venv module (Debian: apt-get install python3-venv);" \
	  "none of these is such: $(or $(PYTHON),$(CANDIDATES)). Name another with PYTHON=" >&2; exit 1
	@echo "Installing the locked dependencies into $(VENV), with $$($(VENV)/bin/python --version); this takes some minutes …"
	$(QUIET)$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.lock
	$(QUIET)VIRTUAL_ENV=$(VENV) $(VENV)/bin/uv pip install --compile-bytecode --require-hashes -r requirements/dev.lock $(OF_UV)
	$(QUIET)VIRTUAL_ENV=$(VENV) $(VENV)/bin/uv pip install --quiet --no-deps --editable .
	@touch $@

# Steps start many times: modules stay compiled, also where the environment says not to keep them.
pipeline serve test: export PYTHONDONTWRITEBYTECODE :=
# `mlflow run`, which DVC starts, says how it calls each step.
pipeline: export MLFLOW_LOGGING_LEVEL ?= $(if $(IS_QUIET),WARNING,INFO)

run: pipeline serve ## the whole pipeline on the embedded data, then the web page on http://127.0.0.1:$PORT; VERBOSE=1 says more

pipeline: $(READY) ## dvc repro, register and promote; DATASET=path takes a CASIA-style folder
	@python -m steps.operations.alone $(MAKE) --no-print-directory steps

steps:
	$(QUIET)dvc $(if $(DATASET),exp run -S ingest.source=$(abspath $(DATASET)) $(LONGER),repro) $(OF_DVC)
	$(QUIET)python -m steps register
	$(QUIET)python -m steps promote || test $$? -eq 3

serve: $(READY) ## scoring server and page for the champion; MODEL_URI=models:/… serves another; FOLLOW=true follows the registry
	$(QUIET)python -m steps serve --model "$(MODEL_URI)" --follow "$(FOLLOW)" --port $(PORT) --scoring_port $(SCORING_PORT)

dagshub: $(READY) ## tracking and DVC remote of a DagsHub repository: REPO=USER/NAME
	@python -m steps.operations.dagshub "$(REPO)"

ui: $(READY) ## MLflow's own page on the tracking store
ifneq ($(filter http://% https://%,$(MLFLOW_TRACKING_URI)),)
	@echo "The tracking server has the page: $(MLFLOW_TRACKING_URI)"
else
	mlflow ui --backend-store-uri "$(MLFLOW_TRACKING_URI)" --host 127.0.0.1 --port 5000
endif

# pyspark beside all else, for the driver: 450 MB that only `make spark` and `make clusters` need.
$(DRIVER): $(READY) requirements/spark.lock
	$(QUIET)VIRTUAL_ENV=$(VENV) $(VENV)/bin/uv pip install --quiet --require-hashes -r requirements/spark.lock
	@touch $@

# What every machine of a cluster has at the same path: the lock, and the project's wheel.
$(EXECUTORS)/.installed: $(DRIVER) $(shell git ls-files 'forgery/*.py' 'forgery_pyfunc/*.py')
	@echo "Installing the executors' environment into $(EXECUTORS) …"
	$(QUIET)rm -rf .spark/dist
	$(QUIET)python -m hatchling build --target wheel --directory .spark/dist >/dev/null
	$(QUIET)uv venv --quiet --clear --python $(VENV)/bin/python $(EXECUTORS)
	$(QUIET)VIRTUAL_ENV=$(EXECUTORS) uv pip install --quiet --require-hashes -r requirements/spark.lock
	$(QUIET)VIRTUAL_ENV=$(EXECUTORS) uv pip install --quiet --no-deps .spark/dist/*.whl
	@touch $@

spark: $(EXECUTORS)/.installed ## a Spark cluster on loopback: a master and two workers; SPARK_PORT, SPARK_CORES, SPARK_MEMORY
	@deploy/spark-cluster $(CURDIR)/$(EXECUTORS)/bin/python .spark/cluster

# As servers have it: with a thread per processor, each of several processes waits for the others.
test: export OMP_NUM_THREADS ?= 1
test: $(READY) ## every test except those of `containers`, `doors`, `clusters` and `faults`
	pytest -m "not container and not doors and not spark and not faults" -n auto --dist loadfile --no-loadscope-reorder

doors: $(READY) ## the wheel in empty environments of every supported Python; asks the package index
	pytest tests/doors -m doors -rs

fuzz: SECONDS ?= 60
fuzz: $(READY) ## malformed images, read by a sandbox here or sent to the page at URL=; then every entrance fuzzed for SECONDS
	python -m tests.pyfunc.imaging.malformed $(URL) $(OPTIONS)
	$(if $(URL),,python -m tests.fuzz --seconds $(SECONDS))

faults: $(READY) ## kills every process of a running service, ROUNDS times, and every step, KILLS times, and fills disks; OPTIONS=--record keeps the figures
	python -m tests.faults.service --rounds $(ROUNDS) $(OPTIONS)
	python -m tests.faults.resumes --kills $(KILLS) --jobs 2 $(OPTIONS)
	pytest tests/faults -m faults -rs

containers: $(READY) ## the tests that build, run and roll out the image; need a container engine
	pytest tests/deploy -m container -rs

clusters: $(EXECUTORS)/.installed ## the tests that work on a Spark cluster; need Java 17
	EXECUTORS_PYTHON=$(CURDIR)/$(EXECUTORS)/bin/python pytest tests/clusters tests/release/test_licences.py -m "spark and not faults" -rs

# mkdocs with --quiet would keep its warnings from --strict.
lint: $(READY) ## static checks
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	mypy --python-version 3.10 deploy/rollout
	mypy tools/live-check
	python -m steps.settings.mlproject | diff MLproject -
	zizmor --quiet --offline .github
	check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	check-jsonschema --builtin-schema vendor.compose-spec compose.yaml compose.monitoring.yaml
	hadolint Dockerfile
	shellcheck $(SCRIPTS)
	cfn-lint deploy/cloudformation.yaml
	check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml
	check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	check-jsonschema --default-filetype yaml --builtin-schema vendor.citation-file-format CITATION.cff
	mkdocs build --strict
	pytest -q tests/docs

scan: $(READY) ## known vulnerabilities in the dependencies (asks the package index), and secrets in the tree
	git ls-files -z | xargs -0 sh -c \
	  'detect-secrets-hook --baseline .secrets.baseline "$$@" || test $$? -eq 3' moved-lines-are-fine
	pip-audit --strict --progress-spinner off --disable-pip --require-hashes -r requirements/dev.lock

docs: $(READY) ## the documentation site, strict: the folder site/
	mkdocs build --strict

bench: $(READY) ## cost of the detector's parts, servers and their peers under load (needs wrk; peers go into .peers), start and memory; writes reports/bench.json
	python -m benchmarks

bench-check: $(READY) ## what costs over 15 % more than benchmarks/baseline.json, after `make bench`
	python -m benchmarks.check $(OPTIONS)

bench-scale: $(EXECUTORS)/.installed ## an archive on Spark and here, and near-duplicates among many; needs Java 17, 10 minutes or more; writes reports/bench-scale.json
	EXECUTORS_PYTHON=$(CURDIR)/$(EXECUTORS)/bin/python python -m benchmarks.scale $(OPTIONS)

soak: SECONDS ?= 1800
soak: $(READY) ## 64 clients before page and scoring server for SECONDS, every answer compared; OPTIONS=--record keeps the figures
	python -m benchmarks.soak --seconds $(SECONDS) $(OPTIONS)

model: $(READY) ## the champion, or MODEL_URI=…, as the folder models/serving
	python -m deploy.model "$(or $(MODEL_URI),models:/forgery-detector@champion)" models/serving

image: model ## the container image with that model baked in; DOCKER= names another client
	DOCKER_BUILDKIT=1 $(DOCKER) build --network host $(PIP_SECRET) --build-arg MODEL_PATH=models/serving \
	  --build-arg REVISION=$$(git rev-parse HEAD) --build-arg SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
	  $(addprefix --build-arg SOURCE=,$(SOURCE)) --tag forgery .

lock: ## the locks and conda.yaml, from pyproject.toml
	bash requirements/compile.sh

clean: ## remove what tests and builds leave behind; keep data, models and runs
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache site

# prematch: every command of the project. `make help` lists them; the real flags are those of `python -m ... --help`.
# Variables are taken from make's command line, PYTHON also from the environment of the shell.

.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

# --- what can be set -------------------------------------------------------------------------------------------
STACK = default
PYTHON ?=
VENV =
GPU =
UPGRADE =

CONFIG = cifar10_improved
DATA_DIR =
RECORDS =
LIMIT =
WORKERS =
RUNNER =
BEAM_ARGS =
FULL =

STRATEGY = default
REPLICAS =
RUN =
EPOCHS =
BATCH =
OPTIMIZER =
BOX_LOSS =
PRECISION =

SPLIT =
N =
RUNS =
ONLY =
OUTPUT =
TESTS = tests
JOBS =
ARGS =

known = STACK PYTHON VENV GPU UPGRADE CONFIG DATA_DIR RECORDS LIMIT WORKERS RUNNER BEAM_ARGS FULL STRATEGY REPLICAS RUN \
    EPOCHS BATCH OPTIMIZER BOX_LOSS PRECISION SPLIT N RUNS ONLY OUTPUT TESTS JOBS ARGS \
    ENGINE CLUSTER TESTS_CLUSTER FLINK_MASTER SHELL TF_CPP_MIN_LOG_LEVEL
given := $(foreach v,$(.VARIABLES),$(if $(findstring command line,$(origin $(v))),$(v)))
ifneq ($(filter-out $(known) MAKE%,$(given)),)
$(error no variable of make is called $(filter-out $(known) MAKE%,$(given)); `make help` lists them)
endif

# TensorFlow's start-up messages, down to errors.
export TF_CPP_MIN_LOG_LEVEL ?= 2

# --- the environment -------------------------------------------------------------------------------------------
pythons_default = 3.13 3.12 3.11 3.10
pythons_addons = 3.11 3.10
for_stack = NEEDED_FOR=$(if $(filter addons,$(STACK)),"STACK=addons (TensorFlow 2.15)")

ifeq ($(filter $(STACK),default addons),)
$(error STACK must be default or addons, got '$(STACK)')
endif
ifeq ($(filter $(GPU),0 1)$(if $(GPU),,unset),)
$(error GPU must be 1 or 0, got '$(GPU)')
endif
ifeq ($(filter $(FULL),0 1)$(if $(FULL),,unset),)
$(error FULL must be 1 or 0, got '$(FULL)')
endif
ifeq ($(STACK)$(GPU),addons1)
$(error GPU=1 goes with STACK=default, got STACK=addons)
endif

# A value as one word of the shell, and --flag=value where the variable is set.
quote = '$(subst ','\'',$(1))'
flag = $(if $($(2)),--$(1)=$(call quote,$($(2))))

venv = $(or $(VENV),.venv/$(STACK))
python = $(call quote,$(venv)/bin/python)
records = $(or $(RECORDS),records/$(CONFIG))
run = $(or $(RUN),runs/$(CONFIG))

##@ Environment
setup: ## The environment .venv/STACK, from its lock  [GPU=1] [PYTHON=python3.12] [VENV=an environment of yours]
ifeq ($(VENV),)
	@python=$$(PYTHON=$(call quote,$(PYTHON)) $(for_stack) sh scripts/find_python.sh $(python) $(pythons_$(STACK))) && \
	"$$python" scripts/setup_env.py --folder=$(call quote,$(venv)) --stack=$(STACK) --gpu=$(GPU)
else
	@[ -x $(python) ] || { echo "setup: VENV must be an environment of yours, got" $(call quote,$(VENV)) "without bin/python" >&2; exit 1; }
	@python=$$(PYTHON=$(python) $(for_stack) sh scripts/find_python.sh '' $(pythons_$(STACK))) && \
	"$$python" scripts/setup_env.py --folder=$(call quote,$(venv)) --stack=$(STACK) --own
endif

lock: ## New requirements/*.lock from setup.py, in a throw-away environment  [UPGRADE=1]
	@PYTHON=$(call quote,$(PYTHON)) UPGRADE=$(call quote,$(UPGRADE)) sh scripts/lock.sh $(pythons_default)

##@ From pictures to figures
demo: setup ## Digits from start to end: records, training on two replicas, evaluation; results in runs/demo
	@$(MAKE) records CONFIG=digits_demo RECORDS=records/digits_demo
	@$(MAKE) train CONFIG=digits_demo RECORDS=records/digits_demo STRATEGY=mirrored REPLICAS=2 RUN=runs/demo
	@$(MAKE) evaluate RECORDS=records/digits_demo RUN=runs/demo
	@echo "demo: metrics, loss curve and a picture of detections are in runs/demo"

records: setup ## A record set  [CONFIG=] [DATA_DIR=] [RECORDS=] [LIMIT=n] [WORKERS=n] [RUNNER=flink FLINK_MASTER=host:port] [BEAM_ARGS=] [ARGS=]
	@echo "records: $(CONFIG), into $(records)"
	$(flink_job_server) $(python) -m beam_jobs.make_records --config=$(call quote,$(CONFIG)) --records=$(call quote,$(records)) \
	    $(call flag,data_dir,DATA_DIR) $(call flag,limit,LIMIT) $(call flag,workers,WORKERS) \
	    $(call flag,runner,RUNNER) $(flink_args) $(addprefix --beam_arg=,$(BEAM_ARGS)) $(ARGS)

verify: setup ## Checks a record set, every byte of it; FULL=1 matches every record afresh  [RECORDS=] [FULL=1] [ARGS=]
	@echo "verify: $(records)"
	$(python) -m beam_jobs.verify --records=$(call quote,$(records)) $(if $(filter 1,$(FULL)),--full) $(ARGS)

train: setup ## A model  [CONFIG=] [RECORDS=] [RUN=] [STRATEGY=] [REPLICAS=n] [EPOCHS=n] [BATCH=] [OPTIMIZER=] [BOX_LOSS=] [PRECISION=] [ARGS=]
	@echo "train: $(CONFIG) on $(records), into $(run)"
	$(python) -m model.train --config=$(call quote,$(CONFIG)) --records=$(call quote,$(records)) \
	    --run=$(call quote,$(run)) $(call flag,strategy,STRATEGY) $(call flag,replicas,REPLICAS) \
	    $(call flag,epochs,EPOCHS) $(call flag,batch,BATCH) $(call flag,optimizer,OPTIMIZER) \
	    $(call flag,box_loss,BOX_LOSS) $(call flag,precision,PRECISION) $(ARGS)

evaluate: setup ## COCO figures of a run, in RUN/evaluation  [RUN=] [RECORDS=] [SPLIT=test] [LIMIT=n] [ARGS=]
	@echo "evaluate: $(run), into $(run)/evaluation"
	$(python) -m model.evaluate --run=$(call quote,$(run)) $(call flag,records,RECORDS) $(call flag,split,SPLIT) \
	    $(call flag,limit,LIMIT) $(ARGS)

pictures: setup ## Matched anchors over ground truth, from the records  [RECORDS=] [SPLIT=train] [N=pictures] [ARGS=]
	@echo "pictures: from $(records)"
	$(python) -m model.show_records --records=$(call quote,$(records)) $(call flag,split,SPLIT) $(call flag,count,N) $(ARGS)

curves: setup ## AP on val of one or several runs, in one picture  [RUNS="runs/a runs/b"] [OUTPUT=runs/ap_curves.png]
	@echo "curves: of $(or $(RUNS),$(run)), into $(or $(OUTPUT),runs/ap_curves.png)"
	$(python) -m model.draw_curves $(foreach r,$(or $(RUNS),$(run)),--run=$(call quote,$(r))) $(call flag,output,OUTPUT)

ablations: setup ## What each part of the recipe brings: configs/ablations, one after the other, hours  [DATA_DIR=] [ONLY=a,b]
	$(python) -m benchmarks.ablations $(call flag,data_dir,DATA_DIR) $(call flag,only,ONLY) $(ARGS)

include cluster/cluster.mk

##@ Development
# Tests that share a module's fixtures stay together until a process has none left, and takes some of another's.
test: setup ## The tests, a process on each core  [STACK=addons] [TESTS=tests/pipeline] [JOBS=processes, 0 for none] [ARGS=-x]
	$(python) -m pytest --numprocesses=$(or $(JOBS),auto --maxprocesses=8) --dist=worksteal $(TESTS) $(ARGS)

test-faults: setup ## Kills a job, flips bits, breaks pictures: the figures of BUILD_NOTES.md, minutes  [ARGS=]
	FAULTS=1 $(python) -m pytest -s tests/faults $(ARGS)

lint: setup ## ruff and mypy
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy

bench: setup ## The figures of BUILD_NOTES.md, beside the notebook's generator  [DATA_DIR=] [ARGS=]
	$(python) -m benchmarks.first_figures $(call flag,data_dir,DATA_DIR) $(ARGS)

clean: ## Removes caches and build leftovers; .venv, records and runs stay
	rm -rf build dist prematch.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

help: ## This list
	@awk -f scripts/help.awk $(MAKEFILE_LIST)

.PHONY: setup lock demo records verify train evaluate pictures curves ablations test test-faults lint bench clean help

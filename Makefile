# Every command of the project. `make help` lists them; `python -m ... --help` lists the flags of a command.
#
# Variables are read from make's command line, PYTHON and TF_CPP_MIN_LOG_LEVEL also from the shell's environment. A value
# is text: blanks, quotes, `$` and whatever else it holds reach the command as they are. ARGS, BEAM_ARGS, RUNS and TESTS
# are lists: they are split at blanks, and a quote in them is a character like any other.

.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

# --- what can be set -------------------------------------------------------------------------------------------
STACK =
PYTHON ?=
VENV =
GPU =
UPGRADE =

CONFIG =
SOURCE =
DATA_DIR =
ANNOTATIONS =
IMAGES =
VAL_ANNOTATIONS =
VAL_IMAGES =
TEST_ANNOTATIONS =
TEST_IMAGES =
TEST_FRACTION =
IMAGE_SIZE =
VIEWS =
ANCHORS =
MAX_REJECTED =
RECORDS =
LIMIT =
WORKERS =
RUNNER =
BEAM_ARGS =
FULL =

STRATEGY =
REPLICAS =
RUN =
EPOCHS =
BATCH =
OPTIMIZER =
BOX_LOSS =
PRECISION =
INIT =
FREEZE =

SPLIT =
MIN_SCORE =
N =
KEY =
RUNS =
ONLY =
OUTPUT =
TESTS =
JOBS =
FAULTS =
GOALS =
ARGS =

ENGINE =
CLUSTER =
FLINK_MASTER =

# TensorFlow's start-up messages, down to errors.
export TF_CPP_MIN_LOG_LEVEL ?= 2

variables := STACK PYTHON VENV GPU UPGRADE CONFIG SOURCE DATA_DIR ANNOTATIONS IMAGES VAL_ANNOTATIONS VAL_IMAGES \
    TEST_ANNOTATIONS TEST_IMAGES TEST_FRACTION IMAGE_SIZE VIEWS ANCHORS MAX_REJECTED RECORDS LIMIT WORKERS RUNNER \
    BEAM_ARGS FULL STRATEGY REPLICAS RUN EPOCHS BATCH OPTIMIZER BOX_LOSS PRECISION INIT FREEZE SPLIT MIN_SCORE N KEY RUNS \
    ONLY OUTPUT TESTS JOBS FAULTS GOALS ARGS ENGINE CLUSTER FLINK_MASTER TF_CPP_MIN_LOG_LEVEL
known := $(variables) SHELL MAKE%
given := $(foreach v,$(.VARIABLES),$(if $(findstring command line,$(origin $v)),$v))
ifneq ($(filter-out $(known),$(given)),)
$(error no variable of make is called $(filter-out $(known),$(given)); `make help` lists them)
endif

# make would expand `$(...)` in a value; its plain text takes its place.
$(foreach v,$(variables),$(eval override $v := $$(value $v)))

define newline


endef
$(foreach v,$(variables),$(if $(findstring $(newline),$($v)),$(error $v must be one line, got several)))

# --- words of the shell ----------------------------------------------------------------------------------------
empty :=
blank := $(empty) $(empty)
plain := a b c d e f g h i j k l m n o p q r s t u v w x y z A B C D E F G H I J K L M N O P Q R S T U V W X Y Z \
    0 1 2 3 4 5 6 7 8 9 . _ / : = @ % + -
comma := ,
unusual = $(subst $(comma),,$1)
$(foreach c,$(plain),$(eval unusual = $$(subst $c,,$(value unusual))))
special = $(filter-out <>,<$(unusual)>)

# A value as one word of the shell, in quotes if it needs them; a list as ` word word`; ` --flag=value` if the variable
# is set; `--flag=value` of a value.
quoted = '$(subst ','\'',$1)'
quote = $(if $1,$(if $(call special,$1),$(quoted),$1),'')
each = $(if $(strip $1), $(foreach w,$1,$(call quote,$w)))
flag = $(if $($2), $(call option,$1,$($2)))
option = --$1=$(call quote,$2)

# --- checks and defaults ---------------------------------------------------------------------------------------
require = $(if $(filter-out $2,$(subst $(blank),_,$($1))),$(error $1 must be $3, got '$($1)'))
$(call require,STACK,default addons,default or addons)
$(call require,GPU,0 1,1 or 0)
$(call require,FULL,0 1,1 or 0)
$(call require,FAULTS,full short,full or short)
$(call require,GOALS,yes no,yes or no)
ifeq ($(STACK)$(GPU),addons1)
$(error GPU=1 goes with STACK=default, got STACK=addons)
endif

stack := $(or $(STACK),default)
config := $(or $(CONFIG),$(if $(filter-out cifar10 digits,$(SOURCE)),detection,cifar10_improved))
records := $(or $(RECORDS),records/$(config))
run := $(or $(RUN),runs/$(config))
venv := $(or $(VENV),.venv/$(stack))
python := $(venv)/bin/python
python := $(if $(call special,$(python))$(filter -% +% @%,$(python))$(findstring =,$(python)),$(call quoted,$(python)),$(python))

pythons_default := 3.13 3.12 3.11 3.10
pythons_addons := 3.11 3.10
find_python := $(if $(filter addons,$(stack)),NEEDED_FOR='STACK=addons (TensorFlow 2.15)') sh scripts/find_python.sh

##@ Environment
setup: ## The environment .venv/STACK, from its lock  [GPU=1] [PYTHON=python3.12] [VENV=an environment of yours]
ifeq ($(VENV),)
	@python=$$(PYTHON=$(call quote,$(PYTHON)) $(find_python) $(python) $(pythons_$(stack))) && \
	"$$python" scripts/setup_env.py $(call option,folder,$(venv)) --stack=$(stack) --gpu=$(GPU)
else
	@[ -x $(python) ] || { printf 'setup: VENV must be an environment of yours, got %s without bin/python\n' $(call quote,$(VENV)) >&2; exit 1; }
	@python=$$(PYTHON=$(python) $(find_python) '' $(pythons_$(stack))) && \
	"$$python" scripts/setup_env.py $(call option,folder,$(venv)) --stack=$(stack) --own
endif

lock: ## New requirements/*.lock from setup.py, in a throw-away environment  [UPGRADE=1]
	@PYTHON=$(call quote,$(PYTHON)) UPGRADE=$(call quote,$(UPGRADE)) sh scripts/lock.sh $(pythons_default)

##@ From images to figures
demo: setup ## Digits from start to end: records, training on two replicas, evaluation; results in runs/demo
	@$(MAKE) records CONFIG=digits_demo RECORDS=records/digits_demo
	@$(MAKE) train CONFIG=digits_demo RECORDS=records/digits_demo STRATEGY=mirrored REPLICAS=2 RUN=runs/demo
	@$(MAKE) evaluate RECORDS=records/digits_demo RUN=runs/demo
	@echo "demo: metrics, loss curve and an image of detections are in runs/demo"

source_flags = $(call flag,source,SOURCE)$(call flag,data_dir,DATA_DIR)$(call flag,annotations,ANNOTATIONS)$(call flag,images,IMAGES)$(call flag,val_annotations,VAL_ANNOTATIONS)$(call flag,val_images,VAL_IMAGES)$(call flag,test_annotations,TEST_ANNOTATIONS)$(call flag,test_images,TEST_IMAGES)$(call flag,test_fraction,TEST_FRACTION)$(call flag,image_size,IMAGE_SIZE)$(call flag,views,VIEWS)$(call flag,limit,LIMIT)

records: setup ## A record set  [CONFIG=] [SOURCE=coco] [DATA_DIR=] [ANNOTATIONS= IMAGES=, also VAL_… and TEST_…] [TEST_FRACTION=0.1] [IMAGE_SIZE=n] [VIEWS=n] [ANCHORS=auto] [MAX_REJECTED=0.01] [RECORDS=] [LIMIT=n] [WORKERS=n] [RUNNER=flink FLINK_MASTER=host:port] [BEAM_ARGS=] [ARGS=]
	$(flink_job_server)$(python) -m beam_jobs.make_records $(call option,config,$(config)) $(call option,records,$(records))$(source_flags)$(call flag,anchors,ANCHORS)$(call flag,max_rejected,MAX_REJECTED)$(call flag,workers,WORKERS)$(call flag,runner,RUNNER)$(flink_args)$(if $(strip $(BEAM_ARGS)), $(foreach a,$(BEAM_ARGS),$(call option,beam_arg,$a)))$(call each,$(ARGS))

coverage: setup ## How anchors fit the boxes of a source, and a proposal  [CONFIG=] [SOURCE=, its paths and IMAGE_SIZE, VIEWS as for records] [ARGS=]
	$(python) -m beam_jobs.coverage $(call option,config,$(config))$(source_flags)$(call each,$(ARGS))

verify: setup ## Checks a record set, every byte of it; FULL=1 matches every record afresh  [RECORDS=] [FULL=1] [WORKERS=n] [ARGS=]
	$(python) -m beam_jobs.verify $(call option,records,$(records))$(call flag,workers,WORKERS)$(if $(filter 1,$(FULL)), --full)$(call each,$(ARGS))

train: setup ## A model  [CONFIG=] [RECORDS=] [RUN=] [STRATEGY=] [REPLICAS=n] [EPOCHS=n] [BATCH=] [OPTIMIZER=] [BOX_LOSS=] [PRECISION=] [INIT=] [FREEZE=blocks] [ARGS=]
	$(python) -m model.train $(call option,config,$(config)) $(call option,records,$(records)) $(call option,run,$(run))$(call flag,strategy,STRATEGY)$(call flag,replicas,REPLICAS)$(call flag,epochs,EPOCHS)$(call flag,batch,BATCH)$(call flag,optimizer,OPTIMIZER)$(call flag,box_loss,BOX_LOSS)$(call flag,precision,PRECISION)$(call flag,init,INIT)$(call flag,freeze,FREEZE)$(call each,$(ARGS))

evaluate: setup ## COCO figures of a run, in RUN/evaluation  [RUN=] [RECORDS=] [SPLIT=test] [LIMIT=n] [BATCH=n] [OUTPUT=folder] [ARGS=]
	$(python) -m model.evaluate $(call option,run,$(run))$(call flag,records,RECORDS)$(call flag,split,SPLIT)$(call flag,limit,LIMIT)$(call flag,batch,BATCH)$(call flag,output,OUTPUT)$(call each,$(ARGS))

detect: setup ## Detections of a run in images of yours, in RUN/detections  [RUN=] IMAGES="file, folder or pattern" [OUTPUT=folder] [MIN_SCORE=0.3] [BATCH=n] [ARGS=]
	$(python) -m model.detect $(call option,run,$(run))$(call flag,images,IMAGES)$(call flag,output,OUTPUT)$(call flag,min_score,MIN_SCORE)$(call flag,batch,BATCH)$(call each,$(ARGS))

pictures: setup ## Matched anchors over ground truth, from the records  [RECORDS=] [SPLIT=train] [N=images] [KEY=all views of one record] [OUTPUT=file.png] [ARGS=]
	$(python) -m model.show_records $(call option,records,$(records))$(call flag,split,SPLIT)$(call flag,count,N)$(call flag,key,KEY)$(call flag,output,OUTPUT)$(call each,$(ARGS))

curves: setup ## AP on val of one or several runs, in one image  [RUNS="runs/a runs/b"] [RUN=] [OUTPUT=runs/ap_curves.png] [ARGS=]
	$(python) -m model.draw_curves $(if $(strip $(RUNS)),$(foreach r,$(RUNS),$(call option,run,$r)),$(call option,run,$(run)))$(call flag,output,OUTPUT)$(call each,$(ARGS))

ablations: setup ## What each part of `improved` brings: trains configs/ablations one after the other, hours  [DATA_DIR=] [ONLY=a,b] [ARGS=]
	$(python) -m benchmarks.ablations$(call flag,data_dir,DATA_DIR)$(call flag,only,ONLY)$(call each,$(ARGS))

include cluster/cluster.mk

##@ Development
# One process a core. Tests of one module stay together until a process runs out of work and takes some of another's.
processes = --numprocesses=$(if $(JOBS),$(call quote,$(JOBS)),auto --maxprocesses=8) --dist=worksteal
tests = $(call each,$(ARGS))$(call each,$(or $(TESTS),tests))

test: setup ## All tests except the long ones, in minutes, one process a core  [STACK=addons] [TESTS=tests/pipeline] [JOBS=processes, 0 for none] [ARGS=-x]
	$(python) -m pytest -m 'not long' $(processes)$(tests)

test-all: setup ## All tests  [STACK=addons] [TESTS=tests/model] [JOBS=processes, 0 for none] [ARGS=-x]
	$(python) -m pytest $(processes)$(tests)

test-faults: setup ## Kills jobs, flips bits, breaks images, forges records; FAULTS=short in minutes, else an hour  [FAULTS=short] [ARGS=]
	FAULTS=$(or $(FAULTS),full) $(python) -m pytest -s tests/faults$(call each,$(ARGS))

lint: setup ## ruff and mypy
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy

# Every benchmark runs, whatever the ones before it missed, and never two at once.
benchmarks := $(addprefix bench-,matching decoding training_step reader_and_job)

bench: setup ## Matching, decoding, training steps, reader and records job compared with the alternatives; fails if a goal is missed; bench-decoding runs one alone  [DATA_DIR=] [GOALS=no] [ARGS=--rounds=n]
	@$(MAKE) --keep-going --jobs=1 $(benchmarks)

$(benchmarks): setup
	$(python) -m $(@:bench-%=benchmarks.%)$(if $(filter %reader_and_job,$@),$(call flag,data_dir,DATA_DIR))$(if $(filter no,$(GOALS)), --nogoals)$(call each,$(ARGS))

clean: ## Removes caches and build leftovers; .venv, records and runs stay
	rm -rf build dist prematch.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

help: ## This list
	@awk -f scripts/help.awk $(MAKEFILE_LIST)

.PHONY: setup lock demo records coverage verify train evaluate detect pictures curves ablations test test-all test-faults lint bench $(benchmarks) clean help

# Every command of the project. `make help` lists them, `prematch COMMAND --help` the flags of a command.
#
# Variables are read from make's command line, PYTHON and TF_CPP_MIN_LOG_LEVEL also from the shell's environment. A value
# is text: blanks, quotes, `$` and whatever else it holds reach the command as they are, because nothing here quotes or
# expands them. They go to scripts/make_target.py in the environment, and its tables say which flags they become.

.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

STACK := default
VENV :=
GIVEN := $(foreach v,$(filter-out SHELL MAKE%,$(.VARIABLES)),$(if $(findstring command line,$(origin $v)),$v))
# make would expand `$(...)` in a value; its plain text takes its place.
$(foreach v,$(GIVEN),$(eval override $v := $$(value $v)))
export STACK VENV GIVEN $(GIVEN)

# Brings the environment up to date and runs the target's command there; with `make -n` it only prints the command.
run = +@python=$$(sh scripts/find_python.sh) && exec "$$python" -m scripts.make_target

##@ Environment
setup: ## The environment .venv/STACK, from its lock  [GPU=1] [PYTHON=python3.12] [VENV=an environment of yours]
	$(run) $@

lock: ## New requirements/*.lock from setup.py, in a throw-away environment  [UPGRADE=1]
	$(run) $@

##@ From images to figures
demo: ## Digits from start to end: records, training on two replicas, evaluation; results in runs/demo
	$(run) $@

records: ## A record set  [CONFIG=] [SOURCE=coco] [DATA_DIR=] [ANNOTATIONS= IMAGES=, also VAL_… and TEST_…] [TEST_FRACTION=0.1] [IMAGE_SIZE=n or 288x512] [VIEWS=n] [ANCHORS=auto] [MAX_REJECTED=0.01] [RECORDS=] [LIMIT=n] [WORKERS=n] [RUNNER=flink FLINK_MASTER=host:port] [BEAM_ARGS=] [ARGS=]
	$(run) $@

coverage: ## How anchors fit the boxes of a source, and a proposal  [CONFIG=] [SOURCE=, its paths and IMAGE_SIZE, VIEWS as for records] [ARGS=]
	$(run) $@

verify: ## Checks a record set, every byte of it; FULL=1 matches every record afresh  [RECORDS=] [FULL=1] [WORKERS=n] [ARGS=]
	$(run) $@

train: ## A model  [CONFIG=] [RECORDS=] [RUN=] [STRATEGY=] [REPLICAS=n] [EPOCHS=n] [PATIENCE=evaluations] [BATCH=] [OPTIMIZER=] [BOX_LOSS=] [PRECISION=] [INIT=] [FREEZE=blocks] [ARGS=]
	$(run) $@

evaluate: ## COCO figures of a run, in RUN/evaluation  [RUN=] [RECORDS=] [SPLIT=test] [LIMIT=n] [BATCH=n] [OUTPUT=folder] [ARGS=]
	$(run) $@

detect: ## Detections of a run in images of yours, in RUN/detections  [RUN=] IMAGES="file, folder or pattern" [OUTPUT=folder] [MIN_SCORE=0.3] [BATCH=n] [ARGS=]
	$(run) $@

show: ## Matched anchors over ground truth, from the records  [RECORDS=] [SPLIT=train] [N=images] [KEY=all views of one record] [OUTPUT=file.png] [ARGS=]
	$(run) $@

pictures: show ## The same as show, under its earlier name

rate: ## How many images a second a record set feeds a training here, and where the time goes  [RECORDS=] [BATCH=n] [CONSUMER=images/s of your GPU] [ARGS=]
	$(run) $@

curves: ## AP on val of one or several runs, in one image  [RUNS="runs/a runs/b"] [RUN=] [OUTPUT=runs/ap_curves.png] [ARGS=]
	$(run) $@

ablations: ## What each part of `improved` brings: trains configs/ablations one after the other, hours  [DATA_DIR=] [ONLY=a,b] [ARGS=]
	$(run) $@

##@ Cluster
cluster-up: ## Starts a cluster here: Flink 1.19 (needs Java and Maven), or Beam's job service  [ENGINE=portable] [CLUSTER=folder] [ARGS=--rest_port=8082]
	$(run) $@

cluster-down: ## Stops what cluster-up started  [CLUSTER=folder] [ARGS=]
	$(run) $@

test-cluster: ## Makes records on a cluster while its processes are killed, and compares them with local ones  [ENGINE=portable] [ARGS=]
	$(run) $@

lock-jars: ## New cluster/maven/*/jars.lock from the pom.xml next to each, by Maven
	$(run) $@

##@ Development
test: ## All tests except the long ones, in minutes, one process a core  [STACK=addons] [TESTS=tests/pipeline] [JOBS=processes, 0 for none] [ARGS=-x]
	$(run) $@

test-all: ## All tests  [STACK=addons] [TESTS=tests/model] [JOBS=processes, 0 for none] [ARGS=-x]
	$(run) $@

test-faults: ## Kills jobs, flips bits, breaks images and records; FAULTS=short in minutes, else an hour  [FAULTS=short] [ARGS=]
	$(run) $@

lint: ## ruff and mypy
	$(run) $@

benchmarks := bench-matching bench-decoding bench-training_step bench-reader_and_job
bench: ## Matching, decoding, training steps, reader and records job compared with the alternatives; fails if a goal is missed; bench-decoding runs one alone  [DATA_DIR=] [GOALS=no] [ARGS=--rounds=n]
	$(run) $@ $(benchmarks)
$(benchmarks):
	$(run) $@

clean: ## Removes caches and build leftovers; .venv, records and runs stay
	rm -rf build dist prematch.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

help: ## This list
	@awk -F ':.*## |  \\[' 'BEGIN { \
	    print "make TARGET [VARIABLE=value ...]"; \
	    print "STACK=default (TensorFlow 2.21) or addons (TensorFlow 2.15 with tensorflow-addons) goes with every target."; \
	    print "A value may hold blanks, quotes, $$ and anything else: it is passed on as it is. ARGS, BEAM_ARGS, RUNS and TESTS"; \
	    print "are lists, split at blanks." } \
	/^##@ / { print "\n" substr($$0, 5) } \
	/^[a-z-]+: [a-z]* ?## / { printf "  %-12s %s\n", $$1, $$2; if ($$3) printf "  %-12s [%s\n", "", $$3 }' Makefile

.PHONY: setup lock demo records coverage verify train evaluate detect show pictures rate curves ablations cluster-up cluster-down test-cluster lock-jars test test-all test-faults lint bench $(benchmarks) clean help

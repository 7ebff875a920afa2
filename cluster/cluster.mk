# The commands of a cluster on this machine. The Makefile includes this file.

ENGINE =
CLUSTER = .cluster
TESTS_CLUSTER = tests/cluster
FLINK_MASTER =

# Beam's options for such a cluster. BEAM_ARGS follow them, and override them.
flink_job_server = $(if $(FLINK_MASTER),jar=$$($(python) -m cluster.job_server) &&)
flink_args = $(if $(FLINK_MASTER),--beam_arg=--flink_master=$(call quote,$(FLINK_MASTER)) \
    --beam_arg=--flink_job_server_jar="$$jar" --beam_arg=--parallelism=4 \
    --beam_arg=--environment_type=EXTERNAL --beam_arg=--environment_config=localhost:50000)

##@ Cluster
cluster-up: setup ## A cluster on this machine: Flink 1.19 (needs Java and Maven), or Beam's job service  [ENGINE=portable]
	@$(python) -m cluster.up --folder=$(call quote,$(CLUSTER)) $(call flag,engine,ENGINE)

cluster-down: setup ## Stops what cluster-up started
	@$(python) -m cluster.down --folder=$(call quote,$(CLUSTER))

test-cluster: setup ## Makes records on a cluster while its processes are killed, and compares them with local ones  [ENGINE=portable]
	CLUSTER_ENGINE=$(or $(ENGINE),flink) $(python) -m pytest -s $(TESTS_CLUSTER)/test_recovery.py $(ARGS)

lock-jars: setup ## New cluster/maven/*/jars.lock, from the pom.xml beside each, with Maven
	@$(python) -m cluster.lock_jars

.PHONY: cluster-up cluster-down test-cluster lock-jars

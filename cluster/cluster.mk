# A cluster on this machine; the Makefile includes this file.

# What Beam must know of a cluster like the one here; BEAM_ARGS come later, and override it.
flink_job_server = $(if $(FLINK_MASTER),jar=$$($(python) -m cluster.job_server) && )
flink_args = $(if $(FLINK_MASTER), --beam_arg=--flink_master=$(call quote,$(FLINK_MASTER)) --beam_arg=--flink_job_server_jar="$$jar" --beam_arg=--parallelism=4 --beam_arg=--environment_type=EXTERNAL --beam_arg=--environment_config=localhost:50000)
cluster_folder = $(call option,folder,$(or $(CLUSTER),.cluster))

##@ Cluster
cluster-up: setup ## Starts a cluster here: Flink 1.19 (needs Java and Maven), or Beam's job service  [ENGINE=portable] [CLUSTER=folder] [ARGS=--rest_port=8082]
	$(python) -m cluster.up $(cluster_folder)$(call flag,engine,ENGINE)$(call each,$(ARGS))

cluster-down: setup ## Stops what cluster-up started  [CLUSTER=folder] [ARGS=]
	$(python) -m cluster.down $(cluster_folder)$(call each,$(ARGS))

test-cluster: setup ## Makes records on a cluster while its processes are killed, and compares them with local ones  [ENGINE=portable] [ARGS=]
	CLUSTER_ENGINE=$(call quote,$(or $(ENGINE),flink)) $(python) -m pytest -s tests/cluster/test_recovery.py$(call each,$(ARGS))

lock-jars: setup ## New cluster/maven/*/jars.lock from the pom.xml next to each, by Maven
	$(python) -m cluster.lock_jars

.PHONY: cluster-up cluster-down test-cluster lock-jars

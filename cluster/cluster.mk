# A cluster on this machine; included by the Makefile.

ENGINE =
CLUSTER = .cluster
TESTS_CLUSTER = tests/cluster

##@ Cluster
cluster-up: setup ## A cluster here: Flink 2.2 (needs Java), or Beam's job service  [ENGINE=portable]
	@$(python) -m cluster.up --folder=$(call quote,$(CLUSTER)) $(call flag,engine,ENGINE)

cluster-down: setup ## Stops what cluster-up started
	@$(python) -m cluster.down --folder=$(call quote,$(CLUSTER))

test-cluster: setup ## Records made on a cluster whose processes are killed, beside local ones  [ENGINE=portable]
	CLUSTER_ENGINE=$(or $(ENGINE),flink) $(python) -m pytest -s $(TESTS_CLUSTER)/test_recovery.py $(ARGS)

.PHONY: cluster-up cluster-down test-cluster

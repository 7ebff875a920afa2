"""How replicas and processes share the work of training."""

"""A Flink cluster on this machine, for trying and testing `--runner=flink`. The standard library alone."""

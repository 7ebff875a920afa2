"""A Flink cluster on one machine, to try and to test `--runner=flink`."""

"""Flags that all benchmarks share."""

from __future__ import annotations

from absl import flags

flags.DEFINE_integer("rounds", None, "Rounds; medians are shown. Default: the benchmark's own number.", lower_bound=1)
flags.DEFINE_bool("goals", True, "End with status 1 if a goal is missed.")

FLAGS = flags.FLAGS

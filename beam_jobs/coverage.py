"""Shows how anchors fit the boxes of a source, and proposes some that fit better. Writes nothing.

prematch coverage --config=detection --source=coco --data_dir=FOLDER
"""

from __future__ import annotations

from absl import flags

from beam_jobs import record_flags
from beam_jobs.job.coverage import propose
from beam_jobs.record_flags import choose_composition, data_paths, records_config
from beam_jobs.sources import make_source
from beam_jobs.sources.source import describe_source
from pipeline.command_line import let_sigterm_interrupt, run_command
from pipeline.errors import make_printable

flags.adopt_module_key_flags(record_flags)  # --help lists them


def main() -> None:
    """Prints how well the configured and the proposed anchors fit a source's boxes."""
    let_sigterm_interrupt()
    config = records_config()
    source = make_source(config.source, data_paths())
    print("\n".join(describe_source(source, val_fraction=config.val_fraction)), flush=True)
    config = choose_composition(config, source)
    print("\n".join(propose(config, source).lines()))
    print(make_printable("next: make records ... ANCHORS=auto takes the proposal"))


if __name__ == "__main__":
    run_command(main)

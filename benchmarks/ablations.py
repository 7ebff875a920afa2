"""What each part of a recipe brings: trains every configuration of configs/ablations and compares their AP on val.

python -m benchmarks.ablations --data_dir=...    # or: make ablations DATA_DIR=...

If it is interrupted, run the same command again: finished shards and saved steps are kept.
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

from benchmarks.ablation_table import FOLDER, choose_names, table
from benchmarks.commands import run_python
from configs import load_config
from model.training.run_folder import RunFolder
from model.training.run_log import EpochRow, read_history
from pipeline.command_line import run_command
from pipeline.config.records_config import RecordsConfig

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", None, "Folder of the source's files. Default: they are downloaded.")
flags.DEFINE_list("only", None, f"Names of files in configs/{FOLDER}. Default: all.")
flags.DEFINE_string("records", "records", "Folder for the record sets.")
flags.DEFINE_string("runs", "runs", "Folder for the runs.")


def main() -> None:
    """Makes records and trains for each configuration, the reference first; then prints the table."""
    sets: dict[RecordsConfig, str] = {}
    reached: dict[str, EpochRow] = {}
    for name in choose_names(FLAGS.only or ()):
        config = f"{FOLDER}.{name}"
        wanted = load_config(config).records
        if wanted not in sets:
            sets[wanted] = str(Path(FLAGS.records) / config)
            source = [f"--data_dir={FLAGS.data_dir}"] if FLAGS.data_dir else []
            run_python("-m", "beam_jobs.make_records", f"--config={config}", f"--records={sets[wanted]}", *source)
        run = RunFolder(Path(FLAGS.runs) / config)
        run_python("-m", "model.train", f"--config={config}", f"--records={sets[wanted]}", f"--run={run.path}")
        reached[name] = read_history(run.history)[-1]
    for line in table(reached):
        print(line)


if __name__ == "__main__":
    run_command(main)

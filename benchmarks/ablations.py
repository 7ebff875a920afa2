"""What each part of a recipe brings: trains the configurations of a folder, and tells their AP on val side by side.

python -m benchmarks.ablations --data_dir=...    # or: make ablations DATA_DIR=...

Every record set and every run can be gone on with: start the command again after it was stopped.
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

from benchmarks.ablation_table import FOLDER, REFERENCE, table
from benchmarks.commands import run_module
from configs import config_names, load_config
from model.training.callbacks import read_history
from model.training.run_folder import RunFolder
from pipeline.config.records_config import RecordsConfig
from pipeline.errors import UserError, run_command

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", None, "Where the source's files are; without it they are downloaded.")
flags.DEFINE_list("only", None, f"Names in configs/{FOLDER}, without {FOLDER}.; default: all.")
flags.DEFINE_string("records", "records", "Folder for the record sets.")
flags.DEFINE_string("runs", "runs", "Folder for the runs.")


def main() -> None:
    """Records, training and a line of the table for each configuration, the reference first."""
    known = [name.removeprefix(f"{FOLDER}.") for name in config_names() if name.startswith(f"{FOLDER}.")]
    unknown = sorted(set(FLAGS.only or ()) - set(known))
    if unknown:
        raise UserError(f"--only must name some of {', '.join(known)}, got {', '.join(unknown)}")
    names = [REFERENCE, *(n for n in known if n != REFERENCE and (not FLAGS.only or n in FLAGS.only))]
    sets: dict[RecordsConfig, str] = {}
    reached: dict[str, dict[str, str]] = {}
    for name in names:
        config = f"{FOLDER}.{name}"
        wanted = load_config(config).records
        if wanted not in sets:
            sets[wanted] = str(Path(FLAGS.records) / config)
            source = [f"--data_dir={FLAGS.data_dir}"] if FLAGS.data_dir else []
            run_module("beam_jobs.make_records", f"--config={config}", f"--records={sets[wanted]}", *source)
        run = RunFolder(Path(FLAGS.runs) / config)
        run_module("model.train", f"--config={config}", f"--records={sets[wanted]}", f"--run={run.path}")
        reached[name] = read_history(run.history)[-1]
    for line in table(reached):
        print(line)


if __name__ == "__main__":
    run_command(main)

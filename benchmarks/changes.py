"""What each part of a recipe brings: trains the configurations of a folder, and tells their AP on val side by side.

python -m benchmarks.changes --data_dir=...    # or: make changes DATA_DIR=...

Every record set and every run can be gone on with: start the command again after it was stopped.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from absl import flags

from configs import config_names, load_config
from model.callbacks import read_history
from model.run_folder import RunFolder
from pipeline.config import RecordsConfig
from pipeline.errors import UserError, run_command

FOLDER, REFERENCE = "changes", "reference"

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
            _run("beam_jobs.make_records", f"--config={config}", f"--records={sets[wanted]}", *source)
        run = RunFolder(Path(FLAGS.runs) / config)
        _run("model.train", f"--config={config}", f"--records={sets[wanted]}", f"--run={run.path}")
        reached[name] = read_history(run.history)[-1]
    for line in table(reached):
        print(line)


def table(reached: dict[str, dict[str, str]]) -> list[str]:
    """The last line of each run's history, as a table in Markdown; the reference is the first of them.

    Args:
        reached: by name of the change, the last line of its history, as `read_history` gives it.
    """
    first = next(iter(reached.values()))
    lines = ["| changed | AP on val | AP50 | beside the reference | AP of raw weights |", "|---|---|---|---|---|"]
    for name, row in reached.items():
        beside = f"{float(row['AP']) - float(first['AP']):+.4f}" if row is not first else ""
        raw = f"{float(row['raw_AP']):.4f}" if row["raw_AP"] else ""
        lines.append(f"| `{name}` | {float(row['AP']):.4f} | {float(row['AP50']):.4f} | {beside} | {raw} |")
    return lines


def _run(module: str, *arguments: str) -> None:
    """Runs a command of the project; ends with its status where it fails: it has said why."""
    status = subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode
    if status:
        sys.exit(status)


if __name__ == "__main__":
    run_command(main)

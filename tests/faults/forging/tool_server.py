"""A process that runs one of the commands on one record set after another: whatever it imports is imported once.

    python -m tests.faults.forging.tool_server verify|images|train|evaluate FOLDER

Reads the folder of a record set from each line of standard input, and answers each with a line of JSON: the exit
status, -1 for an error that nobody caught, and what was printed. Networks are built and traced once, because all sets
have the same shape, and a command that builds them anew would take ten times as long.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import tempfile
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import flags

from pipeline.command_line import run_command

Run = Callable[[str], None]


def command(module_name: str, *, arguments: Callable[[str], list[str]], prepare: Callable[[Any], None]) -> Run:
    """What runs a module's command on a record set."""
    module = importlib.import_module(module_name)
    prepare(module)

    def run(records: str) -> None:
        flags.FLAGS.unparse_flags()
        for name in flags.FLAGS:
            flags.FLAGS[name].unparse()
        sys.argv = [module_name, *arguments(records)]
        run_command(module.main)

    return run


def verify(folder: Path) -> Run:
    def in_this_process(module: Any) -> None:
        module.in_processes = lambda function, tasks, processes: map(function, tasks)

    def arguments(records: str) -> list[str]:
        return [f"--records={records}", "--full"]

    return command("beam_jobs.verify", arguments=arguments, prepare=in_this_process)


def images(folder: Path) -> Run:
    def arguments(records: str) -> list[str]:
        return [f"--records={records}", "--count=1", f"--output={folder / 'images.png'}"]

    return command("model.show_records", arguments=arguments, prepare=lambda module: None)


def train(folder: Path) -> Run:
    """Every training is a new run; the first of them is kept for `evaluate`."""
    _offer_config()
    trained = folder / "run"

    def arguments(records: str) -> list[str]:
        run = folder / "another run" if (trained / "history.csv").exists() else trained
        shutil.rmtree(run, ignore_errors=True)
        return ["--config=forged", f"--records={records}", f"--run={run}"]

    def build_once(module: Any) -> None:
        new_detector, built = module.Detector, {}
        module.build_network = _once(module.build_network)
        module.Evaluator = _once(module.Evaluator)

        def detector(network: Any, **settings: Any) -> Any:
            """The same detector with its first weights, whose step is traced once. Later runs end after the step."""
            key = id(network)
            if key not in built:
                built[key] = new_detector(network, **settings), network.get_weights()
                return built[key][0]
            one, weights = built[key]
            network.set_weights(weights)
            one.compile = lambda **_: None
            fit = type(one).fit

            def one_step(batches: Any, *, callbacks: list[Any], **more: Any) -> None:
                watching = [c for c in callbacks if type(c).__name__ == "StopOnBrokenLoss"]
                assert watching
                fit(one, batches, callbacks=watching, **more)

            one.fit = one_step
            # It sets TensorFlow's seed, which drops every compiled graph.
            module.set_arithmetic = lambda config: None
            return one

        module.Detector = detector

    return command("model.train", arguments=arguments, prepare=build_once)


def evaluate(folder: Path) -> Run:
    _offer_config()

    def arguments(records: str) -> list[str]:
        return [f"--run={folder / 'run'}", f"--records={records}"]

    def build_once(module: Any) -> None:
        module.Evaluator = _once(module.Evaluator)

    return command("model.evaluate", arguments=arguments, prepare=build_once)


def _once(make: Callable[..., Any]) -> Callable[..., Any]:
    """Makes one thing for each shape of a network."""
    made: dict[str, Any] = {}

    def made_once(model: Any, shape: Any, *rest: Any) -> Any:
        key = f"{shape.canvas_size} {shape.anchors.fingerprint} {getattr(shape, 'class_count', shape)!r:.200}"
        if key not in made:
            made[key] = make(model, shape, *rest)
        return made[key]

    return made_once


def _offer_config() -> None:
    import configs
    from tests.faults.forging.honest_set import CONFIG

    sys.modules["configs.forged"] = types.SimpleNamespace(CONFIG=CONFIG)  # type: ignore[assignment]
    configs.config_names = lambda: ["forged"]


def main(tool: str, folder: str) -> None:
    """Answers line after line."""
    answers = os.fdopen(os.dup(1), "w")
    with tempfile.TemporaryFile("w+", errors="replace") as printed:
        for stream in (1, 2):
            os.dup2(printed.fileno(), stream)
        run = {"verify": verify, "images": images, "train": train, "evaluate": evaluate}[tool](Path(folder))
        print(json.dumps({"status": 0, "printed": "ready"}), file=answers, flush=True)
        for line in sys.stdin:
            printed.seek(0)
            printed.truncate()
            status: object = 0
            try:
                run(json.loads(line))
            except SystemExit as end:
                status = end.code or 0
            except BaseException:
                traceback.print_exc()
                status = -1
            sys.stdout.flush()
            sys.stderr.flush()
            printed.seek(0)
            print(json.dumps({"status": status, "printed": printed.read()}), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

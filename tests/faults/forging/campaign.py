"""Runs the tools on forged sets, and collects what must not happen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.forging.honest_set import make_honest_set
from tests.faults.forging.sealed import ForgedSet
from tests.faults.forging.tool_process import Outcome, ToolProcess

TOOLS = ("verify", "images", "train", "evaluate")
SHOWN = 40  # faults in the message of a failed test


class Campaign:
    """The tools and the set that they look at, altered in one place after another."""

    def __init__(self, folder: Path) -> None:
        make_honest_set(folder / "honest")
        self.forged = ForgedSet(folder / "honest", folder / "set")
        self.begin()
        self._tools = {tool: ToolProcess(tool, folder) for tool in TOOLS}
        for tool in TOOLS:  # one after the other: `evaluate` takes the run of `train`
            outcome = self._tools[tool].run(self.forged.folder)
            assert (outcome.status, outcome.fault()) == (0, ""), outcome

    def begin(self) -> None:
        """Forgets what was found."""
        self.faults: list[str] = []
        self.cases = 0
        self.refused: Counter[str] = Counter()  # by tool
        self.peaks: Counter[str] = Counter()  # bytes, by tool

    def close(self) -> None:
        """Ends the tools."""
        for tool in self._tools.values():
            tool.stop()

    def try_tools(
        self, case: str, *, must_report: bool, naming: Sequence[str] = (), tools: Sequence[str] = TOOLS
    ) -> None:
        """Runs the tools on the set as it is now altered, and restores it.

        Args:
            case: what was altered.
            must_report: whether `verify` must find something, because the alteration changes the meaning.
            naming: what the lines of `verify` must name.
            tools: which of them.
        """
        self.cases += 1
        with ThreadPoolExecutor(len(tools)) as threads:
            outcomes = list(threads.map(lambda tool: self._tools[tool].run(self.forged.folder), tools))
        for outcome in outcomes:
            self.refused[outcome.tool] += outcome.status == 1
            self.peaks[outcome.tool] = max(self.peaks[outcome.tool], outcome.peak_bytes)
            if fault := outcome.fault():
                self.faults.append(f"{case} | {outcome.tool} | {fault}")
        verify = next((outcome for outcome in outcomes if outcome.tool == "verify"), None)
        if verify is not None and not verify.fault():
            self.faults += [f"{case} | verify | {missing}" for missing in _unreported(verify, must_report, naming)]
        self.forged.restore()

    def summary(self) -> str:
        """What was found, in a line."""
        refused = ", ".join(f"{tool} {count}" for tool, count in self.refused.items())
        peaks = ", ".join(f"{tool} {peak / 1e6:.0f}" for tool, peak in self.peaks.items())
        return f"{self.cases} forged: refused by {refused}; peak memory in MB: {peaks}; {len(self.faults)} faults"

    def end(self, what: str) -> None:
        """Prints what was found, and fails if anything happened that must not."""
        print(f"\n{what}: {self.summary()}")
        shown = "\n".join(self.faults[:SHOWN])
        assert not self.faults, f"{self.summary()}\n{shown}"


def _unreported(verify: Outcome, must_report: bool, naming: Sequence[str]) -> list[str]:
    if must_report and verify.status == 0:
        return ["finds nothing"]
    return [f"does not name {name}" for name in naming if name not in verify.printed]

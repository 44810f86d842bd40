"""Change production in a process that is killed at one of its calls that change files.

    python -m tests.unit.killed ACTION TEMPLATE FOLDER [TWICE]

TEMPLATE is a workspace in which the action can run. It is copied to FOLDER/at-<number> for the first, second, … call of the
action, and a process that runs the action there is killed just before that call. In the last copy, the action finishes. With
TWICE, every recovery is then killed in the same way, in FOLDER/at-<number>-<number>. Prints the names of all those folders.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from driftgate.errors import DriftgateError
from driftgate.production import experiments
from driftgate.production.channel import Channel
from driftgate.production.move import Production
from driftgate.production.record import IN_PRODUCTION, Entry, staged
from driftgate.production.release import read_release
from driftgate.workspace import Workspace
from operations import canary

CALLS = (
    "open", "write", "pwrite", "truncate", "ftruncate", "fsync", "replace", "rename", "link", "symlink", "unlink", "remove",
    "mkdir", "rmdir", "chmod", "fchmod", "utime",
)  # fmt: skip
MOST = 200


def of_workspace(home: Path) -> Production:
    return Production("rules", workspace=Workspace(home))


def alias(home: Path) -> Callable[[Entry], None]:
    """Replaces the registry: it stores which version is the champion."""

    def write(entry: Entry) -> None:
        if entry.event in IN_PRODUCTION:
            (home / "alias").write_text(entry.version)

    return write


def move(home: Path) -> None:
    production = of_workspace(home)
    proof = staged(production.record(), "2")
    assert proof
    release = read_release(Path(proof.release))
    to = Channel.of(release)
    entry = Entry(
        event="production", version=to.version, previous="1", who="w", reason="r", verdict="pass", release=to.release,
        manifest_sha256=to.manifest_sha256,
    )  # fmt: skip
    production.move(release, entry, follow=[alias(home)])


def start(home: Path) -> None:
    production = of_workspace(home)
    experiments.begin(production, experiments.plan(production, "2", share=0.5), who="w", reason="r")


def stop(home: Path) -> None:
    experiments.stop(of_workspace(home), who="w", reason="r")


def roll_out(home: Path, *, fault: str | None = None) -> None:
    """A canary of two steps. The service reports no problem, or one at the second step."""
    said = iter([None, fault])
    canary._watch = lambda *_, **__: next(said)  # type: ignore[assignment]
    production = of_workspace(home)
    told = {"service": "http://127.0.0.1:9", "budget_ms": 100.0, "who": "w", "reason": "r"}
    canary.roll_out(production, "2", steps=(5, 25, 100), hold=1.0, **told)  # type: ignore[arg-type]
    move(home)


def undo(home: Path) -> None:
    with pytest.raises(DriftgateError, match="it has errors"):
        roll_out(home, fault="it has errors")


def recover(home: Path) -> None:
    """What each command does first."""
    production = of_workspace(home)
    production.recover([alias(home)])
    experiments.end_cut_off_canary(production)


ACTIONS: dict[str, Callable[[Path], None]] = {
    "deploy": move, "start": start, "stop": stop, "promote": move, "canary": roll_out, "canary undone": undo,
}  # fmt: skip


def die_at(number: int, command: Callable[[], None]) -> bool:
    """Run a command in a process that is killed before its nth call. Returns whether it was killed."""
    child = os.fork()
    if not child:
        calls = 0

        def count() -> None:
            nonlocal calls
            calls += 1
            if calls == number:
                os._exit(9)

        def counted(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **keywords: Any) -> Any:
                count()
                return real(*arguments, **keywords)

            return call

        try:
            for name in CALLS:
                setattr(os, name, counted(getattr(os, name)))
            # `open` and `Path.open` call the system past `os`.
            sys.addaudithook(lambda event, told: count() if event == "open" and told[1] and told[1] != "r" else None)
            command()
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9), code
    return code == 9


def kill_everywhere(template: Path, prefix: Path, action: Callable[[Path], None]) -> list[Path]:
    """Copy a workspace and kill an action at its first, second, … call, until it ends in one copy."""
    homes: list[Path] = []
    for number in range(1, MOST):
        home = prefix.with_name(f"{prefix.name}{number}")
        shutil.copytree(template, home)
        homes.append(home)

        def command(home: Path = home) -> None:
            with of_workspace(home).exclusive():
                action(home)

        if not die_at(number, command):
            return homes
    raise AssertionError("The action never came to its end.")


def main() -> None:
    action, template, folder = ACTIONS[sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[3])
    homes = kill_everywhere(template, folder / "at-", action)
    if "TWICE" in sys.argv:
        homes += [again for home in homes for again in kill_everywhere(home, home.with_name(f"{home.name}-"), recover)]
    print(json.dumps([home.name for home in homes]))


if __name__ == "__main__":
    main()

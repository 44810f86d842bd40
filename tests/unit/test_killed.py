"""A command that changes production is killed at every call that changes files: the next one finds record and channel agreeing."""

import json
import shutil
import subprocess
import sys

import pytest

from driftgate.production import experiments
from driftgate.production.consistency import observe
from driftgate.production.deployments import warnings_of
from driftgate.production.move import Production
from driftgate.production.record import HEAD
from driftgate.workspace import PROJECT
from tests.unit.killed import alias, of_workspace, recover

FILES = {"production.json", "record.jsonl", HEAD, "lock"}
TWICE = {"deploy": ["TWICE"], "start": ["TWICE"]}
BEFORE = ["production", "staged"]
STARTED = [*BEFORE, "challenged"]
CANARY = [*STARTED, "stepped"]


def has_experiment(production: Production) -> None:
    with production.exclusive():
        experiments.begin(production, experiments.plan(production, "2", share=0.5), who="w", reason="r")


# By action: what the record can say after it was killed and recovered, with what production then serves, and to whom.
OUTCOMES: dict[str, list[tuple[list[str], tuple[str, float | None]]]] = {
    "deploy": [(BEFORE, ("1", None)), ([*BEFORE, "production"], ("2", None))],
    "start": [(BEFORE, ("1", None)), (STARTED, ("1", 0.5))],
    "stop": [(STARTED, ("1", 0.5)), ([*STARTED, "unchallenged"], ("1", None))],
    "promote": [(STARTED, ("1", 0.5)), ([*STARTED, "production"], ("2", None))],
    "canary": [
        (BEFORE, ("1", None)), ([*STARTED, "unchallenged"], ("1", None)), ([*CANARY, "unchallenged"], ("1", None)),
        ([*CANARY, "production"], ("2", None)),
    ],
    "canary undone": [
        (BEFORE, ("1", None)), ([*STARTED, "unchallenged"], ("1", None)), ([*CANARY, "unchallenged"], ("1", None)),
    ],
}  # fmt: skip


@pytest.mark.parametrize("action", OUTCOMES)
def test_killed_at_every_call_it_is_either_before_or_after(
    action: str, contested: Production, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Killed once; where a change is alone, killed again while the next command recovers."""
    if action in ("stop", "promote"):
        has_experiment(contested)
    template, folder = tmp_path_factory.mktemp("template"), tmp_path_factory.mktemp("killed")
    shutil.copytree(contested.channel.parent, template / "channels" / "rules")
    alias(template)(contested.record()[0])
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.killed", action, str(template), str(folder), *TWICE.get(action, [])],
        capture_output=True, text=True, cwd=PROJECT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    seen = set()
    for name in found:
        production = of_workspace(folder / name)
        assert observe(production).faults == [], name
        before = production.serving()
        assert before is not None
        with production.exclusive():
            recover(folder / name)
            after = production.serving()
        assert after is not None
        assert before.version == after.version  # which release most callers get is never changed by recovering
        tried = after.challenger
        outcome = [entry.event for entry in production.record()], (after.version, tried.share if tried else None)
        assert outcome in OUTCOMES[action], name
        assert warnings_of(production) == [], name
        assert production.unfinished() is None
        assert {path.name for path in production.channel.parent.iterdir()} == FILES, name
        assert (folder / name / "alias").read_text() == after.version
        seen.add(OUTCOMES[action].index(outcome))
    assert seen == set(range(len(OUTCOMES[action])))
    assert len(found) > 12

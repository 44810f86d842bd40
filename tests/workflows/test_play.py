"""The workflows, played: what GitHub would run is run, on the small problem, with everything real but GitHub."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from run import main
from tests.workflows.actions import Hub
from tests.workflows.conftest import Repository
from tests.workflows.expressions import PlayError
from tests.workflows.player import Run

RULES = "configs/rules.yaml"
VARIABLES = {"DRIFTGATE_CONFIG": RULES}


def test_contract_of_the_data_is_checked(repository: Repository) -> None:
    run = Run(repository(), "push", variables=VARIABLES, only="contract").play("data.yml")
    job = run.jobs["contract"]
    assert job.result == "success", job.steps
    assert "### rules: passed" in job.summary
    assert json.loads((run.hub.artifacts / "evidence-contract" / "document.json").read_text())["verdict"] == "pass"


def test_a_broken_contract_is_a_red_run_that_says_why(repository: Repository) -> None:
    hub = repository({RULES: ("f4: {type: number, minimum: 0, maximum: 100}", "f4: {type: number, maximum: 50}")})
    run = Run(hub, "push", variables=VARIABLES, only="contract").play("data.yml")
    assert run.result == "failure"
    assert "must be at most 50" in run.jobs["contract"].summary


@pytest.mark.skipif("data" not in main.commands, reason="needs `run.py data`")
def test_data_comes_from_the_remote(repository: Repository, tmp_path: Path) -> None:
    """Pushed by one clone, fetched by the job: it builds nothing."""
    hub, remote = repository(), str(tmp_path / "remote")
    for arguments in (["contract"], ["data", "push", "--remote", remote]):
        subprocess.run([sys.executable, "run.py", *arguments, "--config", RULES], cwd=hub.origin, check=True)
    variables = {**VARIABLES, "DRIFTGATE_REMOTE": remote}
    job = Run(hub, "push", variables=variables, only="contract").play("data.yml").jobs["contract"]
    assert job.step("Fetch the data").outcome == "success", job.steps
    assert job.result == "success", job.steps
    assert "building" not in "".join(step.said for step in job.steps)


def test_without_a_place_that_lasts_nothing_is_deployed(repository: Repository) -> None:
    run = Run(repository(), "workflow_dispatch", variables=VARIABLES).play("deploy.yml")
    first = run.jobs["staging"].steps[0]
    assert (first.outcome, "Set the variable DRIFTGATE_HOME" in first.said) == ("failure", True)
    assert run.jobs["production"].result == "skipped"


def test_a_step_that_calls_what_is_not_there_is_red(repository: Repository) -> None:
    hub = repository({".github/workflows/data.yml": ("run.py contract", "run.py kontract")})
    run = Run(hub, "push", variables=VARIABLES, only="contract").play("data.yml")
    assert run.result == "failure"
    assert "No such command 'kontract'" in run.jobs["contract"].steps[-3].said


RIGHT = """
on: {push: }
permissions: {}
jobs:
  one:
    runs-on: x
    timeout-minutes: 1
    outputs: {told: "${{ steps.it.outputs.told }}"}
    steps:
      - {id: it, run: 'echo "told=1" >> "$GITHUB_OUTPUT"'}
  two:
    needs: one
    runs-on: x
    timeout-minutes: 1
    steps:
      - {run: 'test "$X" = 1', env: {X: "${{ needs.one.outputs.told }}"}}
"""


def play_text(text: str, hub: Hub) -> Run:
    (hub.origin / ".github" / "workflows" / "small.yml").write_text(text)
    return Run(hub, "push").play("small.yml")


def test_a_workflow_that_works_is_green(repository: Repository) -> None:
    assert play_text(RIGHT, repository()).result == "success"


def test_what_comes_after_a_red_job_by_way_of_another_is_skipped(repository: Repository) -> None:
    """success() asks for every job on the way, not for the ones that are needed directly alone."""
    red = RIGHT.replace('test "$X" = 1', "exit 0").replace("{id: it, run: '", "{id: it, run: 'exit 1; ")
    steps = "\n    runs-on: x\n    timeout-minutes: 1\n    steps: [{run: exit 0}]\n"
    third = f"  three:\n    needs: two{steps}  four:\n    needs: three\n    if: ${{{{ !cancelled() }}}}{steps}"
    text = red.replace("needs: one\n", "needs: one\n    if: ${{ !cancelled() }}\n").replace(
        "${{ needs.one.outputs.told }}", "1"
    )
    results = {name: job.result for name, job in play_text(text + third, repository()).jobs.items()}
    assert results == {"one": "failure", "two": "success", "three": "skipped", "four": "success"}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("runs-on: x", "runs-on: '${{ env.X }}'", "no context 'env'"),
        ("needs: one\n", "needs: one\n    concurrency: {group: '${{ secrets.X }}'}\n", "no context 'secrets'"),
        ("needs: one\n", "needs: one\n    environment: '${{ nonsense.x }}'\n", "no context 'nonsense'"),
        ("needs: one\n", "needs: one\n    if: matrix.x == 1\n", "no context 'matrix'"),
        ("told=1", "tolt=1", "steps.it.outputs.told is never set"),
        ("outputs: {told:", "outputs: {tolt:", "needs.one.outputs.told is never set"),
        ("steps.it.", "steps.its.", "steps.its is never set"),
        ("needs: one\n", "if: always()\n", "needs.one is never set"),
        ("needs: one\n", "needs: two\n", "wait for each other"),
        ("needs: one\n", "needs: zero\n", "needs zero, which is not there"),
        ("needs.one.outputs.told", "format('x')", "no function format()"),
        ("needs.one.outputs.told", "runner.temp", "no context 'runner'"),
        ("needs.one.outputs.told", "github.evnt", "github.evnt is never set"),
        ("{run: 'test", "{uses: 'a/b@v1', name: 'test", "nothing stands in for a/b"),
        ("timeout-minutes: 1", "retries: 1", "unknown to the player: retries"),
        ("on: {push: }", "on: {pull_request: }", "does not start on push"),
    ],
)
def test_a_workflow_that_can_t_work_is_told(old: str, new: str, says: str, repository: Repository) -> None:
    assert old in RIGHT
    with pytest.raises(PlayError) as raised:
        play_text(RIGHT.replace(old, new), repository())
    assert says in str(raised.value)

"""Steps for a model that passed the gate: register it, write its release, build its bento."""

from typing import Annotated

import pandas as pd
from zenml import get_step_context, step

from bentos.build import RUNTIME, build_bento
from driftgate.config import Problem
from driftgate.data.table import DataVersion, rows_of
from driftgate.drift.profile import Profile
from driftgate.evidence import registry
from driftgate.evidence.card import make_card
from driftgate.evidence.provenance import provenance
from driftgate.evidence.sbom import make_sbom
from driftgate.evidence.tracking import Tracker
from driftgate.production.ranges import ranges_of
from driftgate.production.release import GOLDEN_ROWS, write_release
from driftgate.training.evaluation import Evaluation
from driftgate.training.tuned import Trained
from driftgate.verdict import Verdict
from driftgate.workspace import Workspace
from steps import announce


@step(experiment_tracker=True)
def register(
    model_uri: str, verdict: Verdict, version: DataVersion, problem: Problem
) -> Annotated[str, "model_version"]:
    """Create a version in MLflow's registry, with its data version, commit, lock file hash and verdict."""
    tags = {"verdict": verdict.outcome, "data_md5": version.md5, **provenance().tags()}
    tracker = Tracker.of_active_run(workspace=Workspace.current())
    number = tracker.register(problem, model_uri, tags=tags)
    announce("register", f"{problem.name} {number}")
    return number


@step(experiment_tracker=True)
def package(
    onnx: bytes,
    trained: Trained,
    evaluation: Evaluation,
    verdict: Verdict,
    profile: Profile,
    holdout: pd.DataFrame,
    development: pd.DataFrame,
    version: DataVersion,
    model_version: str,
    problem: Problem,
) -> tuple[Annotated[str, "release"], Annotated[str, "bento"]]:
    """Write the release and build the bento. Then set the alias `candidate`, so that a candidate always has both."""
    announce("package", f"release and bento of {problem.name} {model_version}")
    workspace = Workspace.current()
    tracker = Tracker.of_active_run(workspace=workspace)
    card = make_card(
        problem,
        number=model_version,
        trained=trained,
        evaluation=evaluation,
        verdict=verdict,
        version=version,
        development=development,
        mlflow_run=tracker.run_id,
        zenml_run=str(get_step_context().pipeline_run.id),
    )
    release = write_release(
        workspace.releases / problem.name / model_version,
        model=onnx,
        contract=problem.contract,
        card=card,
        ranges=ranges_of(development, problem.contract),
        rows=rows_of(holdout.head(GOLDEN_ROWS), problem.contract),
        profile=profile.model_dump_json().encode(),
        sbom=make_sbom(card, model=onnx, requirements=RUNTIME),
    )
    tracker.keep_release(release)
    bento = build_bento(release, workspace=workspace)
    registry.set_alias(problem.name, registry.CANDIDATE, model_version, workspace=workspace)
    return str(release.folder), str(bento)

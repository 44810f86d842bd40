"""The work of the training pipeline as a plain script without ZenML, for `orchestration.py`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from driftgate.workspace import Workspace

workspace = Workspace.current()
workspace.set_environment()
workspace.prepare()

import mlflow

from bentos.build import RUNTIME, build_bento
from driftgate import gate
from driftgate.config import load_problem
from driftgate.data import contract_check
from driftgate.data.present import ensure_data
from driftgate.data.table import features_of, labels_of, read_rows, rows_of
from driftgate.data.violations import contract_checks
from driftgate.drift.check import check_drift, newest_window
from driftgate.drift.profile import fit_profile
from driftgate.evidence import page, registry, tracking
from driftgate.evidence.card import make_card
from driftgate.evidence.provenance import provenance
from driftgate.evidence.sbom import make_sbom
from driftgate.production.ranges import ranges_of
from driftgate.production.release import GOLDEN_ROWS, write_release
from driftgate.production.scoring import Scorer
from driftgate.training import evaluation, export, leakage, modelling, plots, tuning
from driftgate.training.importance import importances
from driftgate.training.splitting import split
from driftgate.verdict import Verdict

problem = load_problem(Path(sys.argv[1]))
contract = problem.contract
tracking.ensure_experiment("plain", workspace=workspace)
mlflow.set_tracking_uri(workspace.mlflow_uri)
mlflow.set_experiment("plain")
with mlflow.start_run() as run:
    tracker = tracking.Tracker(run.info.run_id, workspace=workspace)
    frame, version = read_rows(problem, md5=ensure_data(problem, workspace=workspace), as_of=problem.data.as_of)
    tracker.start(problem, version, provenance(), zenml_run="none")
    violations = contract_check.find_violations(frame, problem, version=version)
    development, holdout = split(frame, problem, as_of=version.as_of)
    features, labels = features_of(development, contract), labels_of(development, problem)
    leaks = leakage.column_leaks(features, labels, contract, confidence=problem.gate.confidence, seed=problem.seed)
    modelling.seed_everything(problem.seed)
    tuned = tuning.tune(development, problem)
    tracker.log_tuning(tuned)
    model, trained, out_of_fold = tuning.train(development, problem, tuned=tuned)
    features, labels = features_of(holdout, contract), labels_of(holdout, problem)
    probability = modelling.predict_probability(model, features)
    found = evaluation.evaluate(labels, probability, holdout, problem, threshold=trained.threshold)
    importance = importances(model, features, labels, problem, threshold=trained.threshold)
    figures = plots.training_plots(labels, probability, found, problem, importance=importance)
    tracker.log_data_set(holdout, problem, version, context="holdout")
    pictures = {name: plots.png(figure) for name, figure in figures.items()}
    tracker.log_evaluation(found, pictures)
    onnx = export.to_onnx(model, contract)
    parity = export.parity(model, onnx, features, contract=contract, threshold=trained.threshold)
    latency = export.single_row_p99_ms(onnx, features, contract=contract)
    uri = tracker.log_model(
        export.for_tables(onnx, contract, problem.target.class_names), features.head(5), probability[:5]
    )
    effects = {name: item.effect for name, item in importance.items()}
    profile = fit_profile(development, problem, out_of_fold=out_of_fold, effects=effects, threshold=trained.threshold)
    current, seen, window = newest_window(holdout, problem)
    analysis, drift_pages = check_drift(
        current, problem, profile=profile, scorer=Scorer(onnx, contract), threshold=trained.threshold, seen=seen,
        window=window,
    )  # fmt: skip
    tracker.log_drift(analysis, drift_pages.interactive)
    checks = [
        *contract_checks(violations, rows=len(frame)),
        *gate.leakage_checks(leaks, problem),
        *gate.performance_checks(found, problem),
        gate.champion_check(found, problem),
        gate.slice_check(found, problem),
        *gate.calibration_checks(found, problem),
        *gate.parity_checks(parity, problem),
        gate.latency_check(latency, problem),
        *analysis.checks(problem),
    ]
    verdict = Verdict(problem=problem.name, checks=tuple(checks))
    tracker.log_verdict(verdict, page.verdict_page(verdict, evaluation=found, plots=pictures))
    number = tracker.register(problem, uri, tags={"verdict": verdict.outcome})
    card = make_card(
        problem,
        number=number,
        trained=trained,
        evaluation=found,
        verdict=verdict,
        version=version,
        development=development,
        mlflow_run=run.info.run_id,
        zenml_run="none",
    )
    rows = rows_of(holdout.head(GOLDEN_ROWS), contract)
    folder = workspace.releases / problem.name / number
    release = write_release(
        folder,
        model=onnx,
        contract=contract,
        card=card,
        ranges=ranges_of(development, contract),
        rows=rows,
        profile=profile.model_dump_json().encode(),
        sbom=make_sbom(card, model=onnx, requirements=RUNTIME),
    )
    tracker.keep_release(release)
    build_bento(release, workspace=workspace)
    registry.set_alias(problem.name, registry.CANDIDATE, number, workspace=workspace)

"""The deployment pipeline: prove a release on staging and decide. Production changes later, with a person's approval."""

from zenml import pipeline
from zenml.enums import ExecutionMode

from driftgate.config import Problem
from steps.deploy import check_newest_data, decide_deployment, prepare_release, prove_on_staging
from steps.enforce import enforce


@pipeline(name="deployment", enable_cache=False, execution_mode=ExecutionMode.FAIL_FAST)
def deployment(problem: Problem, model: str) -> None:
    """Prove a version on staging, compare the newest data with its reference, and decide."""
    release, bento = prepare_release(problem, model)
    proof = prove_on_staging(release, bento, problem, model)
    contract, analysis, _, _ = check_newest_data(problem, model, after=[proof])
    verdict, _ = decide_deployment(proof, contract, analysis, problem, model)
    enforce(verdict, id="enforce_verdict")

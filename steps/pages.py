"""Pages as artifacts: those that ZenML's dashboard shows, and those that it can't."""

from typing import Any

from zenml import get_step_context
from zenml.enums import VisualizationType
from zenml.materializers.structured_string_materializer import StructuredStringMaterializer
from zenml.types import HTMLString

from driftgate.evidence.tracking import DRIFT_PAGE, Tracker


class InteractivePage(HTMLString):
    """A page that needs scripts: kept in the artifact store, without a preview, since ZenML's preview runs no scripts."""


class InteractivePageMaterializer(StructuredStringMaterializer):
    """Stores an interactive page as an HTML file."""

    ASSOCIATED_TYPES = (InteractivePage,)  # type: ignore[assignment]

    def save_visualizations(self, data: Any) -> dict[str, VisualizationType]:
        """None: the preview would be blank."""
        return {}


def kept_page(tracker: Tracker, *, report: bool = True) -> str:
    """Where the interactive page of the running step is kept, in words.

    Args:
        tracker: Of the MLflow run that gets the page.
        report: Whether the machine that started the run writes it to its workspace too.
    """
    place = f"The interactive page with all columns is the artifact {DRIFT_PAGE} of MLflow run {tracker.run_id}"
    run = get_step_context().pipeline_run.name
    return f"{place}, and reports/{run}.html in the workspace that started the run." if report else f"{place}."

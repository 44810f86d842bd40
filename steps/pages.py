"""Interactive pages as artifacts. ZenML's dashboard can't preview them."""

from typing import Any

from zenml import get_step_context
from zenml.enums import VisualizationType
from zenml.materializers.structured_string_materializer import StructuredStringMaterializer
from zenml.types import HTMLString

from driftgate.evidence.tracking import DRIFT_PAGE, Tracker


class InteractivePage(HTMLString):
    """A page that needs scripts. It is stored without a preview, because ZenML's preview runs no scripts."""


class InteractivePageMaterializer(StructuredStringMaterializer):
    """Stores an interactive page as an HTML file."""

    ASSOCIATED_TYPES = (InteractivePage,)  # type: ignore[assignment]

    def save_visualizations(self, data: Any) -> dict[str, VisualizationType]:
        """Save no preview: it would be blank."""
        return {}


def page_location(tracker: Tracker, *, report: bool = True) -> str:
    """Describe where the interactive page of the running step is stored.

    Args:
        tracker: Tracker of the MLflow run that receives the page.
        report: Whether the machine that started the run also writes the page to its workspace.
    """
    place = f"The interactive page with all columns is the artifact {DRIFT_PAGE} of MLflow run {tracker.run_id}"
    run = get_step_context().pipeline_run.name
    return f"{place}, and reports/{run}.html in the workspace that started the run." if report else f"{place}."

"""Print who approved a run, and why, as lines for GITHUB_OUTPUT.

    gh api "repos/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID/approvals" > approvals.json
    python .github/approval.py approvals.json

If the environment is missing, GitHub creates it without reviewers and needs no approval. This script fails if nobody
approved, so production changes only with a person's approval.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ENVIRONMENT = "production"


def last_approval(approvals: list[dict[str, Any]]) -> dict[str, str] | None:
    """Return the newest approval of the environment as `who` and `reason`, one line each; None if nobody approved."""
    reviews = [review for review in approvals if any(env["name"] == ENVIRONMENT for env in review["environments"])]
    if not reviews or reviews[0]["state"] != "approved":  # the newest comes first
        return None
    who, comment = reviews[0]["user"]["login"], " ".join((reviews[0].get("comment") or "").split())
    return {"who": who, "reason": comment or f"approved by {who} without a comment"}


if __name__ == "__main__":
    approval = last_approval(json.loads(Path(sys.argv[1]).read_text()))
    if approval is None:
        sys.exit(
            f"error: Nobody approved this run. Add required reviewers to the environment `{ENVIRONMENT}`: see docs/how-to/set-up-ci.md."
        )
    print("\n".join(f"{key}={value}" for key, value in approval.items()))

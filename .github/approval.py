"""Print who approved a run, and why, as lines for GITHUB_OUTPUT.

    gh api "repos/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID/approvals" > approvals.json
    python .github/approval.py approvals.json

GitHub creates a missing environment without reviewers, and then asks nobody. So this script fails if nobody approved:
production changes only with the approval of a person.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ENVIRONMENT = "production"


def last_approval(approvals: list[dict[str, Any]]) -> dict[str, str] | None:
    """Return the newest approval of the environment as `who` and `reason`, one line each; None if there is none."""
    ours = [one for one in approvals if any(found["name"] == ENVIRONMENT for found in one["environments"])]
    if not ours or ours[0]["state"] != "approved":  # the newest comes first
        return None
    who, comment = ours[0]["user"]["login"], " ".join((ours[0].get("comment") or "").split())
    return {"who": who, "reason": comment or f"approved by {who} without a comment"}


if __name__ == "__main__":
    found = last_approval(json.loads(Path(sys.argv[1]).read_text()))
    if found is None:
        sys.exit(
            f"error: Nobody approved this run. Add required reviewers to the environment `{ENVIRONMENT}`: see docs/how-to/set-up-ci.md."
        )
    print("\n".join(f"{key}={value}" for key, value in found.items()))

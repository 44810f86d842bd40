"""Who approved a run, and why, as lines for GITHUB_OUTPUT.

    gh api "repos/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID/approvals" > approvals.json
    python .github/approval.py approvals.json

GitHub makes an environment that does not exist, and without reviewers nobody is asked. So a run that nobody approved ends
here: production moves by a person's approval, or not at all.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ENVIRONMENT = "production"


def last_approval(told: list[dict[str, Any]]) -> dict[str, str] | None:
    """The newest approval of the environment as `who` and `reason`, each one line; None where there is none."""
    ours = [one for one in told if any(found["name"] == ENVIRONMENT for found in one["environments"])]
    if not ours or ours[0]["state"] != "approved":  # the newest comes first
        return None
    who, comment = ours[0]["user"]["login"], " ".join((ours[0].get("comment") or "").split())
    return {"who": who, "reason": comment or f"approved by {who} without a comment"}


if __name__ == "__main__":
    found = last_approval(json.loads(Path(sys.argv[1]).read_text()))
    if found is None:
        sys.exit(f"error: Nobody approved. Protect the environment `{ENVIRONMENT}` by required reviewers: docs/ci.md.")
    print("\n".join(f"{key}={value}" for key, value in found.items()))

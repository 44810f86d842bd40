"""ZenML steps. Each calls functions of `driftgate` and names their results as artifacts."""

import logging

log = logging.getLogger("driftgate.step")


def announce(name: str, what: object) -> None:
    """Log which step begins, and its input."""
    log.info("%-9s %s", name, what)

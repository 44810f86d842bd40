"""ZenML steps: each calls the domain and names its artifacts."""

import logging

log = logging.getLogger("driftgate.step")


def announce(name: str, what: object) -> None:
    """Tell the person who watches which step begins, and on what."""
    log.info("%-9s %s", name, what)

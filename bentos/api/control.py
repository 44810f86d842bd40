"""Protect the control socket of BentoML's process manager from other users of the machine.

`bentoml serve` starts its workers with circus. circus accepts commands on a socket without authentication. A process
that can connect can read the workers' environment, which contains the token, and run programs as the service's user.
BentoML opens this socket on a port of 127.0.0.1, to which every user of the machine can connect. No setting changes
that.
"""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

LONGEST_FOLDER = 60  # bytes; the path of a socket, with its folder and name, can have about 100


def keep_control_private() -> None:
    """Make BentoML's process manager listen only inside its own process. Call this before BentoML starts it.

    Only `--reload`, which uses a plugin, needs a socket in the file system. It is in a new folder with mode 0700.
    """
    from bentoml._internal.utils.circus import Arbiter

    made = Arbiter.__init__
    if getattr(made, "private", False):
        return

    @functools.wraps(made)
    def make(self: Any, watchers: Any, endpoint: str, pubsub_endpoint: str, **settings: Any) -> None:
        where = _folder() if settings.get("plugins") else None
        endpoint, pubsub_endpoint = (
            f"ipc://{where / name}" if where else f"inproc://{name}-{id(self)}" for name in ("control", "events")
        )
        made(self, watchers, endpoint=endpoint, pubsub_endpoint=pubsub_endpoint, **settings)
        if where:
            self.exit_stack.callback(shutil.rmtree, where, ignore_errors=True)

    make.private = True  # type: ignore[attr-defined]
    Arbiter.__init__ = make  # type: ignore[method-assign]


def _folder() -> Path:
    """Create a folder that only this user can open, with a path that is short enough for a socket."""
    short = len(tempfile.gettempdir().encode()) <= LONGEST_FOLDER
    return Path(tempfile.mkdtemp(prefix="driftgate-", dir=None if short else "/tmp"))  # noqa: S108

"""The control socket of BentoML's process manager, out of other users' reach.

`bentoml serve` starts its workers by circus. circus takes commands on a socket and asks for no secret: whoever can connect
reads the workers' environment, with the token in it, and runs programs as the service's user. BentoML opens that socket on
a port of 127.0.0.1, which every user of the machine can connect to, and has no setting for it.
"""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

LONGEST_FOLDER = 60  # bytes: the path of a socket may have about 100, its own folder and name included


def keep_control_private() -> None:
    """Have BentoML's process manager listen inside its own process alone; must run before BentoML starts it.

    Only a plugin, which `--reload` has, needs a socket in the file system. It then lies in a new folder of mode 0700.
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
    """A new folder of this user alone, with a path that is short enough for a socket."""
    short = len(tempfile.gettempdir().encode()) <= LONGEST_FOLDER
    return Path(tempfile.mkdtemp(prefix="driftgate-", dir=None if short else "/tmp"))  # noqa: S108

"""The control socket of BentoML's process manager: inside the process, or in a folder of its user alone."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from driftgate.workspace import PROJECT

MAKE = textwrap.dedent("""
    import os, sys
    from bentos.api.control import keep_control_private
    keep_control_private()
    keep_control_private()
    from bentoml._internal.utils.circus import create_standalone_arbiter
    from bentoml.serving import make_reload_plugin
    plugins = [make_reload_plugin(".", ".")] if "reload" in sys.argv else []
    arbiter = create_standalone_arbiter([], plugins=plugins)
    arbiter.initialize()
    arbiter.ctrl.initialize()
    for address in (arbiter.endpoint, arbiter.pubsub_endpoint):
        scheme, _, path = address.partition("://")
        folder = os.path.dirname(path)
        print(scheme, os.path.exists(path), oct(os.stat(folder).st_mode & 0o777) if folder else "none", path)
    with arbiter.exit_stack:
        pass
    print(os.path.exists(folder))
""")


def made(*arguments: str, temporary: Path | str) -> list[list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", MAKE, *arguments], capture_output=True, text=True, cwd=PROJECT, timeout=120,
        env={**os.environ, "TMPDIR": str(temporary)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def test_there_is_no_socket_that_another_process_can_reach(tmp_path: Path) -> None:
    control, events, _ = made(temporary=tmp_path)
    assert (control[0], events[0]) == ("inproc", "inproc")
    assert control[3] != events[3]


@pytest.mark.parametrize("deep", [False, True], ids=["short", "path too long for a socket"])
def test_with_reload_the_socket_lies_in_a_folder_of_mode_0700_that_goes_again(deep: bool, tmp_path: Path) -> None:
    temporary = tmp_path / ("x" * 100) if deep else Path("/tmp")  # noqa: S108
    temporary.mkdir(exist_ok=True)
    control, events, left = made("reload", temporary=temporary)
    assert [found[:3] for found in (control, events)] == [["ipc", "True", "0o700"]] * 2
    assert left == ["False"]

"""Run a page's shell blocks in order in one shell, as a reader types them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from bentos.server import free_port
from driftgate.workspace import PROJECT
from tests.docs.markdown import Block, statements

DONE = 42  # what a page ends with that came to its end, and not by an exit of its own
# Addresses and folders of the reader's machine, and what stands for them here.
PORT, LOG, SHARE = "127.0.0.1:3000", "/srv/predictions", "/mnt/"
FOREIGN = ("ZENML_", "MLFLOW_", "BENTOML_", "DRIFTGATE_", "PYTEST_", "COV_", "VIRTUAL_ENV", "UV_")
PRELUDE = """
set -o pipefail
servers=()
expect() {  # got, wanted, where
    [ "$1" -eq "$2" ] || { echo "$3: ended with $1 instead of $2" >&2; exit 9; }
}
answering() {  # where: the last server listens
    for _ in $(seq 240); do
        (: < /dev/tcp/127.0.0.1/$BENTOML_PORT) 2>/dev/null && return
        kill -0 $! 2>/dev/null || break
        sleep 0.5
    done
    echo "$1: no server answers" >&2; exit 9
}
"""


class PageError(AssertionError):
    """A command of a page did something else than the page says."""


def clone(folder: Path) -> Path:
    """A fresh checkout of the project, including uncommitted changes."""
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(PROJECT), str(folder)], check=True)
    listed = ["git", "ls-files", "--modified", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.splitlines():
        if (PROJECT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
    return folder


def run_page(blocks: list[Block], *, cwd: Path, scratch: Path, timeout: float) -> None:
    """Run the blocks of a page, and compare their output with the page.

    Raises:
        PageError: If a command ends otherwise than the page says, prints something else, or takes too long.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    port = free_port()
    script, log = scratch / "page.sh", scratch / "page.log"
    here = {PORT: f"127.0.0.1:{port}", LOG: f"{cwd}/var/predictions", SHARE: f"{scratch}/"}
    text = _script(blocks, scratch)
    for theirs, ours in here.items():
        text = text.replace(theirs, ours)
    script.write_text(text)
    with log.open("wb") as output:
        shell = subprocess.Popen(
            ["bash", str(script)], cwd=cwd, env=_environment(port), stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            code: int | str = shell.wait(timeout)
        except subprocess.TimeoutExpired:
            code = f"none within {timeout:.0f} s"
        finally:
            _stop(shell)
    if code != DONE:
        raise PageError(f"exit code {code}\n{log.read_text()[-4000:]}")
    for number, block in enumerate(blocks):
        if block.output_of is not None:
            printed = scratch / (f"{number}.out" if block.output_of else f"{number - 1}.out")
            if not same_output(block, printed.read_text()):
                raise PageError(f"{block.where} says\n{block.text}\nbut this was printed\n{printed.read_text()}")


def same_output(block: Block, printed: str) -> bool:
    """Whether a block of output equals the printed text."""
    said, got = block.text, printed
    if block.language == "json":
        said, got = re.sub(r"\s", "", said), re.sub(r"\s", "", got)
    pattern = ".*?".join(re.escape(part) for part in said.strip().split("…"))
    return re.fullmatch(pattern, got.strip(), re.DOTALL) is not None


def _script(blocks: list[Block], scratch: Path) -> str:
    parts = [PRELUDE]
    for number, block in enumerate(blocks):
        if block.output_of:
            parts.append(_captured([block.output_of], block, scratch / f"{number}.out"))
        elif block.is_shell and block.reason is None:
            for command in block.before:
                parts.append(f"{command}\n{_expect(0, block, command)}")
            parts.append(_captured(statements(block.text), block, scratch / f"{number}.out"))
    return "\n".join([*parts, 'kill "${servers[@]}" 2>/dev/null; wait', f"exit {DONE}\n"])


def _captured(commands: list[str], block: Block, out: Path) -> str:
    """Put commands into braces, so that exported variables stay. The output goes to a file and to the log."""
    lines = []
    for command in commands:
        wanted = next((code for code, text in block.ends if text in command), 0)
        if "background" in block.how and command == commands[-1]:
            lines += [re.sub(r"\s+#.*$", "", command) + " &", "servers+=($!)", f"answering {block.where}"]
        else:
            lines += [command, _expect(wanted, block, command)]
    return "\n".join(["{", *lines, f"}} > {shlex.quote(str(out))}", f"cat {shlex.quote(str(out))}"])


def _expect(code: int, block: Block, command: str) -> str:
    return f"expect $? {code} {shlex.quote(f'{block.where}: {command}')}"


def _environment(port: int) -> dict[str, str]:
    """An environment with the current venv, the real `uv`, a `pip` that installs nothing, and no settings of this machine."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    return kept | {
        "PATH": f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}",
        "UV_PROJECT_ENVIRONMENT": sys.prefix,
        "UV_NO_SYNC": "1",
        "UV_OFFLINE": "1",
        "PIP_DRY_RUN": "1",
        "BENTOML_PORT": str(port),
        **{f"GIT_{who}_{what}": "reader@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }


def _stop(shell: subprocess.Popen[bytes]) -> None:
    """End the shell and the processes that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(shell.pid, number)
            shell.wait(15)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue

"""The time that a command spends in imports, ZenML's set-up, each step and worker processes.

    uv run python benchmarks/profile.py [--json] -- drift --since 2013-07-01 --until 2013-07-08
    uv run python benchmarks/profile.py -- --config configs/rules.yaml

Runs `run.py` once with the arguments after `--`, in the workspace of DRIFTGATE_HOME. A stage is the time between two progress
lines. Its CPU time includes all child processes, which are also listed separately. Python measures the import times; the time
of a module doesn't include the modules that it imports. No result is stored.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "profile":  # `import cProfile` in a script beside this one means the standard library's module
    import sysconfig

    standard = Path(sysconfig.get_path("stdlib")) / "profile.py"
    exec(compile(standard.read_text(), str(standard), "exec"))  # noqa: S102

PROGRESS = re.compile(r"^ *[\d.]+ s  (?P<step>\S*)")
IMPORT = re.compile(r"^import time: +(?P<own>\d+) \| +\d+ \| +(?P<module>\S+)")
PACKAGES = 12


def measure(arguments: list[str]) -> dict[str, Any]:
    """Run the command. Returns the time of each stage and of each package."""
    import psutil

    from driftgate.workspace import Workspace

    logs = Workspace.current().logs
    known = set(logs.glob("*.log"))
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", str(ROOT / "run.py"), *arguments],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr
    root, said = psutil.Process(process.pid), []
    marks = [("start", started, 0.0, 0.0)]
    for line in process.stderr:
        said.append(line)
        match = PROGRESS.match(line)
        if not match:
            continue
        # The first line comes from the command itself; those without a step belong to the step before.
        name = match["step"] or ("set-up" if len(marks) == 1 else "")
        if name:
            marks.append((name, time.monotonic(), *_cpu(root)))
    code = process.wait()
    ended = time.monotonic()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    marks.append(("end", ended, used.ru_utime + used.ru_stime, marks[-1][3]))
    texts = ["".join(said), *(path.read_text() for path in set(logs.glob("*.log")) - known)]
    return {
        "command": " ".join(["run.py", *arguments]),
        "exit code": code,
        "seconds": round(ended - started, 1),
        "cpu": round(marks[-1][2], 1),
        "stages": [_stage(one, following) for one, following in pairwise(marks)],
        "imports": packages(texts),
    }


def _cpu(root: Any) -> tuple[float, float]:
    """CPU seconds of a process with its child processes, and of the child processes only."""
    own = root.cpu_times()
    others = own.children_user + own.children_system
    for child in root.children(recursive=True):
        try:
            times = child.cpu_times()
        except Exception:  # noqa: S112  # it has just ended
            continue
        others += times.user + times.system + times.children_user + times.children_system
    return own.user + own.system + others, others


def _stage(one: tuple[str, float, float, float], following: tuple[str, float, float, float]) -> dict[str, Any]:
    return {
        "stage": one[0],
        "seconds": round(following[1] - one[1], 2),
        "cpu": round(max(0.0, following[2] - one[2]), 2),
        "cpu of other processes": round(max(0.0, following[3] - one[3]), 2),
    }


def packages(texts: list[str]) -> dict[str, float]:
    """The import time of each package without its own imports, the longest first."""
    own: Counter[str] = Counter()
    for text in texts:
        for line in text.splitlines():
            match = IMPORT.match(line)
            if match:
                own[match["module"].split(".", 1)[0]] += int(match["own"])
    found = {name: round(micro / 1e6, 2) for name, micro in own.most_common(PACKAGES)}
    return {**found, "all others": round(sum(own.values()) / 1e6 - sum(found.values()), 2)}


def table(result: dict[str, Any]) -> str:
    """The results as a table for the terminal."""
    lines = [
        f"{result['command']}: {result['seconds']} s, {result['cpu']} s of CPU, exit code {result['exit code']}",
        "",
    ]
    lines.append(f"{'stage':<14}{'seconds':>9}{'CPU':>9}{'of it other processes':>24}")
    lines += [
        f"{one['stage']:<14}{one['seconds']:>9.1f}{one['cpu']:>9.1f}{one['cpu of other processes']:>24.1f}"
        for one in result["stages"]
    ]
    lines += ["", f"{'imports of':<14}{'seconds':>9}"]
    lines += [f"{name:<14}{seconds:>9.2f}" for name, seconds in result["imports"].items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", dest="as_json")
    parser.add_argument("words", nargs="*", help="The arguments of run.py.")
    arguments = parser.parse_args()
    result = measure(arguments.words)
    print(json.dumps(result, indent=1) if arguments.as_json else table(result))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()

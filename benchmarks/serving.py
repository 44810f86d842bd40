"""Our service compared with others that serve the same model: requests per second, latency, memory, start time.

    python benchmarks/serving.py          # everything, 8 to 15 minutes; needs wrk (apt-get install wrk)
    python benchmarks/serving.py --quick  # one round of two seconds each

Needs the candidate of a main job (`python run.py`). Every server has one worker. wrk runs on the same machine and measures the
servers in rounds, each in random order. Results go to benchmarks/results/serving.json.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.record import save
from bentos.build import build_bento, service_environment
from bentos.server import free_port
from driftgate.config import load_problem
from driftgate.data.present import ensure_data
from driftgate.data.table import read_rows, rows_of
from driftgate.evidence import registry
from driftgate.production.release import Release
from driftgate.training import tuning
from driftgate.training.splitting import split
from driftgate.workspace import PROJECT, Workspace

CONNECTIONS = (1, 16, 64)
TOKEN = "a-token-for-the-benchmark"  # noqa: S105
READY_SECONDS = 120


@dataclass(frozen=True)
class Server:
    """A running server: its address, and the body of a request for one row."""

    name: str
    url: str
    body: str
    process: subprocess.Popen[bytes]

    def resident(self) -> float:
        """The memory of its worker, the largest of its processes, in megabytes."""
        family = [psutil.Process(self.process.pid)]
        family += family[0].children(recursive=True)
        return max(process.memory_info().rss for process in family) / 2**20


@contextmanager
def running(name: str, command: list[str], *, ready: str, environment: dict[str, str], log: Path) -> Iterator[Any]:
    """Start a command, and wait until its health route answers. Yields the process and the seconds until then."""
    started = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **environment}, cwd=PROJECT
        )
    try:
        while True:
            try:
                with urllib.request.urlopen(ready, timeout=2):
                    break
            except OSError:
                if process.poll() is not None or time.monotonic() - started > READY_SECONDS:
                    sys.exit(f"{name} did not start; see {log}")
                time.sleep(0.05)
        yield process, time.monotonic() - started
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.terminate()
        process.terminate()
        process.wait(20)


def commands(release: Release, model: Path, bento: Path, workspace: Workspace, log: Path) -> dict[str, Any]:
    """How to start each server: its command, environment, path, request body and health route."""
    row = rows_of_release(release)[0]
    ours = {"DRIFTGATE_TOKEN": TOKEN, "DRIFTGATE_LOG": str(log), **service_environment(workspace)}
    peers = {"SERVING_RELEASE": str(release.folder), "SERVING_MODEL": str(model), "OMP_NUM_THREADS": "1"}
    uvicorn = [sys.executable, "-m", "uvicorn", "--factory", "--no-access-log", "--port"]
    version = f"models:/{release.card.name}/{release.card.version}"
    split_form = {"dataframe_split": {"columns": list(row), "data": [list(row.values())]}}
    return {
        "driftgate": ([sys.executable, "-m", "bentoml", "serve", str(bento), "--port"], ours, "/predict", row, "/readyz"),
        "bare FastAPI + ONNX": ([*uvicorn[:3], "benchmarks.servers:bare", *uvicorn[3:]], peers, "/predict", row, "/openapi.json"),
        "tutorial": ([*uvicorn[:3], "benchmarks.servers:tutorial", *uvicorn[3:]], peers, "/predict", row, "/openapi.json"),
        "mlflow models serve": (
            [str(Path(sys.executable).parent / "mlflow"), "models", "serve", "-m", version, "--env-manager", "local", "--port"],
            {"MLFLOW_TRACKING_URI": workspace.mlflow_uri, "MLFLOW_MODELS_WORKERS": "1"}, "/invocations", split_form, "/ping",
        ),
    }  # fmt: skip


def rows_of_release(release: Release) -> list[dict[str, Any]]:
    """The rows of the release's golden predictions."""
    return release.golden.rows


def wrk(server: Server, *, connections: int, seconds: int, folder: Path) -> dict[str, float]:
    """Send requests with wrk. Returns requests per second and latencies in milliseconds."""
    script = folder / "post.lua"
    headers = f'wrk.headers["Content-Type"]="application/json"\nwrk.headers["Authorization"]="Bearer {TOKEN}"\n'
    script.write_text(f'wrk.method="POST"\n{headers}wrk.body=[==[{server.body}]==]\n')
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "20s", "-s", str(script), server.url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    if "Non-2xx" in done.stdout or "Requests/sec" not in done.stdout:
        sys.exit(f"{server.name}: {done.stdout}")
    found = {"rps": float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])}  # type: ignore[index]
    for share in ("50", "99"):
        value, unit = re.search(rf"{share}%\s+([\d.]+)(us|ms|s)", done.stdout).groups()  # type: ignore[union-attr]
        found[f"p{share}_ms"] = float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
    return found


def throughput(servers: list[Server], *, rounds: int, seconds: int, folder: Path) -> dict[str, Any]:
    """Measure each server at each number of connections. Returns medians over the rounds, and each round's ratio to ours."""
    results: dict[str, dict[str, list[dict[str, float]]]] = {}
    for server in servers:
        wrk(server, connections=4, seconds=2, folder=folder)  # warm-up
    for number in range(rounds):
        for connections in CONNECTIONS:
            for server in random.Random(number).sample(servers, len(servers)):
                found = wrk(server, connections=connections, seconds=seconds, folder=folder)
                results.setdefault(str(connections), {}).setdefault(server.name, []).append(found)
        print(f"  round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    summary: dict[str, Any] = {}
    for connections_text, by_server in results.items():
        ours = by_server["driftgate"]
        summary[connections_text] = {
            name: {
                **{key: round(statistics.median(one[key] for one in found), 3) for key in found[0]},
                "ours / its rps": _spread([a["rps"] / b["rps"] for a, b in zip(ours, found, strict=True)]),
                "its p99 / ours": _spread([b["p99_ms"] / a["p99_ms"] for a, b in zip(ours, found, strict=True)]),
            }
            for name, found in by_server.items()
        }
    return summary


def _spread(ratios: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(ratios), 2),
        "least": round(min(ratios), 2),
        "most": round(max(ratios), 2),
    }


def _post(url: str, body: Any) -> float:
    """Send one request, and return its seconds."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    started = time.perf_counter()
    with urllib.request.urlopen(request, timeout=300) as answer:
        json.load(answer)
    return time.perf_counter() - started


def thousand_rows(ours: Server, tutorial: Server, rows: list[dict[str, Any]], *, repeats: int) -> dict[str, Any]:
    """Time 1,000 rows in one request, with our service and with the tutorial service."""
    body = {"instances": [rows[number % len(rows)] for number in range(1000)]}
    mine, theirs = [], []
    _post(f"{ours.url}/batch", body)
    for _ in range(repeats):
        theirs.append(_post(f"{tutorial.url}/batch", body))
        mine.append(min(_post(f"{ours.url}/batch", body) for _ in range(3)))
    ratios = [b / a for a, b in zip(mine, theirs, strict=True)]
    return {"ours_seconds": round(statistics.median(mine), 4), "tutorial_seconds": round(statistics.median(theirs), 2), "ratio": _spread(ratios)}  # fmt: skip


def memory(server: Server, *, requests: int, folder: Path) -> dict[str, Any]:
    """Measure the memory of our worker under load. The first tenth of the requests warms it up."""
    steps, at, answered = [], 0, 0.0
    while answered < requests:
        found = wrk(server, connections=16, seconds=5, folder=folder)
        answered += found["rps"] * 5
        if answered >= requests / 10 * at:
            steps.append({"requests": round(answered), "mb": round(server.resident(), 1)})
            at += 1
    warm = next(step for step in steps if step["requests"] >= requests / 10)
    return {"steps": steps, "last / warm": round(steps[-1]["mb"] / warm["mb"], 3)}


def starts(how: dict[str, Any], *, repeats: int, log: Path, workspace: Workspace) -> dict[str, Any]:
    """Measure the seconds until our service and an empty BentoML service are ready, alternately."""
    command, environment, *_ = how["driftgate"]
    empty = [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        "benchmarks.empty_service:Empty",
        "--host",
        "127.0.0.1",
        "--port",
    ]
    took: dict[str, list[float]] = {"driftgate": [], "empty BentoML service": []}
    for _ in range(repeats):
        for name, words in (("driftgate", command), ("empty BentoML service", empty)):
            port = free_port()
            settings = environment if name == "driftgate" else service_environment(workspace)
            with running(name, [*words, str(port)], ready=f"http://127.0.0.1:{port}/readyz", environment=settings, log=log) as (_, seconds):  # fmt: skip
                took[name].append(seconds)
    ratios = [a / b for a, b in zip(took["driftgate"], took["empty BentoML service"], strict=True)]
    return {**{name: round(statistics.median(found), 2) for name, found in took.items()}, "ratio": _spread(ratios)}


def same_model(release: Release, folder: Path) -> Path:
    """Train the release's model again with scikit-learn: same family, settings, calibration and rows."""
    problem = load_problem(PROJECT / "configs" / f"{release.card.name}.yaml")
    as_of = problem.data.as_of if problem.data.timestamp else None
    frame, version = read_rows(problem, md5=ensure_data(problem, workspace=Workspace.current()), as_of=as_of)
    development, _ = split(frame, problem, as_of=version.as_of)
    card = release.card
    average = tuple(tuning.Member.model_validate(member) for member in card.members)
    tuned = tuning.Tuned(
        family=card.family, settings=card.settings, average=average, metric="roc_auc", score=0.0, trials=(),
        cross_validation=(), cut=(),
    )  # fmt: skip
    calibration = problem.calibration.model_copy(update={"method": card.calibration or "none"})
    problem = problem.model_copy(update={"calibration": calibration})
    model, _, _ = tuning.train(development, problem, tuned=tuned)
    path = folder / "model.pickle"
    path.write_bytes(pickle.dumps(model))
    rows_of(development.head(1), problem.contract)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", default="flights")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=["throughput", "memory", "starts", "thousand"])
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed. Install it: apt-get install wrk")
    workspace = Workspace.current()
    workspace.set_environment()
    version = registry.resolve_version(arguments.problem, None, workspace=workspace)
    release = registry.release_of(arguments.problem, version, workspace=workspace)
    rounds, seconds = (1, 2) if arguments.quick else (5, 5)
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        bento = workspace.bentoml / "bentos" / arguments.problem / version
        bento = bento if bento.exists() else build_bento(release, workspace=workspace)
        how = commands(release, same_model(release, folder), bento, workspace, folder / "log")
        log = workspace.logs / "benchmark-serving.log"
        servers = {}
        wanted = how if arguments.only in (None, "throughput") else {"driftgate": how["driftgate"], "tutorial": how["tutorial"]}  # fmt: skip
        for name, (command, environment, path, body, ready) in wanted.items():
            port = free_port()
            started = running(name, [*command, str(port)], ready=f"http://127.0.0.1:{port}{ready}", environment=environment, log=log)  # fmt: skip
            process, _ = stack.enter_context(started)
            servers[name] = Server(name, f"http://127.0.0.1:{port}{path}", json.dumps(body), process)
        if arguments.only in (None, "throughput"):
            result["throughput"] = throughput(list(servers.values()), rounds=rounds, seconds=seconds, folder=folder)
        if arguments.only in (None, "thousand"):
            rows = rows_of_release(release)
            result["1,000 rows"] = thousand_rows(servers["driftgate"], servers["tutorial"], rows, repeats=rounds)
        if arguments.only in (None, "memory"):
            requests = 20_000 if arguments.quick else 200_000
            result["memory"] = memory(servers["driftgate"], requests=requests, folder=folder)
        stack.close()
        if arguments.only in (None, "starts"):
            result["start"] = starts(how, repeats=2 if arguments.quick else 5, log=log, workspace=workspace)
    if not arguments.quick and not arguments.only:
        save("serving", result)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

"""The time of each part of one request inside the application. Each part is timed separately; the medians are shown.

    python benchmarks/serving_profile.py [--problem flights]

Needs the candidate of a main job. The HTTP server (uvicorn) takes the rest of a request's time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pydantic_core import to_json

from bentos.api.application import Service
from bentos.api.bodies import parse
from bentos.api.settings import Settings
from driftgate.evidence import registry
from driftgate.production.prediction_log import PREDICTIONS
from driftgate.workspace import Workspace

CALLS, REPEATS = 2000, 7
REQUEST = "0190f3c1a2b-0123456789abcdef"


def microseconds(part: Callable[[], Any]) -> float:
    """The mean time of a call, as the median of several repeats."""
    found = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        for _ in range(CALLS):
            part()
        found.append((time.perf_counter() - started) / CALLS * 1e6)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", default="flights")
    arguments = parser.parse_args()
    workspace = Workspace.current()
    workspace.set_environment()
    version = registry.resolve_version(arguments.problem, None, workspace=workspace)
    release = registry.release_of(arguments.problem, version, workspace=workspace)
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Settings(token=None, log=Path(folder), channel=None, release=release.folder))
        answering = service._now()
        body = json.dumps(release.golden.rows[0]).encode()
        row = parse(body, answering.row)
        columns = {name: [value] for name, value in row.model_dump().items()}
        answers, line = answering.answer([row], request=REQUEST, arm="champion")
        scope = {
            "type": "http", "path": "/predict", "method": "POST", "headers": [(b"content-type", b"application/json")],
            "server": ("127.0.0.1", 1),
        }  # fmt: skip

        async def receive() -> Any:
            return {"type": "http.request", "body": body}

        async def send(_: Any) -> None:
            pass

        async def whole(calls: int) -> float:
            started = time.perf_counter()
            for _ in range(calls):
                await service.respond(scope, receive, send)
            return (time.perf_counter() - started) / calls * 1e6

        parts = {
            "read and check the JSON": microseconds(lambda: parse(body, answering.row)),
            "ONNX model": microseconds(lambda: answering._scorer.probability(columns)),
            "warnings, id, line for the log": microseconds(
                lambda: answering.answer([row], request=REQUEST, arm="champion")
            ),
            "write the log, with its metrics": microseconds(lambda: service._keep(PREDICTIONS, line)),
            "count": microseconds(lambda: service._count(answering.classes, answers)),
            "write the answer": microseconds(lambda: to_json(answers[0])),
        }
        parts["warnings, id, line for the log"] -= parts["ONNX model"]
        total = statistics.median(asyncio.run(whole(CALLS)) for _ in range(REPEATS))
        service.close()
    parts["headers, token, routing, latency metric"] = total - sum(parts.values())
    for name, value in parts.items():
        print(f"{name:<42} {value:7.1f} µs  {value / total:5.1%}")
    print(f"{'the whole application':<42} {total:7.1f} µs")


if __name__ == "__main__":
    main()

"""Fits in parallel processes with one thread each.

The threads of one fit wait for each other at every step of a tree, so one other busy process makes the fit several times
slower. A fit on one thread doesn't wait, and adds numbers in a fixed order. So the number of processes changes the training
time, but no byte of the model.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from driftgate.errors import DriftgateError

SETTING = "DRIFTGATE_PROCESSES"
# Rows × columns × fits below which starting workers (each imports pandas and scikit-learn) costs more than it saves.
SMALL = 5_000_000
IDLE_SECONDS = 60
WATCH_SECONDS = 0.5
_ready_until = 0.0  # monotonic time until which the workers of the last call still run
KILLED = (
    "A worker process of the training was killed, most often because the memory was full.",
    f"Set {SETTING}=1 to train in one process, or give the machine more memory.",
)


def processes() -> int:
    """How many fits may run at once: `DRIFTGATE_PROCESSES`, else the CPUs that this process may use.

    Affinity masks and the CPU quotas of containers count.

    Raises:
        DriftgateError: If the setting is not a whole number above 0.
    """
    given = os.environ.get(SETTING)
    if not given:
        import joblib

        return int(joblib.cpu_count())
    try:
        number = int(given)
    except ValueError:
        number = 0
    if number < 1:
        raise DriftgateError(
            f"{SETTING} is {given!r}, which is not a whole number above 0.",
            f"Set {SETTING} to the number of processes that may train at once, or unset it.",
        )
    return number


def run_tasks(task: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], *, work: float) -> Iterator[Any]:
    """Call a function with each of the arguments, in worker processes if there is enough work to start them.

    The workers stay for the next call. They end when this process ends, even if it is killed.

    Args:
        task: A function at module level. It runs on one thread.
        arguments: The arguments of each call.
        work: Rows × columns × fits of all calls. If workers are already running, they get small work too.

    Yields:
        What the calls returned, in the order of `arguments`.

    Raises:
        DriftgateError: If a worker was killed.
    """
    global _ready_until
    number = processes()
    if min(number, len(arguments)) == 1 or (work < SMALL and time.monotonic() > _ready_until):
        yield from (_on_one_thread(task, *given) for given in arguments)
        return
    if _starting is not None:
        _starting.join()
    yield from _in_workers(task, arguments, number)
    _ready_until = time.monotonic() + IDLE_SECONDS / 2


def start_workers(*, work: float) -> None:
    """Start the workers and their imports in the background if `run_tasks` will need them; returns at once.

    Args:
        work: Rows × columns × fits of the calls to come.
    """
    global _starting
    number = processes()
    if number > 1 and work >= SMALL and _starting is None:
        _starting = threading.Thread(target=_start, args=(number,), name="driftgate-start-workers", daemon=True)
        _starting.start()


_starting: threading.Thread | None = None


def _start(number: int) -> None:
    with contextlib.suppress(Exception):  # the first tasks will raise the same error
        list(_in_workers(_import, [()] * number, number))


def _import() -> None:
    """Import what fits need, then wait a moment, so that each worker gets one of these calls."""
    import sklearn.calibration
    import sklearn.compose
    import sklearn.ensemble
    import sklearn.linear_model  # noqa: F401

    time.sleep(0.2)


def _in_workers(task: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], number: int) -> Iterator[Any]:
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import BrokenProcessPool

    calls = [delayed(_in_worker)(os.getpid(), task, *given) for given in arguments]
    try:
        # Always request the same number of workers, so that joblib reuses its pool.
        with parallel_config("loky", inner_max_num_threads=1, idle_worker_timeout=IDLE_SECONDS):
            yield from Parallel(n_jobs=number, return_as="generator", batch_size=1)(calls)
    except BrokenProcessPool as error:
        raise DriftgateError(*KILLED) from error


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit OpenMP and BLAS to one thread in this block."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def _on_one_thread(task: Callable[..., Any], *arguments: Any) -> Any:
    with one_thread():
        return task(*arguments)


def _in_worker(parent: int, task: Callable[..., Any], *arguments: Any) -> Any:
    if not any(thread.name == _WATCH for thread in threading.enumerate()):
        threading.Thread(target=_end_with, args=(parent,), name=_WATCH, daemon=True).start()
    return _on_one_thread(task, *arguments)


_WATCH = "driftgate-parent-watch"


def _end_with(parent: int) -> None:
    """End this process when its parent has ended: a killed parent can't stop its workers."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)

"""Champion and challenger in one process: who answers a request, and what the other one would have said.

A challenger can do no harm to callers: in a split, whatever it fails to answer in time the champion answers; in the
shadow, it is asked after the answer has left. One that fails or is slow again and again is shut off, and that is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bentos.api.answers import Answering
from driftgate.production.channel import Challenger, challenged, pseudonym

log = logging.getLogger("driftgate.experiment")

CHAMPION, CHALLENGER, SHADOW = "champion", "challenger", "shadow"
WITHIN_SECONDS = 1.0  # in which a challenger must answer, in a split
# Failures and slow answers fill a bucket that answers in time empty: full, and the challenger is shut off. So it goes at
# once where all fail or are slow, and soon where one in a hundred fails or three in a hundred are slow.
FAILED, SLOW, FORGIVEN, MOST = 4.0, 1.0, 0.02, 10.0
ROWS_IN_BUDGET = 100  # a batch of so many more rows may take the budget of one row once more
MOST_WAITING = 200  # requests that may wait for the shadow; more are left out
MOST_WAITING_ROWS = 20_000  # of theirs, which hold memory; one request may wait whatever it has
STUCK_SECONDS = 10.0  # in which nothing of what waits came through
THREADS = 4

Answers = tuple[list[dict[str, Any]], bytes]


class Arms:
    """What serves: the champion, and the challenger of an experiment if there is one.

    Args:
        champion: Answers.
        challenger: Of the experiment, or None.
        plan: Of the experiment, or None.
        keep: Writes a line of the shadow's.
        failed: Is told of each failure of the challenger.
    """

    def __init__(
        self,
        champion: Answering,
        *,
        challenger: Answering | None = None,
        plan: Challenger | None = None,
        keep: Callable[[bytes], None] = lambda _: None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self.champion, self._challenger, self.plan = champion, challenger, plan
        self._keep, self._failed = keep, failed
        self._bucket, self._moved_at, self._lock = 0.0, 0.0, threading.Lock()
        self._waiting, self._waiting_rows = 0, 0
        self.off: str | None = None
        self._closed = False
        shadow = plan is not None and plan.share is None
        self._pool = ThreadPoolExecutor(1 if shadow else THREADS, "challenger") if plan else None

    def close(self) -> None:
        """Take in nothing more for the challenger; what it is at, and what waits for an answer, comes to its end."""
        self._closed = True
        if self._pool:
            self._pool.shutdown(wait=False)

    async def answer(
        self, rows: list[Any], *, key: str | None, address: str | None, on_thread: bool
    ) -> tuple[Answers, str]:
        """Answer rows by the arm that the request's key is assigned to.

        Args:
            rows: Of the champion's request model.
            key: By which a caller is always assigned alike; None: the request's id.
            address: Of the network, that the request came from.
            on_thread: Whether there are so many that others should not wait for them.

        Returns:
            The answers with the line for the log, and the request's id.
        """
        request = f"{time.time_ns() // 1_000_000:011x}-{secrets.token_hex(8)}"
        plan, challenger = self.plan, self._challenger
        split = plan is not None and plan.share is not None and not self.off
        # In the shadow, too: labels of one caller say less than as many of others, and are counted by it.
        told: dict[str, Any] = {"request": request}
        if plan and not self.off:
            told["caller"] = pseudonym(key, salt=plan.id) if key else None
            # An address may send any key it likes: what it weighs in the experiment's result is limited by address.
            told["peer"] = pseudonym(address, salt=plan.id) if address else None
        if plan and challenger and split and challenged(key or request, salt=plan.id, share=plan.share or 0):
            found = await self._of_challenger(challenger, rows, told)
            if found is not None:
                return found, request
        if on_thread:
            return await asyncio.to_thread(self.champion.answer, rows, arm=CHAMPION, **told), request
        return self.champion.answer(rows, arm=CHAMPION, **told), request

    async def _of_challenger(self, challenger: Answering, rows: list[Any], told: dict[str, Any]) -> Answers | None:
        loop, started = asyncio.get_running_loop(), time.monotonic()
        try:
            job = loop.run_in_executor(self._pool, lambda: challenger.answer(rows, arm=CHALLENGER, **told))
            found = await asyncio.wait_for(job, WITHIN_SECONDS)
        except TimeoutError:
            self._fault(FAILED, f"no answer within {WITHIN_SECONDS:g} s")
        except Exception as error:
            if not self._closed:  # else it was closed by a swap meanwhile, and the champion answers
                self._fault(FAILED, type(error).__name__)
        else:
            self._time(time.monotonic() - started, rows=len(rows))
            return found
        return None

    def shadow(self, rows: list[Any], request: str) -> None:
        """Let the challenger predict rows that were answered already; what it can't take in is left out."""
        if self._pool is None or self.plan is None or self.plan.share is not None or self.off:
            return
        with self._lock:
            now = time.monotonic()
            full = self._waiting >= MOST_WAITING or self._waiting_rows + len(rows) > MOST_WAITING_ROWS
            if self._waiting and full:
                # More than it can take in for a moment is no fault; that nothing comes out is one.
                self._failed()
                if now - self._moved_at > STUCK_SECONDS:
                    self._shut_off("it is stuck")
                return
            self._moved_at = now if self._waiting == 0 else self._moved_at
            self._waiting += 1
            self._waiting_rows += len(rows)
        with contextlib.suppress(RuntimeError):  # closed by a swap meanwhile: the answer leaves all the same
            self._pool.submit(self._predict_in_shadow, rows, request)

    def _predict_in_shadow(self, rows: list[Any], request: str) -> None:
        try:
            if self._challenger and not self.off and not self._closed:
                started = time.monotonic()
                _, line = self._challenger.answer(rows, request=request, arm=SHADOW)
                self._time(time.monotonic() - started, rows=len(rows))
                self._keep(line)
        except Exception as error:
            self._fault(FAILED, type(error).__name__)
        finally:
            with self._lock:
                self._waiting -= 1
                self._waiting_rows -= len(rows)
                self._moved_at = time.monotonic()

    def _time(self, seconds: float, *, rows: int) -> None:
        """Hold the time of an answer against the budget: the guard beside the failures."""
        budget = (self.plan.budget_ms if self.plan else 0) / 1000
        if seconds > budget * (1 + (rows - 1) / ROWS_IN_BUDGET):
            self._fault(SLOW, f"slower than {budget * 1000:g} ms")
        else:
            self._bucket = max(0.0, self._bucket - FORGIVEN)

    def _fault(self, weight: float, reason: str) -> None:
        self._failed()
        self._bucket += weight
        if self._bucket >= MOST:
            self._shut_off(f"{reason}, too often")

    def _shut_off(self, reason: str) -> None:
        if not self.off:
            self.off = reason
            log.error("the challenger is shut off: %s", reason)

    def told(self) -> dict[str, Any] | None:
        """The experiment as `/readyz` tells it; None where there is none."""
        if self.plan is None:
            return None
        mode = "shadow" if self.plan.share is None else "split"
        return {"challenger": self.plan.version, "mode": mode, "share": self.plan.share, "shut_off": self.off}

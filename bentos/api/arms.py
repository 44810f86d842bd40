"""Champion and challenger in one process. An experiment is a traffic split or a shadow.

A challenger can't harm callers. In a split, the champion answers if the challenger fails or is too slow. In a shadow,
the challenger predicts after the answer was sent. A challenger that often fails or is often slow is shut off, and
`/readyz` shows that.
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

from bentos.api.answers import Answering, NoProbability
from driftgate.production.channel import Challenger, challenged, pseudonym

log = logging.getLogger("driftgate.experiment")

CHAMPION, CHALLENGER, SHADOW = "champion", "challenger", "shadow"
WITHIN_SECONDS = 1.0  # the time limit for a challenger's answer in a split
# A leaky bucket: failures and slow answers fill it, answers in time empty it. When it is full, the challenger is shut
# off. That happens immediately if all answers fail or are slow, and soon if 1 % fail or 3 % are slow.
FAILED, SLOW, FORGIVEN, MOST = 4.0, 1.0, 0.02, 10.0
ROWS_IN_BUDGET = 100  # each 100 more rows in a batch add the time budget of one row
MOST_WAITING = 200  # the maximum number of requests that wait for the shadow; more are skipped
MOST_WAITING_ROWS = 20_000  # the maximum number of their rows, to limit memory; a single request may have more
STUCK_SECONDS = 10.0  # the shadow is stuck if its queue is full and no request finished in this time
THREADS = 4

Answers = tuple[list[dict[str, Any]], bytes]


class Arms:
    """The champion, and the challenger if an experiment runs.

    Args:
        champion: The champion.
        challenger: The experiment's challenger, or None.
        plan: The experiment's settings, or None.
        keep: Writes one line to the shadow's log.
        failed: Is called for each failure of the challenger.
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

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that a label may be: those of the champion, and those that only the challenger has."""
        more = self._challenger.classes if self._challenger else ()
        return tuple(dict.fromkeys((*self.champion.classes, *more)))

    def close(self) -> None:
        """Accept no more requests for the challenger. Requests that wait for its answer are finished."""
        self._closed = True
        if self._pool:
            self._pool.shutdown(wait=False)

    async def answer(
        self, rows: list[Any], *, key: str | None, address: str | None, on_thread: bool
    ) -> tuple[Answers, str]:
        """Answer rows by the arm that the request's key is assigned to.

        Args:
            rows: Instances of the champion's request model.
            key: The caller's assignment key. The same key always gets the same arm. None means the request's id.
            address: The network address of the caller.
            on_thread: Whether to predict on a thread, so that other requests don't wait for a large batch.

        Returns:
            The answers with the line for the log, and the request's id.
        """
        request = f"{time.time_ns() // 1_000_000:011x}-{secrets.token_hex(8)}"
        plan, challenger = self.plan, self._challenger
        split = plan is not None and plan.share is not None and not self.off
        # Logged in a shadow too: labels of one caller are correlated, so the experiment's analysis counts by caller.
        fields: dict[str, Any] = {"request": request}
        if plan and not self.off:
            fields["caller"] = pseudonym(key, salt=plan.id) if key else None
            # A caller can send any key, so the experiment's analysis also limits the weight of each network address.
            fields["peer"] = pseudonym(address, salt=plan.id) if address else None
        if plan and challenger and split and challenged(key or request, salt=plan.id, share=plan.share or 0):
            found = await self._of_challenger(challenger, rows, fields)
            if found is not None:
                return found, request
        if on_thread:
            return await asyncio.to_thread(self.champion.answer, rows, arm=CHAMPION, **fields), request
        return self.champion.answer(rows, arm=CHAMPION, **fields), request

    async def _of_challenger(self, challenger: Answering, rows: list[Any], fields: dict[str, Any]) -> Answers | None:
        loop, started = asyncio.get_running_loop(), time.monotonic()
        try:
            job = loop.run_in_executor(self._pool, lambda: challenger.answer(rows, arm=CHALLENGER, **fields))
            found = await asyncio.wait_for(job, WITHIN_SECONDS)
        except NoProbability:
            return None  # because of the row's values; the champion answers
        except TimeoutError:
            self._fault(FAILED, f"no answer within {WITHIN_SECONDS:g} s")
        except Exception as error:
            if not self._closed:  # if closed, a swap to another release caused the error; the champion answers
                self._fault(FAILED, type(error).__name__)
        else:
            self._time(time.monotonic() - started, rows=len(rows))
            return found
        return None

    def shadow(self, rows: list[Any], request: str) -> None:
        """Let the challenger predict rows that the champion has answered. If its queue is full, skip the rows."""
        if self._pool is None or self.plan is None or self.plan.share is not None or self.off:
            return
        with self._lock:
            now = time.monotonic()
            full = self._waiting >= MOST_WAITING or self._waiting_rows + len(rows) > MOST_WAITING_ROWS
            if self._waiting and full:
                # A queue that is full for a moment is not a fault. A queue in which nothing finishes is one.
                self._failed()
                if now - self._moved_at > STUCK_SECONDS:
                    self._shut_off("it is stuck")
                return
            self._moved_at = now if self._waiting == 0 else self._moved_at
            self._waiting += 1
            self._waiting_rows += len(rows)
        with contextlib.suppress(RuntimeError):  # closed by a swap; the caller gets the champion's answer anyway
            self._pool.submit(self._predict_in_shadow, rows, request)

    def _predict_in_shadow(self, rows: list[Any], request: str) -> None:
        try:
            if self._challenger and not self.off and not self._closed:
                started = time.monotonic()
                _, line = self._challenger.answer(rows, request=request, arm=SHADOW)
                self._time(time.monotonic() - started, rows=len(rows))
                self._keep(line)
        except NoProbability:
            pass  # because of the row's values
        except Exception as error:
            self._fault(FAILED, type(error).__name__)
        finally:
            with self._lock:
                self._waiting -= 1
                self._waiting_rows -= len(rows)
                self._moved_at = time.monotonic()

    def _time(self, seconds: float, *, rows: int) -> None:
        """Compare the time of an answer with the time budget, and count it as in time or slow."""
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

    def describe(self) -> dict[str, Any] | None:
        """The experiment as `/readyz` shows it; None if no experiment runs."""
        if self.plan is None:
            return None
        mode = "shadow" if self.plan.share is None else "split"
        return {"challenger": self.plan.version, "mode": mode, "share": self.plan.share, "shut_off": self.off}

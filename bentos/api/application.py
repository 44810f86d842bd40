"""The application: all routes of the service. It handles requests before BentoML's own application.

BentoML starts the service, checks its health and stops it. BentoML's routes, spans, time-outs and access log would cost
more than the prediction itself, and would log the input of bad requests. So this application answers requests itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import logging
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

from pydantic_core import to_json

from bentos.api import openapi
from bentos.api.answers import Answering, Feedback, NoProbability
from bentos.api.arms import Arms
from bentos.api.bodies import (
    HANG_UP,
    READ_WHOLE,
    Gone,
    Refused,
    Scope,
    drain,
    parse,
    parse_rows,
    read_body,
    without_probability,
)
from bentos.api.following import Follower
from bentos.api.metrics import Metrics
from bentos.api.settings import Settings, is_loopback
from driftgate.contract import normal_text
from driftgate.errors import DriftgateError
from driftgate.production.channel import Challenger
from driftgate.production.prediction_log import LABELS, PREDICTIONS, SHADOW, SegmentWriter, repair
from driftgate.production.release import Release, read_release

log = logging.getLogger("driftgate.service")

BYTES_ON_THE_LOOP = 16 * 1024  # larger bodies are read and predicted on a thread, so that other requests don't wait
LABEL_BYTES = 4 * 1024  # the maximum size of a body with one label
SHOWN_CLASSES = 20
UNREADY_SECONDS = 10.0  # the time after a failed write in which the service reports that it isn't ready
JSON, HTML, PLAIN = b"application/json", b"text/html; charset=utf-8", b"text/plain; version=0.0.4; charset=utf-8"

Answer = tuple[int, bytes, bytes]
Handler = Callable[[Scope, Any], Awaitable[Answer]]
Guarded = Literal["token", "label token"] | None


class Service:
    """The running service: its release, prediction log, metrics and channel.

    Args:
        settings: The checked settings.

    Raises:
        DriftgateError: If the release can't be read, or its predictions differ from those at training.
        OSError: If the service can't write to the log's folder.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.metrics = settings, Metrics()
        callers, labellers = settings.token, settings.label_token or settings.token
        self._secret = callers.encode() if callers else None
        self._label_secret = labellers.encode() if labellers else None
        if settings.label_token is None:
            log.warning("DRIFTGATE_LABEL_TOKEN is not set: every caller with DRIFTGATE_TOKEN can also send labels")
        self._writers = {}
        if settings.log:
            for cut in repair(settings.log) if settings.log.exists() else []:
                log.warning("removed an incomplete line from %s", cut)
            self._writers = {
                kind: SegmentWriter(
                    settings.log, kind, segment_bytes=settings.segment_bytes, segment_seconds=settings.segment_seconds
                )
                for kind in (PREDICTIONS, SHADOW, LABELS)
            }
            self._probe_log()
        self._log_failed_at: float | None = None
        self._arms: Arms | None = None
        self._shadow_lock = threading.Lock()
        self._follower: Follower | None = None
        packaged = _packaged(settings.release)
        if settings.channel:
            self._follower = Follower(
                settings.channel,
                name=packaged.card.name if isinstance(packaged, Release) else None,
                take=self._take,
                failed=lambda: self.metrics.channel_failures.inc(),
            )
            self._follower.poll()
        if self._arms is None:
            if isinstance(packaged, DriftgateError):
                raise packaged
            self._take(packaged, None, None)
        if self._follower:
            self._follower.start()
        self._routes: dict[str, tuple[str, Guarded, Handler]] = {
            "/predict": ("POST", "token", self._predict),
            "/predict/batch": ("POST", "token", self._predict_batch),
            "/feedback": ("POST", "label token", self._feedback),
            "/model/info": ("GET", "token", self._information),
            "/metrics": ("GET", "token", self._metrics),
            "/": ("GET", None, self._page),
            "/openapi.json": ("GET", None, self._openapi),
            "/readyz": ("GET", None, self._readiness),
        }

    def close(self) -> None:
        """Stop following the channel, and close the log's segments."""
        if self._follower:
            self._follower.stop()
        if self._arms:
            self._arms.close()
        for writer in self._writers.values():
            writer.close()

    def owns(self, path: str) -> bool:
        """Whether this application answers a path. BentoML answers the health and static paths."""
        return not (path in ("/livez", "/healthz") or path.startswith("/static_content/"))

    async def respond(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer one request. An exception becomes an error answer."""
        started = time.perf_counter()
        route, headers = "other", tuple[tuple[bytes, bytes], ...]()
        unread = False
        try:
            found = self._routes.get(scope["path"])
            if found is None:
                raise Refused(HTTPStatus.NOT_FOUND, "no_such_path", "There is no such path; `/` lists the paths.")
            method, guarded, handler = found
            route = scope["path"]
            if scope["method"] != method and not (method == "GET" and scope["method"] == "HEAD"):
                raise Refused(
                    HTTPStatus.METHOD_NOT_ALLOWED, "method", f"Use {method}.", headers=[(b"allow", method.encode())]
                )
            if guarded:
                self._admit(scope, self._label_secret if guarded == "label token" else self._secret)
            status, body, kind = await handler(scope, receive)
        except Gone:
            return
        except Refused as refused:
            status, body, kind = refused.status, refused.body(), JSON
            unread = refused.code not in READ_WHOLE  # the caller may still be sending the body
            headers = (*refused.headers, *(HANG_UP if unread else ()))
            self.metrics.refused.labels(refused.code).inc()
        except Exception as error:
            # The error's message and values are not logged, because they may contain the input.
            place = traceback.extract_tb(error.__traceback__)[-1]
            log.error("internal error: %s in %s:%s", type(error).__name__, place.name, place.lineno)
            status, kind = HTTPStatus.INTERNAL_SERVER_ERROR, JSON
            body = Refused(status, "internal", "The service failed; see its log.").body()
            self.metrics.refused.labels("internal").inc()
        size = str(len(body)).encode()
        await send(
            {
                "type": "http.response.start",
                "status": int(status),
                "headers": [(b"content-type", kind), (b"content-length", size), *headers],
            }
        )
        answer = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": answer, "more_body": unread})
        self.metrics.seconds.labels(route).observe(time.perf_counter() - started)
        if unread:
            # The answer has been sent. The rest of the body is read, so that closing doesn't reset the connection.
            await drain(receive)
            await send({"type": "http.response.body"})

    def _admit(self, scope: Scope, secret: bytes | None) -> None:
        if secret is None:
            server = scope.get("server") or ("", None)
            if not is_loopback(str(server[0])):
                raise Refused(
                    HTTPStatus.FORBIDDEN, "not_local", "Without a token, the service answers only on its own machine."
                )
            return
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        scheme, _, token = given.partition(b" ")
        # Compared in constant time, even if the scheme is wrong: the response time reveals nothing about the token.
        same = hmac.compare_digest(token.strip(), secret)
        if not same or scheme.lower() != b"bearer":
            raise Refused(
                HTTPStatus.UNAUTHORIZED, "token", "Send the token in the header `Authorization: Bearer …`.",
                headers=[(b"www-authenticate", b"Bearer")],
            )  # fmt: skip

    async def _predict(self, scope: Scope, receive: Any) -> Answer:
        arms = self._serving()
        body = await read_body(scope, receive, most_bytes=min(arms.champion.row_bytes, self.settings.most_bytes))
        large = len(body) > BYTES_ON_THE_LOOP  # a row of hundreds of columns
        row = await asyncio.to_thread(parse, body, arms.champion.row) if large else parse(body, arms.champion.row)
        answers = await self._answer(arms, [row], scope, on_thread=large, alone=True)
        return HTTPStatus.OK, to_json(answers[0]), JSON

    async def _predict_batch(self, scope: Scope, receive: Any) -> Answer:
        arms = self._serving()
        body = await read_body(scope, receive, most_bytes=self.settings.most_bytes)
        large = len(body) > BYTES_ON_THE_LOOP

        def read() -> list[Any]:
            return parse_rows(body, arms.champion.row, most_rows=self.settings.most_rows)

        rows = await asyncio.to_thread(read) if large else read()
        return HTTPStatus.OK, to_json({"predictions": await self._answer(arms, rows, scope, on_thread=large)}), JSON

    async def _answer(
        self, arms: Arms, rows: list[Any], scope: Scope, *, on_thread: bool, alone: bool = False
    ) -> list[dict[str, Any]]:
        """Predict, write to the log, and update the metrics. The caller gets the answer only after that."""
        key, address = (_header(scope, b"x-assignment-key"), _address(scope)) if arms.plan else (None, None)
        try:
            (answers, line), request = await arms.answer(rows, key=key, address=address, on_thread=on_thread)
        except NoProbability as error:
            raise without_probability(error.rows, alone=alone) from None
        self._keep(PREDICTIONS, line)
        self._count(answers)
        arms.shadow(rows, request)
        return answers

    async def _feedback(self, scope: Scope, receive: Any) -> Answer:
        feedback = parse(await read_body(scope, receive, most_bytes=LABEL_BYTES), Feedback)
        classes = self._serving().classes
        label = feedback.label if feedback.label in classes else normal_text(feedback.label)
        if label not in classes:
            raise Refused(
                HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", "The request breaks the contract; see fields.",
                fields=[("label", f"Input should be {_either(classes)}")],
            )  # fmt: skip
        accepted = {"prediction_id": feedback.prediction_id, "label": label}
        self._keep(LABELS, to_json({"at": time.time_ns() // 1_000_000, **accepted}))
        self.metrics.feedback.inc()
        return HTTPStatus.ACCEPTED, to_json(accepted), JSON

    async def _information(self, _scope: Scope, _receive: Any) -> Answer:
        return HTTPStatus.OK, self._now().information, JSON

    async def _metrics(self, _scope: Scope, _receive: Any) -> Answer:
        return HTTPStatus.OK, await asyncio.to_thread(self.metrics.page), PLAIN

    async def _page(self, _scope: Scope, _receive: Any) -> Answer:
        return HTTPStatus.OK, openapi.PAGE, HTML

    async def _openapi(self, _scope: Scope, _receive: Any) -> Answer:
        answering = self._now()
        if answering.openapi is None:
            secured, label_token = self._secret is not None, self.settings.label_token is not None
            # With 2,000 columns it takes a second, in which other requests are answered.
            found = await asyncio.to_thread(openapi.document, answering, secured=secured, label_token=label_token)
            answering.openapi = to_json(found)
        return HTTPStatus.OK, answering.openapi, JSON

    async def _readiness(self, _scope: Scope, _receive: Any) -> Answer:
        card, writable = self._now().card, self._writable()
        state = {
            "ready": writable,
            "release": {"name": card.name, "version": card.version},
            "log": "off" if not self._writers else "written" if writable else "can't be written",
            # Only a code: the cause names folders of this machine, and this route requires no token.
            "channel": None if self._follower is None else {"error": self._follower.error},
            "experiment": self._serving().describe(),
        }
        return HTTPStatus.OK if writable else HTTPStatus.SERVICE_UNAVAILABLE, to_json(state), JSON

    def _serving(self) -> Arms:
        """The current champion and challenger. A request uses the same ones until its answer is sent."""
        if self._arms is None:
            raise RuntimeError("no release serves yet")
        return self._arms

    def _now(self) -> Answering:
        """The current champion."""
        return self._serving().champion

    def _take(self, release: Release, challenger: Release | None, plan: Challenger | None) -> None:
        """Load releases, check their golden rows, and then let them serve."""
        old, most_rows = self._arms, self.settings.most_rows
        if challenger and challenger.contract != release.contract:
            raise DriftgateError(
                "The challenger's columns differ from the champion's.", "Deploy it without an experiment."
            )
        self._arms = Arms(
            Answering(release, most_rows=most_rows),
            challenger=Answering(challenger, most_rows=most_rows) if challenger else None,
            plan=plan, keep=self._keep_shadow, failed=lambda: self.metrics.challenger_failures.inc(),
        )  # fmt: skip
        if old:
            old.close()
            self.metrics.swaps.inc()

    def _keep_shadow(self, line: bytes) -> None:
        if SHADOW in self._writers:
            with self._shadow_lock:
                self._writers[SHADOW].append(line)

    def _keep(self, kind: str, line: bytes) -> None:
        """Write to the log before the answer is sent. If the write fails, the caller gets 503 instead of the answer."""
        writer = self._writers.get(kind)
        if writer is None:
            return
        started = time.perf_counter()
        try:
            writer.append(line)
        except OSError as error:
            self._log_failed_at = time.monotonic()
            self.metrics.log_failures.inc()
            log.error("the prediction log can't be written: %s", error.strerror)
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE, "log", "The prediction log can't be written, so there is no answer.",
                headers=[(b"retry-after", b"10")],
            ) from None  # fmt: skip
        self._log_failed_at = None
        self.metrics.log_seconds.observe(time.perf_counter() - started)
        self.metrics.log_bytes.inc(len(line) + 1)

    def _probe_log(self) -> None:
        """Raise an OSError if a file can't be created in the log's folder."""
        with tempfile.TemporaryFile(dir=self.settings.log) as file:
            file.write(b"x" * 4096)

    def _writable(self) -> bool:
        """Whether the log can be written. After a failed write, this tries again at most every `UNREADY_SECONDS`."""
        failed = self._log_failed_at
        if failed is None:
            return True
        if time.monotonic() - failed < UNREADY_SECONDS:
            return False
        try:
            self._probe_log()
        except OSError:
            self._log_failed_at = time.monotonic()
            return False
        self._log_failed_at = None
        return True

    def _count(self, answers: list[dict[str, Any]]) -> None:
        version = answers[0]["model_version"]
        for name, number in Counter(answer["prediction"] for answer in answers).items():
            self.metrics.predictions.labels(version, name).inc(number)
        warned = sum(bool(answer["warnings"]) for answer in answers)
        if warned:
            self.metrics.warnings.inc(warned)


def _either(classes: tuple[str, ...]) -> str:
    """The classes that a label may be, at most `SHOWN_CLASSES` of them."""
    shown = " or ".join(repr(name) for name in classes[:SHOWN_CLASSES])
    more = len(classes) - SHOWN_CLASSES
    return f"{shown} or one of {more} more classes" if more > 0 else shown


def _header(scope: Scope, name: bytes) -> str | None:
    """The first 200 characters of a header's value; None if the header is missing or empty."""
    return next((value[:200].decode("latin-1") for key, value in scope["headers"] if key == name and value), None)


def _address(scope: Scope) -> str:
    """The caller's network address. For IPv6, it is the /64 network, since a caller usually has all of it."""
    host = str((scope.get("client") or ("local",))[0])
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        if address.version == 6:
            return str(address.ipv4_mapped or ipaddress.ip_network((address.packed, 64), strict=False))
    return host


def _packaged(folder: Path) -> Release | DriftgateError:
    """The packaged release, or the error. A service that follows a channel needs no packaged release."""
    try:
        return read_release(folder)
    except DriftgateError as error:
        return error


class Front:
    """The first ASGI application: it passes our routes to the running service, and everything else to BentoML."""

    running: Service | None = None

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        service = Front.running
        if scope["type"] == "http" and service is not None and service.owns(scope["path"]):
            with contextlib.suppress(asyncio.CancelledError):
                await service.respond(scope, receive, send)
        else:
            await self._application(scope, receive, send)

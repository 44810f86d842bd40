"""Limits that uvicorn doesn't have: the size of a request's head, time limits, and the number of connections.

uvicorn creates one protocol object for each connection, from a class in its table of protocols. `install` puts
`Connection` into that table. It is uvicorn's own class with these limits added. uvicorn still parses and answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn import config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from bentos.api.bodies import LINGER_BYTES, LINGER_SECONDS, Refused

if TYPE_CHECKING:
    from bentos.api.metrics import Metrics

log = logging.getLogger("driftgate.connections")

HEAD_BYTES = 32 * 1024  # the maximum size of the request line, headers and trailers together
ANSWER_SECONDS = 60.0  # from the end of a request's head until the caller has received the whole answer
MOST_PIPELINED = 64  # the maximum number of requests of one connection that wait for an earlier answer
SWEEP_SECONDS = 1.0
SUMMARY_SECONDS = 10.0  # between two log lines about closed connections


def install(guard: Guard) -> None:
    """Make uvicorn use `Connection` for HTTP in this process."""
    made: Any = functools.partial(Connection, guard)
    config.HTTP_PROTOCOLS["auto"] = made


class Guard:
    """All connections of one process, with limits on their number and on their time.

    At the limit, a new connection replaces the one whose caller has let the service wait longest. So callers that send
    their request immediately are served, even if others keep many connections open and send nothing.

    Args:
        most: The maximum number of open connections.
        idle_seconds: The time limit for the whole head of a connection's next request.
    """

    def __init__(self, *, most: int, idle_seconds: float) -> None:
        self.most, self.idle_seconds = most, idle_seconds
        self.metrics: Metrics | None = None  # set once the service is up
        self._open: dict[Connection, None] = {}
        self._waiting: dict[Connection, None] = {}  # connections that wait for their caller; the longest wait is first
        self._closed: Counter[str] = Counter()
        self._summary_due = 0.0
        self._sweeping = False

    def enter(self, connection: Connection) -> bool:
        """Add a connection. Returns False at the limit, if all other connections have a request in progress."""
        if not self._sweeping:
            self._sweeping = True
            connection.loop.call_later(SWEEP_SECONDS, self._sweep, connection.loop)
        if len(self._open) >= self.most:
            oldest = next(iter(self._waiting), None)
            if oldest is None:
                self.closes("no_place")
                return False
            self.closes("displaced")
            oldest.abort()
        self._open[connection] = None
        return True

    def leave(self, connection: Connection) -> None:
        """Remove a closed connection."""
        self._open.pop(connection, None)
        self._waiting.pop(connection, None)

    def waits(self, connection: Connection) -> None:
        """Mark a connection that waits for its caller: to send a request, or to receive the answer."""
        if connection in self._open:
            self._waiting.setdefault(connection)

    def works(self, connection: Connection) -> None:
        """Mark a connection that waits for the service's answer."""
        self._waiting.pop(connection, None)

    def closes(self, cause: str) -> None:
        """Count a connection that the service closes because of a limit."""
        self._closed[cause] += 1
        if self.metrics:
            self.metrics.connections_closed.labels(cause).inc()

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in [found for found in self._open if found.deadline < now]:
            connection.expire()
        if self.metrics:
            self.metrics.connections.set(len(self._open))
            self.metrics.connections_limit.set(self.most)
        if self._closed and time.monotonic() >= self._summary_due:
            causes = ", ".join(f"{cause} {number:,}" for cause, number in sorted(self._closed.items()))
            log.warning("closed %s connections: %s; %s of %s are open", f"{self._closed.total():,}", causes,
                        f"{len(self._open):,}", f"{self.most:,}")  # fmt: skip
            self._closed.clear()
            self._summary_due = time.monotonic() + SUMMARY_SECONDS
        loop.call_later(SWEEP_SECONDS, self._sweep, loop)


class Connection(HttpToolsProtocol):
    """uvicorn's protocol for HTTP/1.1, with limits.

    A head larger than `HEAD_BYTES` gets 431. `deadline` is absolute: only a whole head or a whole answer moves it, so a
    caller can't extend it with single bytes. `Upgrade` is ignored, as RFC 9110 (section 7.8) allows. An upgrade to
    WebSocket is refused.
    """

    def __init__(self, guard: Guard, **settings: Any) -> None:
        super().__init__(**settings)
        self.ws_protocol_class = None
        self.deadline = 0.0
        self._guard = guard
        # `_begun`: the head of a request is arriving. `_arriving`: a request is arriving, its head or its body.
        self._head = 0  # bytes of the current request's head and trailers
        self._silent = 0  # consecutive bytes for which the parser has called no callback
        self._heard = self._begun = self._arriving = self._upgrading = False
        self._running: RequestResponseCycle | None = None
        self._refusal: Refused | None = None
        self._discarding: int | None = None  # bytes that may still arrive after the last answer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.deadline = self.loop.time() + self._guard.idle_seconds
        if self._guard.enter(self):
            self._guard.waits(self)
        else:
            self._refuse(Refused(HTTPStatus.SERVICE_UNAVAILABLE, "no_place", "The service has too many connections."))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._guard.leave(self)
        self._unset_keepalive_if_required()
        self._hang_up()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._discarding is not None:
            self._discarding -= len(data)
            if self._discarding < 0:
                self.abort()
            return
        self._unset_keepalive_if_required()
        self._heard, rest = False, data
        while rest:
            try:
                self.parser.feed_data(rest)
                rest = b""
            except httptools.HttpParserUpgrade as upgrade:
                rest = self._without_upgrade() + rest[upgrade.args[0] :]
            except httptools.HttpParserError:
                self._refusal = self._refusal or Refused(
                    HTTPStatus.BAD_REQUEST, "bad_http", "This is not a valid HTTP/1.1 request."
                )
            if self._refusal:
                self._guard.closes(self._refusal.code)
                self._refuse(self._refusal)
                return
        self._silent = 0 if self._heard else self._silent + len(data)
        if self._silent > HEAD_BYTES:  # an endless header, or only blank lines
            self._guard.closes("head_too_large")
            self._refuse(_head_too_large())

    def on_message_begin(self) -> None:
        self._heard = self._begun = self._arriving = True
        self._head = 0
        super().on_message_begin()

    # The next two methods repeat uvicorn's code. Calling uvicorn's methods would cost more than the limit itself.
    def on_url(self, url: bytes) -> None:
        self._heard = True
        self._head += len(url)
        if self._head > HEAD_BYTES:
            self._stop(_head_too_large())
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._heard = True
        self._head += len(name) + len(value) + 4
        if self._head > HEAD_BYTES:
            self._stop(_head_too_large())
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._upgrading = self.parser.should_upgrade()
        if self._upgrading:
            return  # the head is parsed again without `Upgrade`, see `_without_upgrade`
        if len(self.pipeline) >= MOST_PIPELINED:
            self._stop(Refused(HTTPStatus.TOO_MANY_REQUESTS, "pipelined", "Too many requests before the first answer."))
        self._begun = False
        if self.cycle is None or self.cycle.response_complete:
            self.deadline = self.loop.time() + ANSWER_SECONDS
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._heard = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._heard, self._arriving = True, False
        if self._upgrading or self.cycle.response_complete:
            return
        if not self.flow.write_paused:
            self._guard.works(self)
        self.cycle.more_body = False
        self.cycle.message_event.set()

    def on_response_complete(self) -> None:
        more = bool(self.pipeline)
        super().on_response_complete()
        if self.transport.is_closing():
            self.deadline = self.loop.time() + LINGER_SECONDS
        elif more:
            self.deadline = self.loop.time() + ANSWER_SECONDS
            return
        else:
            self.deadline = self.loop.time() + self.timeout_keep_alive + self._guard.idle_seconds
        self._guard.waits(self)

    def pause_writing(self) -> None:
        self._guard.waits(self)
        super().pause_writing()

    def resume_writing(self) -> None:
        if self.cycle and not self.cycle.response_complete and not self.cycle.more_body:
            self._guard.works(self)
        super().resume_writing()

    def expire(self) -> None:
        """End a connection whose deadline has passed."""
        if self._discarding is not None or self.transport.is_closing():
            self.abort()
        elif self.cycle is not None and not self.cycle.response_complete:
            self._guard.closes("slow_answer")
            self.abort()
        elif self.transport.get_write_buffer_size():
            self._guard.closes("answer_not_taken")
            self.abort()
        elif self._begun:
            self._guard.closes("slow_head")
            late = f"The request's head did not arrive within {self._guard.idle_seconds:g} seconds."
            self._refuse(Refused(HTTPStatus.REQUEST_TIMEOUT, "slow_head", late))
        else:
            self._guard.closes("idle")
            self.transport.close()

    def abort(self) -> None:
        """Close immediately. An answer that the application still sends is discarded."""
        self._guard.leave(self)
        self._hang_up()
        self.transport.abort()

    def _hang_up(self) -> None:
        self.pipeline.clear()
        for cycle in (self._running, self.cycle):  # they differ if requests wait for an earlier answer
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _stop(self, refusal: Refused) -> None:
        """Stop parsing; called in a callback of the parser."""
        self._refusal = refusal
        raise refusal

    def _without_upgrade(self) -> bytes:
        """Return the head that was just parsed, without `Upgrade`, and create a new parser for it.

        The old parser treats all bytes after such a head as the other protocol, even the request's body.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        wished = [
            token.strip() for name, value in self.headers if name == b"upgrade" for token in value.lower().split(b",")
        ]
        if method == b"CONNECT" or b"websocket" in wished:
            self._refusal = Refused(HTTPStatus.BAD_REQUEST, "upgrade", "The service supports only plain HTTP/1.1.")
            return b""
        lines = [b"%s %s HTTP/%s" % (method, self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                kept = [
                    token for token in value.split(b",") if token.strip().lower() not in (b"upgrade", b"http2-settings")
                ]
                value = b",".join(kept)
            if name not in (b"upgrade", b"http2-settings"):
                lines.append(name + b": " + value)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        return b"\r\n".join([*lines, b"", b""])

    def _refuse(self, refusal: Refused) -> None:
        """Answer instead of the application. Then read and discard the bytes that still arrive, and close.

        Closing with unread bytes would reset the connection, and the caller would not see the answer.
        """
        cycle = self.cycle
        answered = cycle is not None and cycle.response_started and self._arriving and not self._begun
        if self.pipeline or answered:
            self.abort()  # the caller would take an answer here for the answer to another request
            return
        self._discarding = LINGER_BYTES
        self.deadline = self.loop.time() + LINGER_SECONDS
        self._guard.waits(self)
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                cycle.keep_alive = False  # the previous request is complete; its answer is the last one
                return
            self._hang_up()
        body = refusal.body()
        head = [STATUS_LINE[refusal.status], b"content-type: application/json\r\nconnection: close\r\n"]
        self.transport.write(b"".join([*head, b"content-length: %d\r\n\r\n" % len(body), body]))
        self.flow.resume_reading()
        with contextlib.suppress(OSError, RuntimeError):  # already closed
            if self.transport.can_write_eof():
                self.transport.write_eof()


def _head_too_large() -> Refused:
    return Refused(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large",
        f"The request line and headers are larger than {HEAD_BYTES:,} bytes.",
    )  # fmt: skip

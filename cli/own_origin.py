"""A guard for the local dashboards: they answer requests of their own pages, and refuse those of other web pages.

ZenML's server doesn't check the `Host` header, and both servers answer a foreign `Origin`. The guard is a protocol for
uvicorn's `--http` option, so both servers start unchanged, with the guard in front of their application.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
REFUSED = b"This page answers on this machine only, to its own origin.\n"


def refusal(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Why a request is refused; None if it comes from the dashboard's own pages, a person or a program.

    `Host` must name this machine. Otherwise a foreign domain that resolves to this machine (DNS rebinding) would get an
    answer. Any port is allowed, because ports may be forwarded. An `Origin` must match `Host`. A request without an
    `Origin`, such as one for an image, is judged by the browser's `Sec-Fetch-*` headers.

    Args:
        headers: The request's headers, with names in lower case.
    """
    values: dict[bytes, list[str]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value.decode("latin-1").strip().lower())
    host, origin = values.get(b"host", []), values.get(b"origin", [])
    if len(host) != 1 or not _is_local(host[0]):
        return "host"
    if origin not in ([], [f"http://{host[0]}"]):
        return "origin"
    site, mode = values.get(b"sec-fetch-site", ["none"]), values.get(b"sec-fetch-mode", [""])
    # A link on another page may open the dashboard: that page's scripts can't read the answer.
    follows_link = mode == ["navigate"] and values.get(b"sec-fetch-dest") == ["document"]
    return None if site in (["none"], ["same-origin"]) or follows_link else "site"


def _is_local(host: str) -> bool:
    name, colon, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not colon:
        name = host
    return name in NAMES and (not colon or (port.isascii() and port.isdigit()))


class OwnOrigin:
    """An ASGI application that answers 403 to requests that `refusal` refuses, and forwards the others."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan" or refusal(scope["headers"]) is None:
            await self._application(scope, receive, send)
        elif scope["type"] == "http":
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(REFUSED)).encode())]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": REFUSED})
        else:
            await send({"type": "websocket.close"})


class OwnOriginProtocol(H11Protocol):
    """uvicorn's HTTP protocol, with the guard in front of the application."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.app = OwnOrigin(self.app)

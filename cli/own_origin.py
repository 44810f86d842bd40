"""A guard before the local dashboards: they answer their own pages on this machine, and no other web page.

ZenML's server knows no check of the `Host` header, and both servers answer a foreign `Origin`. This is a protocol for
uvicorn's `--http` option, so that the servers run as their makers start them, with the guard before their application.
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
    """Why a request is refused; None: it comes from the dashboard's own pages, from a person or from a program.

    `Host` must name this machine, so that a foreign name that is made to point here (DNS rebinding) gets no answer; any
    port will do, since it may be forwarded. An `Origin` must be that of `Host`. What a browser says of a request without
    an `Origin`, as for an image, counts as well.

    Args:
        headers: Of the request, names in lower case.
    """
    found: dict[bytes, list[str]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value.decode("latin-1").strip().lower())
    host, origin = found.get(b"host", []), found.get(b"origin", [])
    if len(host) != 1 or not _is_local(host[0]):
        return "host"
    if origin not in ([], [f"http://{host[0]}"]):
        return "origin"
    site, mode = found.get(b"sec-fetch-site", ["none"]), found.get(b"sec-fetch-mode", [""])
    # A link on another page may lead here; its script can't read what it leads to.
    follows_link = mode == ["navigate"] and found.get(b"sec-fetch-dest") == ["document"]
    return None if site in (["none"], ["same-origin"]) or follows_link else "site"


def _is_local(host: str) -> bool:
    name, colon, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not colon:
        name = host
    return name in NAMES and (not colon or (port.isascii() and port.isdigit()))


class OwnOrigin:
    """An ASGI application that refuses what `refusal` names, with 403, and hands the rest on."""

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
    """uvicorn's protocol for HTTP, with the guard before the application that it was started with."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.app = OwnOrigin(self.app)

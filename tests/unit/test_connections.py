"""The limits on connections by themselves, with small numbers; tests/service/test_connections.py has them in the real server."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from bentos.api import connections
from bentos.api.connections import Connection, Guard

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Site:
    """uvicorn's protocol with the limits, on a port of its own; the application answers once it may."""

    def __init__(self, guard: Guard) -> None:
        self.guard, self.free = guard, asyncio.Event()
        self.config = Config(self._answer, interface="asgi3", log_config=None, access_log=False)
        self.config.load()
        self.port = 0

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        await self.free.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator["Site"]:
        loop = asyncio.get_running_loop()
        state = ServerState()

        def make() -> Connection:
            return Connection(self.guard, config=self.config, server_state=state, app_state={}, _loop=loop)

        server = await loop.create_server(make, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def connect(self, sent: bytes = b"") -> Streams:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        await asyncio.sleep(0.05)
        return reader, writer


def play(guard: Guard, scene: Callable[[Site], Awaitable[None]]) -> None:
    async def run() -> None:
        async with Site(guard).up() as site:
            await asyncio.wait_for(scene(site), 30)

    asyncio.run(run())


async def read(streams: Streams) -> bytes:
    with contextlib.suppress(ConnectionResetError):
        return await streams[0].read()
    return b""


def test_at_the_limit_who_keeps_the_service_waiting_longest_gives_way() -> None:
    async def scene(site: Site) -> None:
        busy = await site.connect(GET)
        idle, half = await site.connect(), await site.connect(GET[:10])
        late = await site.connect(GET)
        assert await read(idle) == b""  # the oldest of the two that wait
        later = await site.connect(GET)
        assert await read(half) == b""
        site.free.set()
        for streams in (busy, late, later):
            assert (await streams[0].readuntil(b"ok")).startswith(b"HTTP/1.1 200")

    play(Guard(most=3, idle_seconds=20), scene)


def test_where_every_connection_has_a_request_a_new_one_gets_503_and_is_closed() -> None:
    async def scene(site: Site) -> None:
        busy = [await site.connect(GET) for _ in range(2)]
        assert (await read(await site.connect())).startswith(b"HTTP/1.1 503")
        site.free.set()
        for streams in busy:
            assert (await streams[0].readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        again = await site.connect(GET)  # those that were answered wait again
        assert (await again[0].readuntil(b"ok")).startswith(b"HTTP/1.1 200")

    play(Guard(most=2, idle_seconds=20), scene)


def test_a_caller_that_has_its_answer_and_one_that_is_gone_leave_their_place() -> None:
    guard = Guard(most=1, idle_seconds=20)

    async def scene(site: Site) -> None:
        site.free.set()
        for _ in range(5):
            streams = await site.connect(GET)
            assert (await streams[0].readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            streams[1].close()
        await asyncio.sleep(0.1)
        assert guard._open == guard._waiting == {}

    play(guard, scene)


def test_who_takes_no_answer_is_closed_in_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(connections, "SWEEP_SECONDS", 0.1)

    async def scene(site: Site) -> None:
        with caplog.at_level(logging.WARNING):
            assert await read(await site.connect(GET)) == b""  # `free` is never set
            await asyncio.sleep(0.3)
            site.free.set()  # now its answer goes nowhere
            await asyncio.sleep(0.1)

    play(Guard(most=2, idle_seconds=20), scene)
    assert "closed 1 connections: slow_answer 1; 0 of 2 are open" in caplog.text
    assert "Traceback" not in caplog.text

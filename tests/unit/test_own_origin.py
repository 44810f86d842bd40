"""The guard before the dashboards, header by header; tests/pipelines/test_ui.py tries it before the real servers."""

import asyncio
from typing import Any

import pytest

from cli.own_origin import OwnOrigin, refusal

HOST = (b"host", b"127.0.0.1:8237")
CASES: dict[str, tuple[list[tuple[bytes, bytes]], str | None]] = {
    "a program": ([HOST], None),
    "by name": ([(b"host", b"LOCALHOST:8237")], None),
    "by name, without a port": ([(b"host", b"localhost")], None),
    "IPv6": ([(b"host", b"[::1]:8237")], None),
    "IPv6 without a port": ([(b"host", b"[::1]")], None),
    "own page": ([HOST, (b"origin", b"http://127.0.0.1:8237")], None),
    "no host": ([], "host"),
    "empty host": ([(b"host", b"")], "host"),
    "two hosts": ([HOST, (b"host", b"evil.example")], "host"),
    "two hosts in one": ([(b"host", b"127.0.0.1:8237, evil.example")], "host"),
    "foreign host": ([(b"host", b"evil.example")], "host"),
    "user before the host": ([(b"host", b"localhost@evil.example:80")], "host"),
    "another address": ([(b"host", b"127.0.0.2:8237")], "host"),
    "no address": ([(b"host", b"[::1:8237")], "host"),
    "port that is none": ([(b"host", b"localhost:evil")], "host"),
    "port in another script": ([(b"host", "localhost:٣".encode())], "host"),
    "empty port": ([(b"host", b"localhost:")], "host"),
    "all addresses": ([(b"host", b"0.0.0.0:8237")], "host"),
    "foreign origin": ([HOST, (b"origin", b"http://evil.example")], "origin"),
    "two origins": ([HOST, (b"origin", b"http://127.0.0.1:8237"), (b"origin", b"http://evil.example")], "origin"),
    "own name, other port": ([HOST, (b"origin", b"http://127.0.0.1:8238")], "origin"),
    "other name": ([HOST, (b"origin", b"http://localhost:8237")], "origin"),
    "empty origin": ([HOST, (b"origin", b"")], "origin"),
    "image in another page": ([HOST, (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"no-cors")], "site"),
    "link in another page": (
        [HOST, (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document")],
        None,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_only_its_own_pages_and_programs_are_answered(name: str) -> None:
    headers, expected = CASES[name]
    assert refusal(headers) == expected


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_what_is_refused_never_reaches_the_application(kind: str) -> None:
    reached: list[Any] = []
    sent: list[Any] = []

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        reached.append(scope)

    async def send(message: Any) -> None:
        sent.append(message)

    async def ask(headers: list[tuple[bytes, bytes]]) -> None:
        await OwnOrigin(application)({"type": kind, "headers": headers}, None, send)

    asyncio.run(ask([(b"host", b"evil.example")]))
    assert not reached
    assert [message["status"] for message in sent if "status" in message] == ([403] if kind == "http" else [])
    asyncio.run(ask([HOST]))
    assert len(reached) == 1

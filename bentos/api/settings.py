"""Every setting of the service, by environment."""

from __future__ import annotations

import functools
import ipaddress
import os
import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from driftgate.errors import DriftgateError
from driftgate.production.prediction_log import SEGMENT_BYTES, SEGMENT_SECONDS

LEAST_TOKEN = 16
SHARE_OF_DESCRIPTORS = 0.75  # for connections; the rest is for the log, the model and whatever else a process opens
OTHER_DESCRIPTORS = 64  # at least; a process that serves has about 25 open
MOST_BY_DEFAULT = 4096  # connections of one process, where its open files would allow more
PACKAGED = Path(__file__).resolve().parents[2] / "release"


@dataclass(frozen=True)
class Settings:
    """What the environment says; docs/reference/settings.md explains each.

    Args:
        token: `DRIFTGATE_TOKEN`, which every request must bear; None: anybody on this machine may ask
            (`DRIFTGATE_INSECURE=1`), nobody else.
        label_token: `DRIFTGATE_LABEL_TOKEN`, which `/feedback` asks for in place of the other; None: it asks for that one.
        log: `DRIFTGATE_LOG`, the folder of the prediction log; None: `none` was said, nothing is kept.
        channel: `DRIFTGATE_CHANNEL`, the document to follow; None: the packaged release serves.
        release: `DRIFTGATE_RELEASE`, by default the one beside the service in its bento.
        most_rows: `DRIFTGATE_MAX_ROWS` of one request.
        most_bytes: `DRIFTGATE_MAX_BYTES` of one body.
        segment_bytes: `DRIFTGATE_SEGMENT_BYTES`, after which the log begins another segment.
        segment_seconds: `DRIFTGATE_SEGMENT_SECONDS`, after which it does too.
        idle_seconds: `DRIFTGATE_IDLE_SECONDS`, within which a connection must bring the whole head of a request.
        most_connections: `DRIFTGATE_MAX_CONNECTIONS` of one process; None: see `connections`.

    `DRIFTGATE_WORKERS` is the number of processes, see `workers`.
    """

    token: str | None
    log: Path | None
    channel: Path | None
    release: Path
    most_rows: int = 10_000
    most_bytes: int = 16 * 2**20
    segment_bytes: int = SEGMENT_BYTES
    segment_seconds: float = SEGMENT_SECONDS
    label_token: str | None = None
    idle_seconds: float = 10.0
    most_connections: int | None = None

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read and check the environment.

        Raises:
            DriftgateError: If token or log are missing, or a value is not what it should be; no value is repeated.
        """
        log, channel = environment.get("DRIFTGATE_LOG"), environment.get("DRIFTGATE_CHANNEL")
        if not log:
            raise DriftgateError(
                "DRIFTGATE_LOG is not set.",
                "Name the folder that every prediction is written to, or say `none` to keep nothing.",
            )
        token = _token(environment)
        return cls(
            token=token,
            label_token=_label_token(environment, token),
            idle_seconds=_whole(environment, "DRIFTGATE_IDLE_SECONDS", int(cls.idle_seconds)),
            most_connections=_most_connections(environment),
            log=None if log == "none" else _path("DRIFTGATE_LOG", log),
            channel=_path("DRIFTGATE_CHANNEL", channel) if channel else None,
            release=_path("DRIFTGATE_RELEASE", environment.get("DRIFTGATE_RELEASE") or str(PACKAGED)),
            most_rows=_whole(environment, "DRIFTGATE_MAX_ROWS", cls.most_rows),
            most_bytes=_whole(environment, "DRIFTGATE_MAX_BYTES", cls.most_bytes),
            segment_bytes=_whole(environment, "DRIFTGATE_SEGMENT_BYTES", cls.segment_bytes),
            segment_seconds=_whole(environment, "DRIFTGATE_SEGMENT_SECONDS", int(cls.segment_seconds)),
        )

    @property
    def connections(self) -> int:
        """How many connections one process may hold: by default three quarters of the files that it may open, 4,096 at most."""
        return self.most_connections or min(connections_allowed(), MOST_BY_DEFAULT)


def require_loopback(arguments: Sequence[str] = sys.argv, environment: Mapping[str, str] = os.environ) -> None:
    """Refuse to serve without a token where the command line, or `BENTOML_HOST`, asks for more than this machine.

    Raises:
        DriftgateError: If it does.
    """
    host = environment.get("BENTOML_HOST", "127.0.0.1")
    for at, argument in enumerate(arguments):
        if argument == "--host":
            host = (*arguments[at + 1 : at + 2], host)[0]
        elif argument.startswith("--host="):
            host = argument.removeprefix("--host=")
    if not is_loopback(host):
        raise DriftgateError(
            f"Without a token the service answers on this machine only, not on {host}.",
            "Set DRIFTGATE_TOKEN, or serve on 127.0.0.1.",
        )


def workers(environment: Mapping[str, str] = os.environ) -> int:
    """`DRIFTGATE_WORKERS`, the number of processes that answer; by default 1.

    Raises:
        DriftgateError: If it is no whole number above 0.
    """
    return _whole(environment, "DRIFTGATE_WORKERS", 1)


@functools.lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether an address is one of this machine's own."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _path(name: str, text: str) -> Path:
    if not Path(text).is_absolute():
        # BentoML changes the working folder before this is read.
        raise DriftgateError(f"{name} is no absolute path.", f"Give the whole path, as in {name}=$PWD/….")
    return Path(text)


def _token(environment: Mapping[str, str]) -> str | None:
    token = environment.get("DRIFTGATE_TOKEN", "")
    if not token:
        if environment.get("DRIFTGATE_INSECURE") == "1":
            return None
        raise DriftgateError(
            "DRIFTGATE_TOKEN is not set.",
            "Set it to a secret that callers bear; to try the service on this machine alone, set DRIFTGATE_INSECURE=1.",
        )
    return _checked("DRIFTGATE_TOKEN", token)


def _label_token(environment: Mapping[str, str], token: str | None) -> str | None:
    found = environment.get("DRIFTGATE_LABEL_TOKEN")
    if not found:
        return None
    if found == token:
        raise DriftgateError(
            "DRIFTGATE_LABEL_TOKEN is the same as DRIFTGATE_TOKEN.",
            "Set another secret, which only those who send labels have, or leave it out.",
        )
    return _checked("DRIFTGATE_LABEL_TOKEN", found)


def _checked(name: str, token: str) -> str:
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise DriftgateError(
            f"{name} is no token: it needs {LEAST_TOKEN} printable ASCII characters or more, without spaces.",
            'Make one with `python -c "import secrets; print(secrets.token_urlsafe(32))"`.',
        )
    return token


def _most_connections(environment: Mapping[str, str]) -> int | None:
    """`DRIFTGATE_MAX_CONNECTIONS`, checked against the files that this process may have open."""
    if "DRIFTGATE_MAX_CONNECTIONS" not in environment:
        return None
    allowed = connections_allowed()
    found = _whole(environment, "DRIFTGATE_MAX_CONNECTIONS", MOST_BY_DEFAULT)
    if found > allowed:
        raise DriftgateError(
            f"DRIFTGATE_MAX_CONNECTIONS is above {allowed:,}, the most that the limit of open files allows here.",
            "Raise `ulimit -n`, or leave it out.",
        )
    return found


def connections_allowed() -> int:
    """How many connections a process may hold, by its limit of open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(1, min(int(soft * SHARE_OF_DESCRIPTORS), soft - OTHER_DESCRIPTORS))


def _whole(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise DriftgateError(f"{name} is not a whole number above 0.", f"Leave it out for {default:,}.")
    return int(text)

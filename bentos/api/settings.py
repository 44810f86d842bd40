"""All settings of the service. They are environment variables."""

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
SHARE_OF_DESCRIPTORS = 0.75  # the share for connections; the rest is for the log, the model and other files
OTHER_DESCRIPTORS = 64  # the minimum left for other files; a running service has about 25 open
MOST_BY_DEFAULT = 4096  # the default maximum of connections of one process, even if its limit of open files is higher
PACKAGED = Path(__file__).resolve().parents[2] / "release"


@dataclass(frozen=True)
class Settings:
    """The settings of the service; docs/reference/settings.md explains each.

    Args:
        token: `DRIFTGATE_TOKEN`, which requests need. None (`DRIFTGATE_INSECURE=1`): requests need no token, but must
            come from this machine.
        label_token: `DRIFTGATE_LABEL_TOKEN`, the separate token of `/feedback`. None: `/feedback` requires `token`.
        log: `DRIFTGATE_LOG`, the folder of the prediction log. None (`none`): nothing is logged.
        channel: `DRIFTGATE_CHANNEL`, the document to follow. None: the packaged release is served.
        release: `DRIFTGATE_RELEASE`, the release's folder, by default the one in the service's bento.
        most_rows: `DRIFTGATE_MAX_ROWS`, the maximum number of rows in one request.
        most_bytes: `DRIFTGATE_MAX_BYTES`, the maximum size of one body.
        segment_bytes: `DRIFTGATE_SEGMENT_BYTES`, the size after which the log starts a new segment.
        segment_seconds: `DRIFTGATE_SEGMENT_SECONDS`, the time after which the log starts a new segment.
        idle_seconds: `DRIFTGATE_IDLE_SECONDS`, the time limit for the whole head of a request.
        most_connections: `DRIFTGATE_MAX_CONNECTIONS`, the maximum for one process. None: see `connections`.

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
            DriftgateError: If the token or the log is missing, or a value is invalid. Errors don't contain values.
        """
        log, channel = environment.get("DRIFTGATE_LOG"), environment.get("DRIFTGATE_CHANNEL")
        if not log:
            raise DriftgateError(
                "DRIFTGATE_LOG is not set.",
                "Set it to a folder for the prediction log, or to `none` to log nothing.",
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
        """The maximum number of connections of one process. By default 75 % of its open-file limit, at most 4,096."""
        return self.most_connections or min(connections_allowed(), MOST_BY_DEFAULT)


def require_loopback(arguments: Sequence[str] = sys.argv, environment: Mapping[str, str] = os.environ) -> None:
    """Check that a service without a token listens only on this machine.

    Raises:
        DriftgateError: If `--host` or `BENTOML_HOST` is not a loopback address.
    """
    host = environment.get("BENTOML_HOST", "127.0.0.1")
    for at, argument in enumerate(arguments):
        if argument == "--host":
            host = (*arguments[at + 1 : at + 2], host)[0]
        elif argument.startswith("--host="):
            host = argument.removeprefix("--host=")
    if not is_loopback(host):
        raise DriftgateError(
            f"Without a token, the service can listen only on this machine, not on {host}.",
            "Set DRIFTGATE_TOKEN, or serve on 127.0.0.1.",
        )


def workers(environment: Mapping[str, str] = os.environ) -> int:
    """`DRIFTGATE_WORKERS`, the number of worker processes; the default is 1.

    Raises:
        DriftgateError: If it is not a whole number above 0.
    """
    return _whole(environment, "DRIFTGATE_WORKERS", 1)


@functools.lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether a host is a loopback address of this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _path(name: str, text: str) -> Path:
    if not Path(text).is_absolute():
        # BentoML changes the working folder before this is read.
        raise DriftgateError(f"{name} is not an absolute path.", f"Set it to an absolute path, such as {name}=$PWD/….")
    return Path(text)


def _token(environment: Mapping[str, str]) -> str | None:
    token = environment.get("DRIFTGATE_TOKEN", "")
    if not token:
        if environment.get("DRIFTGATE_INSECURE") == "1":
            return None
        raise DriftgateError(
            "DRIFTGATE_TOKEN is not set.",
            "Set it to a secret for your callers. To try the service on this machine only, set DRIFTGATE_INSECURE=1.",
        )
    return _checked("DRIFTGATE_TOKEN", token)


def _label_token(environment: Mapping[str, str], token: str | None) -> str | None:
    found = environment.get("DRIFTGATE_LABEL_TOKEN")
    if not found:
        return None
    if found == token:
        raise DriftgateError(
            "DRIFTGATE_LABEL_TOKEN is the same as DRIFTGATE_TOKEN.",
            "Set it to a different secret for the senders of labels, or unset it.",
        )
    return _checked("DRIFTGATE_LABEL_TOKEN", found)


def _checked(name: str, token: str) -> str:
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise DriftgateError(
            f"{name} is not valid: a token needs at least {LEAST_TOKEN} printable ASCII characters, without spaces.",
            'Create one with `python -c "import secrets; print(secrets.token_urlsafe(32))"`.',
        )
    return token


def _most_connections(environment: Mapping[str, str]) -> int | None:
    """Read `DRIFTGATE_MAX_CONNECTIONS`, and check that this process can open enough files for it."""
    if "DRIFTGATE_MAX_CONNECTIONS" not in environment:
        return None
    allowed = connections_allowed()
    found = _whole(environment, "DRIFTGATE_MAX_CONNECTIONS", MOST_BY_DEFAULT)
    if found > allowed:
        raise DriftgateError(
            f"DRIFTGATE_MAX_CONNECTIONS is above {allowed:,}, the most that the limit of open files allows here.",
            "Raise the limit with `ulimit -n`, or unset the variable.",
        )
    return found


def connections_allowed() -> int:
    """The number of connections that the open-file limit of a process allows."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(1, min(int(soft * SHARE_OF_DESCRIPTORS), soft - OTHER_DESCRIPTORS))


def _whole(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise DriftgateError(
            f"{name} is not a whole number above 0.", f"Set a number, or unset it for the default of {default:,}."
        )
    return int(text)

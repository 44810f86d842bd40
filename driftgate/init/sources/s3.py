"""Copy a table from S3 to a temporary folder, where it is read like any other."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from driftgate.errors import DriftgateError, first_line
from driftgate.init.sources.base import CHANGED_REMEDY, PARQUET_SUFFIXES

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
ENDPOINT = "AWS_ENDPOINT_URL"


class Download:
    """A copy of an object, or of the Parquet objects below a prefix. `close` removes it.

    Args:
        address: `s3://bucket/key`.

    Attributes:
        path: The file or folder.

    Raises:
        DriftgateError: If S3 refuses, there is nothing at the address, or it changed while it was copied.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._files = _file_system()
        bucket, _, key = address.removeprefix("s3://").partition("/")
        if not bucket or not key.strip("/"):
            raise DriftgateError(f"{address} names no object.", "Write s3://BUCKET/KEY, for a file or a folder.")
        self._root = f"{bucket}/{key}".rstrip("/")
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._tags = self._call(self._found)
        self._folder = tempfile.TemporaryDirectory(prefix="driftgate-")
        self.path = Path(self._folder.name) / PurePosixPath(self._root).name
        try:
            self._call(self._copy)
            self.require_unchanged()
        except BaseException:
            self.close()
            raise

    def require_unchanged(self) -> None:
        """Compare the objects with those that were copied.

        Raises:
            DriftgateError: If they changed.
        """
        if self._call(self._found) != self._tags:
            raise DriftgateError(f"{self._address} changed while it was read.", CHANGED_REMEDY)

    def close(self) -> None:
        """Remove the copy."""
        if self._folder is not None:
            self._folder.cleanup()

    def _found(self) -> dict[str, tuple[int, str]]:
        """Size and ETag of each object."""
        self._files.invalidate_cache()
        below = self._files.find(self._root, detail=True)
        files = {path: info for path, info in below.items() if info["type"] == "file"}
        if self._root not in files:
            files = {path: info for path, info in files.items() if path.lower().endswith(PARQUET_SUFFIXES)}
        if not files:
            raise DriftgateError(
                f"There is no object {self._address}, and no Parquet object below it.", "Correct the address."
            )
        return {path: (int(info["size"] or 0), str(info.get("ETag"))) for path, info in files.items()}

    def _copy(self) -> None:
        size, free = sum(size for size, _ in self._tags.values()), shutil.disk_usage(tempfile.gettempdir()).free
        if size > 0.9 * free:
            raise DriftgateError(
                f"{self._address} has {size / 1e9:.1f} GB, and {tempfile.gettempdir()} has only {free / 1e9:.1f} GB free.",
                "Free disk space, or point TMPDIR at another disk.",
            )
        for remote in self._tags:
            local = self.path if remote == self._root else self.path / PurePosixPath(remote).relative_to(self._root)
            local.parent.mkdir(parents=True, exist_ok=True)
            self._files.get_file(remote, str(local))

    def _call(self, act: Any) -> Any:
        """Call S3, and turn its errors into errors that a user can fix."""
        from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

        endpoint = f" at {os.environ[ENDPOINT]}" if os.environ.get(ENDPOINT) else ""
        try:
            return act()
        except (NoCredentialsError, PermissionError) as error:
            refused = isinstance(error, PermissionError)
            what = f"S3{endpoint} refuses it" if refused else "there are no credentials"
            raise DriftgateError(
                f"{self._address} can't be read: {what}.",
                f"Set {KEYS[0]} and {KEYS[1]}{'' if endpoint else f' (and {ENDPOINT} for a server other than AWS)'}.",
            ) from error
        except FileNotFoundError as error:
            raise DriftgateError(
                f"There is no {self._address}{endpoint}.", "Correct the bucket and the key of the address."
            ) from error
        except (EndpointConnectionError, ConnectionError, TimeoutError) as error:
            raise DriftgateError(
                f"S3{endpoint} can't be reached: {first_line(error)}.", f"Check the network and {ENDPOINT}."
            ) from error
        except (BotoCoreError, ClientError, OSError, ValueError) as error:
            raise DriftgateError(
                f"{self._address} can't be read: {first_line(error)}.",
                f"Check the address, {KEYS[0]}, {KEYS[1]} and {ENDPOINT}.",
            ) from error


def _file_system() -> Any:
    try:
        import s3fs
    except ModuleNotFoundError as error:
        raise DriftgateError(
            "Reading from S3 needs the package s3fs, which is not installed.", "Install it with `uv sync --extra s3`."
        ) from error
    # One try after the first, so that a wrong address is reported at once.
    settings = {"retries": {"max_attempts": 1}, "connect_timeout": 10, "read_timeout": 60}
    return s3fs.S3FileSystem(
        endpoint_url=os.environ.get(ENDPOINT),
        config_kwargs=settings,
        use_listings_cache=False,
        skip_instance_cache=True,
    )

"""The file in which DVC records the expected version of a problem's data: `dvc.lock`, or the `.dvc` file next to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driftgate.config import Problem
from driftgate.errors import DriftgateError
from driftgate.git import output
from driftgate.workspace import PROJECT, show_path


@dataclass(frozen=True)
class Promise:
    """One version of a data file: the md5 and the size in bytes that DVC recorded."""

    md5: str
    size: int | None


@dataclass(frozen=True)
class Pointer:
    """The file that names the expected version of the data.

    Args:
        file: `dvc.lock`, or the `.dvc` file; it need not exist.
        data: The data file, an absolute path.
        stage: The stage of `dvc.lock` that builds the data; None for a `.dvc` file.
        root: The DVC repository; None if the data is not in one.
    """

    file: Path
    data: Path
    stage: str | None
    root: Path | None

    @classmethod
    def of(cls, problem: Problem) -> Pointer:
        """The pointer of a problem's data file."""
        data = problem.data_path
        if problem.data.stage:
            return cls(file=PROJECT / "dvc.lock", data=data, stage=problem.data.stage, root=PROJECT)
        root = next((folder for folder in data.parents if (folder / ".dvc").is_dir()), None)
        return cls(file=data.with_name(data.name + ".dvc"), data=data, stage=None, root=root)

    def promised(self) -> Promise | None:
        """The version that is recorded now; None if DVC doesn't track the file.

        Raises:
            DriftgateError: If the pointer can't be read.
        """
        return self.promise_in(self.file.read_text(encoding="utf-8")) if self.file.exists() else None

    def text_at(self, commit: str) -> str | None:
        """The content of this file in a commit; None if the commit doesn't have it."""
        if self.root is None:
            return None
        found = output(self.root, "show", f"{commit}:./{self.file.relative_to(self.root).as_posix()}")
        return None if found is None else found + "\n"

    def promise_in(self, text: str) -> Promise | None:
        """The version that the content of a pointer file records for the data file.

        Raises:
            DriftgateError: If the content is not in DVC's format.
        """
        import yaml

        try:
            found = self._out(yaml.safe_load(text))
            return None if found is None else Promise(md5=str(found["md5"]), size=found.get("size"))
        except (yaml.YAMLError, AttributeError, KeyError, TypeError, IndexError) as error:
            raise DriftgateError(
                f"{show_path(self.file)} is not in DVC's format.",
                "Restore it, for example with `git checkout`; a merge may have left conflict markers in it.",
            ) from error

    def rewritten(self, promise: Promise, *, without: str | None = None) -> str:
        """The content of the pointer file with another version for the data file, and otherwise unchanged.

        Args:
            promise: The version to record.
            without: The content to start from if the pointer file doesn't exist.

        Raises:
            DriftgateError: If `dvc.lock` has no entry for the stage.
        """
        from dvc.utils.serialize import dumps_yaml, parse_yaml_for_update

        text = self.file.read_text(encoding="utf-8") if self.file.exists() else without
        if text is None and self.stage is None:
            text = f"outs:\n- md5: ''\n  hash: md5\n  path: {self.data.name}\n"
        content = parse_yaml_for_update(text or "", str(self.file))
        out = self._out(content)
        if out is None:
            raise DriftgateError(
                f"dvc.lock has no entry for {show_path(self.data)} of stage {self.stage!r} yet.",
                f"Build it with `dvc repro {self.stage}`, and commit dvc.lock.",
            )
        out["md5"] = promise.md5
        out["size"] = promise.size
        return str(dumps_yaml(content))

    def _out(self, content: Any) -> Any:
        if self.stage is None:
            return content["outs"][0]
        outs = ((content or {}).get("stages") or {}).get(self.stage, {}).get("outs", [])
        return next((out for out in outs if self.file.parent / out["path"] == self.data), None)

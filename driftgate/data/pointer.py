"""Where DVC writes down which version of a problem's data file is promised: `dvc.lock`, or the `.dvc` file beside it."""

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
    """One version of a data file, by the md5 and the size in bytes that DVC knows it by."""

    md5: str
    size: int | None


@dataclass(frozen=True)
class Pointer:
    """The file that promises a version of the data.

    Args:
        file: `dvc.lock`, or the `.dvc` file; it need not exist.
        data: The data file, absolute.
        stage: The stage of `dvc.lock` that builds it; None for a `.dvc` file.
        root: The DVC repository; None where the data lies in none.
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
        """What is promised now; None where DVC doesn't track the file.

        Raises:
            DriftgateError: If the pointer can't be read.
        """
        return self.promise_in(self.file.read_text(encoding="utf-8")) if self.file.exists() else None

    def text_at(self, commit: str) -> str | None:
        """The pointer's content in a commit; None where it had none."""
        if self.root is None:
            return None
        found = output(self.root, "show", f"{commit}:./{self.file.relative_to(self.root).as_posix()}")
        return None if found is None else found + "\n"

    def promise_in(self, text: str) -> Promise | None:
        """What a pointer's content promises for this file.

        Raises:
            DriftgateError: If it is not what DVC writes.
        """
        import yaml

        try:
            found = self._out(yaml.safe_load(text))
            return None if found is None else Promise(md5=str(found["md5"]), size=found.get("size"))
        except (yaml.YAMLError, AttributeError, KeyError, TypeError, IndexError) as error:
            raise DriftgateError(
                f"{show_path(self.file)} is not as DVC writes it.",
                "Restore it, such as with `git checkout`; a merge may have left its marks in it.",
            ) from error

    def rewritten(self, promise: Promise, *, without: str | None = None) -> str:
        """The pointer's content with another promise for this file; all else stays as it is.

        Args:
            promise: The version to name.
            without: The content to start from where there is no pointer now.

        Raises:
            DriftgateError: If `dvc.lock` doesn't know the stage.
        """
        from dvc.utils.serialize import dumps_yaml, parse_yaml_for_update

        text = self.file.read_text(encoding="utf-8") if self.file.exists() else without
        if text is None and self.stage is None:
            text = f"outs:\n- md5: ''\n  hash: md5\n  path: {self.data.name}\n"
        content = parse_yaml_for_update(text or "", str(self.file))
        out = self._out(content)
        if out is None:
            raise DriftgateError(
                f"dvc.lock doesn't know {show_path(self.data)} of stage {self.stage!r} yet.",
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

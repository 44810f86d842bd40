"""An empty path, as of a variable that isn't set, is refused: it would name the working folder."""

import pytest
from click.testing import CliRunner

from cli.main import main

COMMANDS = [
    ["predictions", "--log", ""], ["predictions", "--out", ""], ["contract", "--config", ""], ["drift", "--current", ""],
    ["drift", "--log", ""], ["data", "add", ""], ["experiment", "status", "--log", ""], ["contract", "--evidence", ""],
]  # fmt: skip


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_empty_path_is_refused(arguments: list[str]) -> None:
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 2
    assert "The path is empty." in found.output

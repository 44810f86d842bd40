"""The reference of the problem file describes every key, with its default."""

import re

import pytest
from pydantic import BaseModel

from driftgate import config, contract
from tests.docs.markdown import inline_code, read_page

PAGE = "docs/reference/problem-file.md"
SECTIONS: dict[str, tuple[type[BaseModel], ...]] = {
    "data": (config.Data,),
    "target": (config.Target,),
    "contract": (contract.Column,),
    "split": (config.TimeSplit, config.RandomSplit),
    "tuning": (config.Tuning, config.Candidate, config.Range),
    "calibration": (config.Calibration,),
    "gate": (config.Gate, config.ChampionLimit, config.SliceLimit, config.CalibrationLimit, config.LeakageLimit),
    "gate.drift": (config.DriftRule,),
}


def sections(text: str) -> dict[str, str]:
    """What stands below each heading of the page."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def faults(section: str, models: tuple[type[BaseModel], ...]) -> list[str]:
    """Keys that a section doesn't describe, and numbers that it gives another default."""
    named = set(re.findall(r"\w+", " ".join(inline_code(section))))
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", section, re.MULTILINE))
    found = []
    for model in models:
        for key, field in model.model_fields.items():
            default = field.default
            if key not in named:
                found.append(f"{key} is not described")
            elif isinstance(default, int | float) and not isinstance(default, bool) and key in rows:
                numbers = [float(number) for number in re.findall(r"\d[\d.e-]*", rows[key])]
                if default not in numbers:
                    found.append(f"{key} has the default {default}, not {rows[key]}")
    return found


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_is_described(name: str) -> None:
    assert faults(sections(read_page(PAGE))[name], SECTIONS[name]) == []


def test_every_part_of_a_problem_has_a_section_or_a_row() -> None:
    found = sections(read_page(PAGE))
    described = {*found, *inline_code(found["Top level"])}
    assert [key for key in config.Problem.model_fields if key not in described] == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("| `low` | the end | required |\n| `high` | the other | required |\n", "log is not described"),
        ("| `z` | how many | 3 |\n", "z has the default 3.5, not 3"),
    ],
)
def test_missing_key_and_wrong_default_are_found(text: str, fault: str) -> None:
    table = f"| key | meaning | default |\n| --- | --- | --- |\n{text}"
    assert fault in faults(table, (config.Range, config.DriftRule))

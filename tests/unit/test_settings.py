"""The service's settings: whatever is missing or wrong is named, and never shown."""

import pytest

from bentos.api.settings import Settings, require_loopback
from driftgate.errors import DriftgateError
from tests.unit.test_api import TOKEN

GOOD = {"DRIFTGATE_TOKEN": TOKEN, "DRIFTGATE_LOG": "/srv/log"}
WRONG = {
    "no token": {"DRIFTGATE_TOKEN": ""},
    "short token": {"DRIFTGATE_TOKEN": "short"},
    "token with a space": {"DRIFTGATE_TOKEN": "a token for tests only"},
    "no log": {"DRIFTGATE_LOG": ""},
    "relative log": {"DRIFTGATE_LOG": "log"},
    "relative channel": {"DRIFTGATE_CHANNEL": "channel.json"},
    "no number": {"DRIFTGATE_MAX_ROWS": "many"},
    "zero": {"DRIFTGATE_MAX_BYTES": "0"},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_setting_that_is_missing_or_wrong_is_named_and_never_shown(name: str) -> None:
    assert Settings.read(GOOD).token == TOKEN
    ((key, value),) = WRONG[name].items()
    with pytest.raises(DriftgateError) as raised:
        Settings.read({**GOOD, **WRONG[name]})
    assert key in raised.value.cause
    assert len(value) < 2 or value not in str(raised.value).replace(key, "")


def test_insecure_is_for_this_machine_alone() -> None:
    assert Settings.read({"DRIFTGATE_INSECURE": "1", "DRIFTGATE_LOG": "none"}) == Settings(
        token=None, log=None, channel=None, release=Settings.read(GOOD).release
    )
    require_loopback(["serve", "x"], {})
    require_loopback(["serve", "x", "--host", "127.0.0.1"], {})
    for arguments, environment in (
        (["serve", "--host", "0.0.0.0"], {}),  # noqa: S104
        (["serve", "--host=::"], {}),
        (["serve"], {"BENTOML_HOST": "192.0.2.1"}),
    ):
        with pytest.raises(DriftgateError, match="this machine only"):
            require_loopback(arguments, environment)

"""The service's settings: whatever is missing or wrong is named, and never shown."""

import resource

import pytest

from bentos.api.settings import MOST_BY_DEFAULT, SHARE_OF_DESCRIPTORS, Settings, require_loopback
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
    "short label token": {"DRIFTGATE_LABEL_TOKEN": "short"},
    "label token that is the other one": {"DRIFTGATE_LABEL_TOKEN": TOKEN},
    "no time": {"DRIFTGATE_IDLE_SECONDS": "soon"},
    "more connections than files": {"DRIFTGATE_MAX_CONNECTIONS": str(10**12)},
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
        with pytest.raises(DriftgateError, match="only on this machine"):
            require_loopback(arguments, environment)


def test_connections_stay_well_below_the_files_that_may_be_open() -> None:
    was = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        for files, expected in (
            (1024, 768),
            (256, 192),
            (100, 36),
            (10, 1),
            (was[1], min(MOST_BY_DEFAULT, int(was[1] * SHARE_OF_DESCRIPTORS))),
        ):
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, was[1]))
            assert Settings.read(GOOD).connections == expected
        assert Settings.read({**GOOD, "DRIFTGATE_MAX_CONNECTIONS": "100"}).connections == 100
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, was)

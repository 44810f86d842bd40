"""The families of models as test parameters; those whose library is not installed are skipped."""

import pytest

from driftgate.training.families.catalog import FAMILY_NAMES, installed

FAMILIES = [
    pytest.param(family, marks=pytest.mark.skipif(not installed(family), reason="an extra")) for family in FAMILY_NAMES
]

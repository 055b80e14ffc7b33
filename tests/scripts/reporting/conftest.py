"""An account to report on."""

from __future__ import annotations

import pytest

from tests.scripts.reporting.account import Account


@pytest.fixture
def account(aws: None) -> Account:
    del aws
    return Account()

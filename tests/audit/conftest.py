from __future__ import annotations

import pytest

from tests.components.recorder import Deployment, deployed


@pytest.fixture
def stack() -> Deployment:
    """The stack as the defaults make it."""
    return deployed()

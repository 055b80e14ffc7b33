"""Worlds for the functions to live in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.world import World, new_world


@pytest.fixture
def world() -> Iterator[World]:
    """A world with the stack's defaults: 80 days, 5 days' grace, encryption, SES."""
    with new_world() as world:
        yield world


@pytest.fixture
def plain_world() -> Iterator[World]:
    """A world in which secrets are mailed as they are."""
    with new_world(ENCRYPT_KEY_PAIR="false") as world:
        yield world

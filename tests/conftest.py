"""Lets all sessions of boto3 read its descriptions of AWS once, and says at the end how many faults were tried."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from unittest import mock

import pytest
from botocore.loaders import create_loader
from hypothesis import HealthCheck, settings

# A slow machine fails no property.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(scope="session", autouse=True)
def one_loader() -> Iterator[None]:
    """Share what every session would read from the same files anew: in many tests, that is most of the work."""
    with mock.patch("botocore.session.create_loader", cache(create_loader)):
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Add up what the tests have recorded, over all worker processes."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    points = [
        value
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "fault points" and getattr(report, "when", None) == "call"
    ]
    if points:
        terminalreporter.write_line(f"faults: {sum(points)} lives lived, each with one fault, in {len(points)} tests")

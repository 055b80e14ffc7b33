"""What holds for all tests: boto3 reads its descriptions of AWS once, Ctrl-C is heard, and faults are counted."""

from __future__ import annotations

import signal
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


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """Let the processes that tests start listen to Ctrl-C.

    What a shell starts in its background ignores that signal, and so does all that is started by it in turn; a CI may
    start the tests so.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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

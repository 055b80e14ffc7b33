"""Says at the end how many faults were tried."""

from __future__ import annotations

import pytest


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

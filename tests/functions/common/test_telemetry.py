from __future__ import annotations

import ast
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from functions.common import telemetry
from tests.components.recorder import deployed
from tests.simulation.world import context

FUNCTIONS = Path(telemetry.__file__).parents[1]
SHARED = ("common", "mail")


pytestmark = pytest.mark.usefixtures("world")


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def counted_by(function: str) -> set[str]:
    """Read from a function's source which metrics it counts."""
    return {
        str(name.value)
        for folder in (function, *SHARED)
        for module in (FUNCTIONS / folder).glob("*.py")
        for call in ast.walk(ast.parse(module.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "telemetry.count"
        for name in ast.walk(call.args[0])
        if isinstance(name, ast.Constant)
    }


def test_line_is_an_event_with_its_fields_and_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    invocation = context()
    telemetry.begin(invocation)

    telemetry.info("rotated", user="alice")
    telemetry.warning("tag_ignored", user="bob")
    telemetry.error("user_failed", user="carol")

    lines = written(capsys)
    assert [(line["level"], line["message"], line["user"]) for line in lines] == [
        ("INFO", "rotated", "alice"),
        ("WARNING", "tag_ignored", "bob"),
        ("ERROR", "user_failed", "carol"),
    ]
    assert {line["run"] for line in lines} == {invocation.aws_request_id}


def test_metric_stands_under_the_namespace_and_the_service(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "iam-key-rotator-rotator")

    telemetry.count("Rotated", 2)
    telemetry.count("Rotated")
    telemetry.flush()

    (line,) = written(capsys)
    (metrics,) = line["_aws"]["CloudWatchMetrics"]
    assert (metrics["Namespace"], metrics["Dimensions"]) == (telemetry.NAMESPACE, [["service"]])
    assert metrics["Metrics"] == [{"Name": "Rotated", "Unit": "Count"}]
    assert (line["service"], sum(line["Rotated"])) == ("iam-key-rotator-rotator", 3)


def test_metrics_are_written_once(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.count("Rotated")
    telemetry.flush()

    telemetry.flush()

    assert len(written(capsys)) == 1


def test_alarms_watch_only_what_the_functions_count() -> None:
    """An alarm on a metric that nobody counts is silent for ever."""
    alarms = [alarm.inputs for alarm in deployed().all("aws:cloudwatch/metricAlarm:MetricAlarm")]
    custom = [alarm for alarm in alarms if not alarm["namespace"].startswith("AWS/")]

    assert {alarm["namespace"] for alarm in custom} == {telemetry.NAMESPACE}
    watched = {(alarm["dimensions"]["service"], alarm["metricName"]) for alarm in custom}
    assert len(watched) >= 5
    assert [
        (service, metric) for service, metric in watched if metric not in counted_by(service.rpartition("-")[2])
    ] == []


@pytest.mark.parametrize(
    "logger", ["botocore.endpoint", "botocore.parsers", "boto3.resources", "urllib3.connectionpool", "requests"]
)
def test_libraries_tell_no_more_than_warnings_whatever_the_level(logger: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.NOTSET, logger.partition(".")[0])
    assert logging.getLogger(logger).isEnabledFor(logging.DEBUG)

    telemetry.begin(context())

    assert not logging.getLogger(logger).isEnabledFor(logging.INFO)
    assert logging.getLogger(logger).isEnabledFor(logging.WARNING)

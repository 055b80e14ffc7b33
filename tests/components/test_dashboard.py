"""The dashboard: what is not on it, nobody sees."""

from __future__ import annotations

import ast
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.components.recorder import Deployment, deployed, deployed_in

DASHBOARD = "aws:cloudwatch/dashboard:Dashboard"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
FUNCTIONS = Path(__file__).parents[2] / "functions"


def widgets(stack: Deployment) -> list[dict[str, Any]]:
    body = json.loads(stack.one(DASHBOARD, "dashboard-dashboard").inputs["dashboardBody"])
    shown: list[dict[str, Any]] = body["widgets"]
    return shown


def metrics(stack: Deployment) -> list[list[str]]:
    return [metric for widget in widgets(stack) for metric in widget["properties"].get("metrics", [])]


@pytest.mark.parametrize("schedule", ["rate(1 day)", "rate(30 days)"])
def test_every_alarm_is_on_it(schedule: str) -> None:
    """With a rare schedule there is no alarm for silence, and none is shown."""
    stack = deployed(schedule=schedule, namePrefix="keys")

    (shown,) = [widget["properties"]["alarms"] for widget in widgets(stack) if widget["type"] == "alarm"]

    made = [f"arn:aws:cloudwatch:eu-central-1:111122223333:alarm:{a.inputs['name']}" for a in stack.all(ALARM)]
    assert sorted(shown) == sorted(made)


def test_every_metric_that_a_function_counts_is_on_it(stack: Deployment) -> None:
    """Of a metric that nobody charts, nobody learns anything."""
    counted = {
        word.value
        for path in FUNCTIONS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "count"
        for argument in node.args[:1]
        for word in ast.walk(argument)
        if isinstance(word, ast.Constant)
    }

    assert len(counted) > 5
    assert counted - {name for _, name, *_ in metrics(stack)} == set()


def test_metrics_are_those_of_this_stacks_functions() -> None:
    stack = deployed(namePrefix="keys")

    assert {(space, dimension) for space, _, dimension, _ in metrics(stack)} == {("iam-key-rotator", "service")}
    shown = {(name, service) for _, name, _, service in metrics(stack)}
    rotator, destructor = (stack.environment(role)["POWERTOOLS_SERVICE_NAME"] for role in ("rotator", "destructor"))
    assert {("Rotated", rotator), ("Destroyed", destructor), ("Postponed", destructor)} <= shown
    assert {("Reminded", rotator), ("Reminded", destructor)} <= shown, "before the end of the grace, and after it"


def test_age_that_auditors_check_is_drawn() -> None:
    stack = deployed(auditDays="60")

    (age,) = [widget for widget in widgets(stack) if "annotations" in widget["properties"]]

    assert age["properties"]["annotations"] == {"horizontal": [{"label": "audits", "value": 60}]}


def test_charts_are_of_the_stacks_region() -> None:
    stack = deployed_in("aws-cn")

    regions = {widget["properties"]["region"] for widget in widgets(stack) if widget["type"] == "metric"}
    assert regions == {"cn-north-1"}


def test_widgets_lie_side_by_side(stack: Deployment) -> None:
    """CloudWatch refuses a dashboard that is wider than 24 columns, and stacks widgets that overlap as it likes."""
    places = [{(x, y) for x in _span(w, "x", "width") for y in _span(w, "y", "height")} for w in widgets(stack)]

    assert all(0 <= x < 24 for place in places for x, _ in place)
    assert [pair for pair in combinations(places, 2) if pair[0] & pair[1]] == []


def _span(widget: dict[str, Any], start: str, length: str) -> range:
    return range(widget[start], widget[start] + widget[length])

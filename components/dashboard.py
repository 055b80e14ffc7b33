"""The dashboard: every alarm, and every metric that the functions count, on one page.

What the functions count is written in their code, and listed in the README; a metric that nobody counted stays empty.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.key_function import METRICS_NAMESPACE

_DAY_SECONDS = 24 * 60 * 60
_COLUMNS, _ROWS = 24, 6


@dataclass(frozen=True, kw_only=True)
class DashboardArgs:
    """What is shown: the alarms by their ARNs, and the metrics of the two functions, by these functions' names.

    ``audit_days`` is drawn as a line across the graph of the oldest key's age.
    """

    dashboard_name: str
    region: pulumi.Input[str]
    rotator_name: pulumi.Input[str]
    destructor_name: pulumi.Input[str]
    alarm_arns: Sequence[pulumi.Input[str]]
    audit_days: int


class Dashboard(pulumi.ComponentResource):
    """One page for whoever asks how the keys are."""

    dashboard_name: pulumi.Output[str]

    def __init__(self, name: str, args: DashboardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("iam-key-rotator:index:Dashboard", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        dashboard = aws.cloudwatch.Dashboard(
            f"{name}-dashboard",
            dashboard_name=args.dashboard_name,
            dashboard_body=pulumi.Output.all(
                region=args.region,
                rotator=args.rotator_name,
                destructor=args.destructor_name,
                alarm_arns=pulumi.Output.all(*args.alarm_arns),
            ).apply(lambda known: json.dumps(body(**known, audit_days=args.audit_days))),
            opts=child,
        )
        self.dashboard_name = dashboard.dashboard_name
        self.register_outputs({"dashboard_name": self.dashboard_name})


def body(region: str, rotator: str, destructor: str, alarm_arns: Sequence[str], audit_days: int) -> dict[str, Any]:
    """Lay the page out, as CloudWatch's reference of the dashboard body describes it.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    """
    alarms = {"type": "alarm", "properties": {"title": "Alarms", "alarms": list(alarm_arns)}}
    age = _graph(region, "Oldest key, in days", rotator, ["OldestKeyAgeDays"], statistic="Maximum")
    age["properties"]["annotations"] = {"horizontal": [{"label": "audits", "value": audit_days}]}
    rows = [
        [alarms],
        [
            _graph(
                region,
                "New keys, per day",
                rotator,
                ["Rotated", "Recovered", "TakenBack", "Rearmed", "RotationsFailed"],
            ),
            age,
        ],
        [
            _graph(
                region,
                "Users",
                rotator,
                ["InGrace", "Remaining", "KeysOverdue", "UsersMisconfigured"],
                statistic="Maximum",
            ),
            _reminders_and_ends(region, rotator, destructor),
        ],
        [
            _graph(
                region,
                "Addresses and keys that nobody uses, per day",
                rotator,
                ["AddressesChanged", "MailsReturned", "Dormant"],
            ),
            _graph(
                region,
                "Ledger",
                rotator,
                ["LedgerItemsMalformed", "LedgerOutOfStep"],
                statistic="Maximum",
            ),
        ],
        [
            _graph(
                region,
                "Old keys that stay, per day",
                destructor,
                ["DeletionsFailed", "DeletionsGivenUp", "DeletionsCancelled", "LastKeyProtected"],
            ),
            _graph(region, "Records and mails that failed, per day", destructor, ["RecordsParked", "MailsFailed"]),
        ],
    ]
    return {"widgets": [widget for number, row in enumerate(rows) for widget in _placed(row, number)]}


def _reminders_and_ends(region: str, rotator: str, destructor: str) -> dict[str, Any]:
    graph = _graph(
        region,
        "Old keys that go, per day",
        destructor,
        ["Reminded", "Unconfirmed", "Postponed", "Deactivated", "Reactivated", "Destroyed"],
    )
    graph["properties"]["metrics"].insert(0, _metric(rotator, "Reminded"))
    return graph


def _graph(region: str, title: str, function: str, metrics: Sequence[str], *, statistic: str = "Sum") -> dict[str, Any]:
    return {
        "type": "metric",
        "properties": {
            "title": title,
            "region": region,
            "metrics": [_metric(function, metric) for metric in metrics],
            "stat": statistic,
            "period": _DAY_SECONDS,
            "yAxis": {"left": {"min": 0}},
        },
    }


def _metric(function: str, metric: str) -> list[str]:
    return [METRICS_NAMESPACE, metric, "service", function]


def _placed(row: Sequence[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """Give the widgets of a row equal shares of its width."""
    width = _COLUMNS // len(row)
    return [
        {"x": column * width, "y": number * _ROWS, "width": width, "height": _ROWS, **widget}
        for column, widget in enumerate(row)
    ]

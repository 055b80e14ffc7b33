"""CloudWatch and EventBridge: alarms, the dashboard, log groups, and rules with their targets."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.local_cloud import resources
from scripts.local_cloud.clients import Clients
from scripts.local_cloud.lifecycle.contract import Lifecycle, must_be_there, nothing
from scripts.local_cloud.resources import Inputs


def _metric_alarm() -> Lifecycle:
    def read(root: Clients, id_: str, _inputs: Inputs) -> None:
        found = root.cloudwatch.describe_alarms(AlarmNames=[id_])["MetricAlarms"]
        must_be_there(id_, [each["AlarmName"] for each in found])

    return Lifecycle(
        create=resources.metric_alarm,
        read=read,
        update=resources.metric_alarm,
        delete=lambda root, id_, _: root.cloudwatch.delete_alarms(AlarmNames=[id_]),
        replaced_by=frozenset({"name"}),
    )


def _dashboard() -> Lifecycle:
    return Lifecycle(
        create=resources.dashboard,
        read=lambda root, id_, _: root.cloudwatch.get_dashboard(DashboardName=id_),
        update=resources.dashboard,
        delete=lambda root, id_, _: root.cloudwatch.delete_dashboards(DashboardNames=[id_]),
        replaced_by=frozenset({"dashboardName"}),
        computed=("dashboardArn",),
    )


def _log_group() -> Lifecycle:
    def read(root: Clients, id_: str, _inputs: Inputs) -> None:
        found = root.logs.describe_log_groups(logGroupNamePrefix=id_)["logGroups"]
        must_be_there(id_, [group["logGroupName"] for group in found])

    return Lifecycle(
        create=resources.log_group,
        read=read,
        update=nothing,
        delete=lambda root, id_, _: root.logs.delete_log_group(logGroupName=id_),
        replaced_by=frozenset({"name"}),
    )


def _event_rule() -> Lifecycle:
    return Lifecycle(
        create=resources.event_rule,
        read=lambda root, id_, _: root.events.describe_rule(Name=id_),
        update=resources.event_rule,
        delete=lambda root, id_, _: root.events.delete_rule(Name=id_),
        replaced_by=frozenset({"name", "eventBusName"}),
    )


def _event_target() -> Lifecycle:
    def target(id_: str, inputs: Inputs) -> str:
        return id_.removeprefix(f"{inputs['rule']}-")

    def read(root: Clients, id_: str, inputs: Inputs) -> None:
        found = root.events.list_targets_by_rule(Rule=inputs["rule"])["Targets"]
        must_be_there(target(id_, inputs), [each["Id"] for each in found])

    def update(root: Clients, id_: str, inputs: Inputs) -> None:
        resources.event_target(root, target(id_, inputs), inputs)

    def delete(root: Clients, id_: str, inputs: Inputs) -> None:
        root.events.remove_targets(Rule=inputs["rule"], Ids=[target(id_, inputs)])

    return Lifecycle(
        create=resources.event_target,
        read=read,
        update=update,
        delete=delete,
        replaced_by=frozenset({"rule", "targetId", "eventBusName"}),
    )


TYPES: Mapping[str, Lifecycle] = {
    "aws:cloudwatch/dashboard:Dashboard": _dashboard(),
    "aws:cloudwatch/eventRule:EventRule": _event_rule(),
    "aws:cloudwatch/eventTarget:EventTarget": _event_target(),
    "aws:cloudwatch/logGroup:LogGroup": _log_group(),
    "aws:cloudwatch/metricAlarm:MetricAlarm": _metric_alarm(),
}

"""What becomes of each type of resource after its creation: what changes in place, what replaces it, how it goes.

``resources`` creates; this is the other half of the description. The mock monitor needs only the first half; the engine
needs both, through ``provider``.

What replaces a resource is what the provider marks as ``ForceNew`` in the type's schema. Pulumi's provider is built on
https://github.com/hashicorp/terraform-provider-aws, where each type has a file in ``internal/service/SERVICE``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from scripts.local_cloud import archive, resources
from scripts.local_cloud.clients import Clients
from scripts.local_cloud.resources import Create, Inputs

Read = Callable[[Clients, str, Inputs], object]
"""Looks for a resource by its id; raises the service's error, or ``Gone``, if it is not there."""
Update = Callable[[Clients, str, Inputs], object]
"""Changes a resource in place to what the inputs say."""
Delete = Callable[[Clients, str, Inputs], object]
"""Deletes a resource."""


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """One type of resource.

    Attributes:
        replaced_by: the inputs whose change makes a new resource.
        computed: the outputs that only AWS knows: unknown in a preview that creates the resource.
    """

    create: Create
    read: Read
    update: Update
    delete: Delete
    replaced_by: frozenset[str]
    computed: tuple[str, ...] = ("arn",)


class Gone(Exception):
    """A list of what is there does not name the resource."""


def is_missing(error: ClientError) -> bool:
    """Tell whether a service's error says that the thing is not there; each service has its own word for it."""
    code = error.response.get("Error", {}).get("Code", "")
    return any(word in code for word in ("NotFound", "NonExistent", "NoSuch", "DoesNotExist"))


def _table() -> Lifecycle:
    def update(root: Clients, id_: str, inputs: Inputs) -> None:
        root.dynamodb.update_table(
            TableName=id_, DeletionProtectionEnabled=bool(inputs.get("deletionProtectionEnabled"))
        )

    return Lifecycle(
        create=resources.table,
        read=lambda root, id_, _: root.dynamodb.describe_table(TableName=id_),
        update=update,
        delete=lambda root, id_, _: root.dynamodb.delete_table(TableName=id_),
        replaced_by=frozenset({"name", "hashKey", "rangeKey"}),
        computed=("arn", "streamArn"),
    )


def _parameter() -> Lifecycle:
    def update(root: Clients, id_: str, inputs: Inputs) -> None:
        root.ssm.put_parameter(Name=id_, Type=inputs["type"], Value=inputs["value"], Overwrite=True)

    return Lifecycle(
        create=resources.parameter,
        read=lambda root, id_, _: root.ssm.get_parameter(Name=id_),
        update=update,
        delete=lambda root, id_, _: root.ssm.delete_parameter(Name=id_),
        replaced_by=frozenset({"name", "dataType"}),
        computed=("arn", "version"),
    )


def _role() -> Lifecycle:
    def update(root: Clients, id_: str, inputs: Inputs) -> None:
        root.iam.update_assume_role_policy(RoleName=id_, PolicyDocument=inputs["assumeRolePolicy"])

    return Lifecycle(
        create=resources.role,
        read=lambda root, id_, _: root.iam.get_role(RoleName=id_),
        update=update,
        delete=lambda root, id_, _: root.iam.delete_role(RoleName=id_),
        replaced_by=frozenset({"name", "path"}),
        computed=("arn", "uniqueId"),
    )


def _role_policy() -> Lifecycle:
    def update(root: Clients, id_: str, inputs: Inputs) -> None:
        role, name = id_.split(":")
        root.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=inputs["policy"])

    def read(root: Clients, id_: str, _inputs: Inputs) -> None:
        role, name = id_.split(":")
        root.iam.get_role_policy(RoleName=role, PolicyName=name)

    def delete(root: Clients, id_: str, _inputs: Inputs) -> None:
        role, name = id_.split(":")
        root.iam.delete_role_policy(RoleName=role, PolicyName=name)

    return Lifecycle(
        create=resources.role_policy,
        read=read,
        update=update,
        delete=delete,
        replaced_by=frozenset({"name", "role"}),
        computed=(),
    )


def _policy() -> Lifecycle:
    def update(root: Clients, id_: str, inputs: Inputs) -> None:
        """Make a new default version; IAM keeps five at most, so the others go, as the provider has it."""
        root.iam.create_policy_version(PolicyArn=id_, PolicyDocument=inputs["policy"], SetAsDefault=True)
        _delete_old_versions(root, id_)

    def delete(root: Clients, id_: str, _inputs: Inputs) -> None:
        _delete_old_versions(root, id_)
        root.iam.delete_policy(PolicyArn=id_)

    return Lifecycle(
        create=resources.policy,
        read=lambda root, id_, _: root.iam.get_policy(PolicyArn=id_),
        update=update,
        delete=delete,
        replaced_by=frozenset({"name", "path", "description"}),
        computed=("arn", "policyId"),
    )


def _delete_old_versions(root: Clients, arn: str) -> None:
    for version in root.iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            root.iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])


def _log_group() -> Lifecycle:
    def read(root: Clients, id_: str, _inputs: Inputs) -> None:
        found = root.logs.describe_log_groups(logGroupNamePrefix=id_)["logGroups"]
        _must_be_there(id_, [group["logGroupName"] for group in found])

    return Lifecycle(
        create=resources.log_group,
        read=read,
        update=_nothing,
        delete=lambda root, id_, _: root.logs.delete_log_group(logGroupName=id_),
        replaced_by=frozenset({"name"}),
    )


def _function(dependencies: Path) -> Lifecycle:
    def create(root: Clients, name: str, inputs: Inputs) -> resources.Created:
        return resources.function(root, name, inputs, dependencies=dependencies)

    def update(root: Clients, id_: str, inputs: Inputs) -> None:
        root.functions.update_function_code(
            FunctionName=id_, ZipFile=archive.zipped(inputs["code"], folders={".": dependencies})
        )
        root.functions.update_function_configuration(
            FunctionName=id_,
            Role=inputs["role"],
            Runtime=inputs["runtime"],
            Handler=inputs["handler"],
            Environment={"Variables": inputs["environment"]["variables"]},
            MemorySize=int(inputs["memorySize"]),
            Timeout=int(inputs["timeout"]),
        )

    return Lifecycle(
        create=create,
        read=lambda root, id_, _: root.functions.get_function(FunctionName=id_),
        update=update,
        delete=lambda root, id_, _: root.functions.delete_function(FunctionName=id_),
        replaced_by=frozenset({"name", "packageType"}),
        computed=("arn", "invokeArn"),
    )


def _event_source_mapping() -> Lifecycle:
    def update(root: Clients, id_: str, inputs: Inputs) -> None:
        root.functions.update_event_source_mapping(
            UUID=id_,
            FunctionName=inputs["functionName"],
            BatchSize=int(inputs["batchSize"]),
            FilterCriteria={
                "Filters": [{"Pattern": pattern["pattern"]} for pattern in inputs["filterCriteria"]["filters"]],
            },
            FunctionResponseTypes=inputs["functionResponseTypes"],
        )

    return Lifecycle(
        create=resources.event_source_mapping,
        read=lambda root, id_, _: root.functions.get_event_source_mapping(UUID=id_),
        update=update,
        delete=lambda root, id_, _: root.functions.delete_event_source_mapping(UUID=id_),
        replaced_by=frozenset({"eventSourceArn", "startingPosition"}),
        computed=("arn", "uuid"),
    )


def _permission() -> Lifecycle:
    def delete(root: Clients, id_: str, inputs: Inputs) -> None:
        root.functions.remove_permission(FunctionName=inputs["function"], StatementId=id_)

    def read(root: Clients, id_: str, inputs: Inputs) -> None:
        policy = json.loads(root.functions.get_policy(FunctionName=inputs["function"])["Policy"])
        _must_be_there(id_, [statement["Sid"] for statement in policy["Statement"]])

    return Lifecycle(
        create=resources.permission,
        read=read,
        update=_nothing,
        delete=delete,
        replaced_by=frozenset({"action", "function", "principal", "sourceArn", "statementId"}),
        computed=(),
    )


def _event_invoke_config() -> Lifecycle:
    return Lifecycle(
        create=resources.event_invoke_config,
        read=lambda root, id_, _: root.functions.get_function_event_invoke_config(FunctionName=id_),
        update=resources.event_invoke_config,
        delete=lambda root, id_, _: root.functions.delete_function_event_invoke_config(FunctionName=id_),
        replaced_by=frozenset({"functionName", "qualifier"}),
        computed=(),
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
        _must_be_there(target(id_, inputs), [each["Id"] for each in found])

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


def _queue() -> Lifecycle:
    return Lifecycle(
        create=resources.queue,
        read=lambda root, id_, _: root.sqs.get_queue_attributes(QueueUrl=id_),
        update=_nothing,
        delete=lambda root, id_, _: root.sqs.delete_queue(QueueUrl=id_),
        replaced_by=frozenset({"name", "fifoQueue"}),
        computed=("arn", "url"),
    )


def _queue_policy() -> Lifecycle:
    def delete(root: Clients, id_: str, _inputs: Inputs) -> None:
        root.sqs.set_queue_attributes(QueueUrl=id_, Attributes={"Policy": ""})

    return Lifecycle(
        create=resources.queue_policy,
        read=lambda root, id_, _: root.sqs.get_queue_attributes(QueueUrl=id_),
        update=resources.queue_policy,
        delete=delete,
        replaced_by=frozenset({"queueUrl"}),
        computed=(),
    )


def _topic() -> Lifecycle:
    return Lifecycle(
        create=resources.topic,
        read=lambda root, id_, _: root.sns.get_topic_attributes(TopicArn=id_),
        update=_nothing,
        delete=lambda root, id_, _: root.sns.delete_topic(TopicArn=id_),
        replaced_by=frozenset({"name", "fifoTopic"}),
    )


def _topic_policy() -> Lifecycle:
    return Lifecycle(
        create=resources.topic_policy,
        read=lambda root, id_, _: root.sns.get_topic_attributes(TopicArn=id_),
        update=resources.topic_policy,
        delete=_nothing,  # a topic always has a policy: the provider puts AWS's own back
        replaced_by=frozenset({"arn"}),
        computed=(),
    )


def _topic_subscription() -> Lifecycle:
    return Lifecycle(
        create=resources.topic_subscription,
        read=lambda root, id_, _: root.sns.get_subscription_attributes(SubscriptionArn=id_),
        update=_nothing,
        delete=lambda root, id_, _: root.sns.unsubscribe(SubscriptionArn=id_),
        replaced_by=frozenset({"topic", "protocol", "endpoint"}),
    )


def _metric_alarm() -> Lifecycle:
    def read(root: Clients, id_: str, _inputs: Inputs) -> None:
        found = root.cloudwatch.describe_alarms(AlarmNames=[id_])["MetricAlarms"]
        _must_be_there(id_, [each["AlarmName"] for each in found])

    return Lifecycle(
        create=resources.metric_alarm,
        read=read,
        update=resources.metric_alarm,
        delete=lambda root, id_, _: root.cloudwatch.delete_alarms(AlarmNames=[id_]),
        replaced_by=frozenset({"name"}),
    )


def _configuration_set() -> Lifecycle:
    return Lifecycle(
        create=resources.configuration_set,
        read=lambda root, id_, _: root.sesv2.get_configuration_set(ConfigurationSetName=id_),
        update=_nothing,
        delete=lambda root, id_, _: root.sesv2.delete_configuration_set(ConfigurationSetName=id_),
        replaced_by=frozenset({"configurationSetName"}),
    )


def _event_destination() -> Lifecycle:
    def named(inputs: Inputs) -> dict[str, str]:
        return {
            "ConfigurationSetName": inputs["configurationSetName"],
            "EventDestinationName": inputs["eventDestinationName"],
        }

    def read(root: Clients, _id: str, inputs: Inputs) -> None:
        name = inputs["configurationSetName"]
        found = root.sesv2.get_configuration_set_event_destinations(ConfigurationSetName=name)["EventDestinations"]
        _must_be_there(inputs["eventDestinationName"], [each["Name"] for each in found])

    def update(root: Clients, _id: str, inputs: Inputs) -> None:
        root.sesv2.update_configuration_set_event_destination(
            **named(inputs), EventDestination=resources.destination_of(inputs)
        )

    return Lifecycle(
        create=resources.event_destination,
        read=read,
        update=update,
        delete=lambda root, _id, inputs: root.sesv2.delete_configuration_set_event_destination(**named(inputs)),
        replaced_by=frozenset({"configurationSetName", "eventDestinationName"}),
        computed=(),
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


def _nothing(_root: Clients, _id: str, _inputs: Inputs) -> None:
    """Do nothing: what may change is not passed on to the emulator (see ``resources``), or AWS keeps it."""


def _must_be_there(name: str, found: Container[str]) -> None:
    if name not in found:
        raise Gone(name)


def lifecycles(dependencies: Path) -> dict[str, Lifecycle]:
    """Map Pulumi's type tokens to what becomes of their resources.

    Args:
        dependencies: the folder of the functions' dependencies, built for this machine.
    """
    return {
        "aws:cloudwatch/dashboard:Dashboard": _dashboard(),
        "aws:cloudwatch/eventRule:EventRule": _event_rule(),
        "aws:cloudwatch/eventTarget:EventTarget": _event_target(),
        "aws:cloudwatch/logGroup:LogGroup": _log_group(),
        "aws:cloudwatch/metricAlarm:MetricAlarm": _metric_alarm(),
        "aws:dynamodb/table:Table": _table(),
        "aws:iam/policy:Policy": _policy(),
        "aws:iam/role:Role": _role(),
        "aws:iam/rolePolicy:RolePolicy": _role_policy(),
        "aws:lambda/eventSourceMapping:EventSourceMapping": _event_source_mapping(),
        "aws:lambda/function:Function": _function(dependencies),
        "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": _event_invoke_config(),
        "aws:lambda/permission:Permission": _permission(),
        "aws:sesv2/configurationSet:ConfigurationSet": _configuration_set(),
        "aws:sesv2/configurationSetEventDestination:ConfigurationSetEventDestination": _event_destination(),
        "aws:sns/topic:Topic": _topic(),
        "aws:sns/topicPolicy:TopicPolicy": _topic_policy(),
        "aws:sns/topicSubscription:TopicSubscription": _topic_subscription(),
        "aws:sqs/queue:Queue": _queue(),
        "aws:sqs/queuePolicy:QueuePolicy": _queue_policy(),
        "aws:ssm/parameter:Parameter": _parameter(),
    }

"""Creates each type of resource that the program declares, through the emulator's ordinary API.

One small function per type: the resource's inputs, as Pulumi's AWS provider names them, become one or two calls; the
provider's id and computed outputs come back. What the emulator has no effect for (backups, encryption at rest, tracing)
is not passed on: it is asserted where it is declared, under Pulumi's mocks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from scripts.local_cloud import archive, server
from scripts.local_cloud.clients import Clients

Inputs = Mapping[str, Any]


class Created(NamedTuple):
    """A resource's id and the outputs that only its creation could tell, in the AWS provider's spelling."""

    id: str
    outputs: dict[str, Any]


Create = Callable[[Clients, str, Inputs], Created]
"""Creates a resource; the second argument is its physical name."""


def table(root: Clients, name: str, inputs: Inputs) -> Created:
    """Create a table, without its TTL: the emulator's leaves no record in the stream (see ``ledger.sweep``)."""
    description = root.dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": attribute["name"], "AttributeType": attribute["type"]}
            for attribute in inputs["attributes"]
        ],
        KeySchema=[
            {"AttributeName": inputs["hashKey"], "KeyType": "HASH"},
            {"AttributeName": inputs["rangeKey"], "KeyType": "RANGE"},
        ],
        StreamSpecification={"StreamEnabled": inputs["streamEnabled"], "StreamViewType": inputs["streamViewType"]},
    )["TableDescription"]
    return Created(name, {"arn": description["TableArn"], "streamArn": description["LatestStreamArn"]})


def parameter(root: Clients, name: str, inputs: Inputs) -> Created:
    """Create an SSM parameter."""
    version = root.ssm.put_parameter(Name=name, Type=inputs["type"], Value=inputs["value"])["Version"]
    arn = root.ssm.get_parameter(Name=name)["Parameter"]["ARN"]
    return Created(name, {"arn": arn, "version": version})


def role(root: Clients, name: str, inputs: Inputs) -> Created:
    """Create a role."""
    created = root.iam.create_role(RoleName=name, AssumeRolePolicyDocument=inputs["assumeRolePolicy"])["Role"]
    return Created(name, {"arn": created["Arn"], "uniqueId": created["RoleId"]})


def role_policy(root: Clients, name: str, inputs: Inputs) -> Created:
    """Put a policy into a role."""
    root.iam.put_role_policy(RoleName=inputs["role"], PolicyName=name, PolicyDocument=inputs["policy"])
    return Created(f"{inputs['role']}:{name}", {})


def policy(root: Clients, name: str, inputs: Inputs) -> Created:
    """Create a managed policy."""
    created = root.iam.create_policy(PolicyName=name, PolicyDocument=inputs["policy"])["Policy"]
    return Created(created["Arn"], {"arn": created["Arn"], "policyId": created["PolicyId"]})


def log_group(root: Clients, name: str, _inputs: Inputs) -> Created:
    """Create a log group."""
    root.logs.create_log_group(logGroupName=name)
    found = root.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]
    return Created(name, {"arn": found["arn"].removesuffix(":*")})


def function(root: Clients, name: str, inputs: Inputs, *, dependencies: Path) -> Created:
    """Create a Lambda function from the archive it is deployed with, its dependencies built for this machine."""
    created = root.functions.create_function(
        FunctionName=name,
        Role=inputs["role"],
        Runtime=inputs["runtime"],
        Handler=inputs["handler"],
        Code={"ZipFile": archive.zipped(inputs["code"], folders={".": dependencies})},
        Environment={"Variables": inputs["environment"]["variables"]},
        LoggingConfig={
            "LogFormat": inputs["loggingConfig"]["logFormat"],
            "ApplicationLogLevel": inputs["loggingConfig"]["applicationLogLevel"],
            "SystemLogLevel": inputs["loggingConfig"]["systemLogLevel"],
            "LogGroup": inputs["loggingConfig"]["logGroup"],
        },
        MemorySize=int(inputs["memorySize"]),
        Timeout=int(inputs["timeout"]),
    )
    return Created(name, {"arn": created["FunctionArn"], "invokeArn": created["FunctionArn"]})


def event_source_mapping(root: Clients, _name: str, inputs: Inputs) -> Created:
    """Connect a table's stream to a function."""
    created = root.functions.create_event_source_mapping(
        EventSourceArn=inputs["eventSourceArn"],
        FunctionName=inputs["functionName"],
        StartingPosition=inputs["startingPosition"],
        BatchSize=int(inputs["batchSize"]),
        FilterCriteria={
            "Filters": [{"Pattern": pattern["pattern"]} for pattern in inputs["filterCriteria"]["filters"]],
        },
        FunctionResponseTypes=inputs["functionResponseTypes"],
    )
    return Created(created["UUID"], {"uuid": created["UUID"]})


def permission(root: Clients, name: str, inputs: Inputs) -> Created:
    """Let a service invoke a function."""
    root.functions.add_permission(
        FunctionName=inputs["function"],
        StatementId=name,
        Action=inputs["action"],
        Principal=inputs["principal"],
        SourceArn=inputs["sourceArn"],
    )
    return Created(name, {})


def event_invoke_config(root: Clients, _name: str, inputs: Inputs) -> Created:
    """Say what becomes of an asynchronous invocation that fails."""
    destination = inputs["destinationConfig"]["onFailure"]["destination"]
    root.functions.put_function_event_invoke_config(
        FunctionName=inputs["functionName"],
        MaximumRetryAttempts=int(inputs["maximumRetryAttempts"]),
        DestinationConfig={"OnFailure": {"Destination": destination}},
    )
    return Created(inputs["functionName"], {})


def event_rule(root: Clients, name: str, inputs: Inputs) -> Created:
    """Create a rule, a schedule disabled: in the local cloud nothing happens by itself, whatever the hour."""
    if "scheduleExpression" in inputs:
        rule = root.events.put_rule(Name=name, ScheduleExpression=inputs["scheduleExpression"], State="DISABLED")
    else:
        rule = root.events.put_rule(Name=name, EventPattern=inputs["eventPattern"], State="ENABLED")
    return Created(name, {"arn": rule["RuleArn"]})


def event_target(root: Clients, name: str, inputs: Inputs) -> Created:
    """Point a rule at a function."""
    root.events.put_targets(Rule=inputs["rule"], Targets=[{"Id": name, "Arn": inputs["arn"]}])
    return Created(f"{inputs['rule']}-{name}", {})


def queue(root: Clients, name: str, _inputs: Inputs) -> Created:
    """Create a queue."""
    url = root.sqs.create_queue(QueueName=name)["QueueUrl"]
    attributes = root.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    return Created(url, {"arn": attributes["QueueArn"], "url": url})


def queue_policy(root: Clients, _name: str, inputs: Inputs) -> Created:
    """Say who may send to a queue."""
    root.sqs.set_queue_attributes(QueueUrl=inputs["queueUrl"], Attributes={"Policy": inputs["policy"]})
    return Created(inputs["queueUrl"], {})


def kms_key(root: Clients, _name: str, inputs: Inputs) -> Created:
    """Create a KMS key. The emulator judges its policy for direct calls alone: SSM and SNS do not ask it."""
    key = root.kms.create_key(Description=inputs["description"], Policy=inputs["policy"])["KeyMetadata"]
    return Created(key["KeyId"], {"arn": key["Arn"], "keyId": key["KeyId"]})


def kms_alias(root: Clients, name: str, inputs: Inputs) -> Created:
    """Name a KMS key."""
    root.kms.create_alias(AliasName=name, TargetKeyId=inputs["targetKeyId"])
    (found,) = [alias for alias in root.kms.list_aliases()["Aliases"] if alias["AliasName"] == name]
    return Created(name, {"arn": found["AliasArn"], "targetKeyArn": inputs["targetKeyId"]})


def topic(root: Clients, name: str, _inputs: Inputs) -> Created:
    """Create a topic."""
    arn = root.sns.create_topic(Name=name)["TopicArn"]
    return Created(arn, {"arn": arn})


def topic_policy(root: Clients, _name: str, inputs: Inputs) -> Created:
    """Say who may publish to a topic."""
    root.sns.set_topic_attributes(TopicArn=inputs["arn"], AttributeName="Policy", AttributeValue=inputs["policy"])
    return Created(inputs["arn"], {})


def topic_subscription(root: Clients, _name: str, inputs: Inputs) -> Created:
    """Subscribe an address to a topic."""
    arn = root.sns.subscribe(
        TopicArn=inputs["topic"],
        Protocol=inputs["protocol"],
        Endpoint=inputs["endpoint"],
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    return Created(arn, {"arn": arn})


def metric_alarm(root: Clients, name: str, inputs: Inputs) -> Created:
    """Create an alarm on one metric."""
    root.cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace=inputs["namespace"],
        MetricName=inputs["metricName"],
        Dimensions=[{"Name": key, "Value": value} for key, value in inputs["dimensions"].items()],
        Statistic=inputs["statistic"],
        Period=int(inputs["period"]),
        EvaluationPeriods=int(inputs["evaluationPeriods"]),
        Threshold=inputs["threshold"],
        ComparisonOperator=inputs["comparisonOperator"],
        TreatMissingData=inputs["treatMissingData"],
        AlarmActions=inputs["alarmActions"],
    )
    arn = root.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["AlarmArn"]
    return Created(name, {"arn": arn})


def dashboard(root: Clients, _name: str, inputs: Inputs) -> Created:
    """Create a dashboard."""
    name = inputs["dashboardName"]
    root.cloudwatch.put_dashboard(DashboardName=name, DashboardBody=inputs["dashboardBody"])
    arn = root.cloudwatch.get_dashboard(DashboardName=name)["DashboardArn"]
    return Created(name, {"dashboardArn": arn})


def configuration_set(root: Clients, _name: str, inputs: Inputs) -> Created:
    """Create a configuration set of SES."""
    name = inputs["configurationSetName"]
    root.sesv2.create_configuration_set(
        ConfigurationSetName=name, DeliveryOptions={"TlsPolicy": inputs["deliveryOptions"]["tlsPolicy"]}
    )
    return Created(name, {"arn": f"arn:aws:ses:{server.REGION}:{server.ACCOUNT_ID}:configuration-set/{name}"})


def event_destination(root: Clients, _name: str, inputs: Inputs) -> Created:
    """Say where SES publishes its events. The emulator publishes none: see ``LocalCloud.return_mail``."""
    name = inputs["eventDestinationName"]
    root.sesv2.create_configuration_set_event_destination(
        ConfigurationSetName=inputs["configurationSetName"],
        EventDestinationName=name,
        EventDestination=destination_of(inputs),
    )
    return Created(f"{inputs['configurationSetName']}|{name}", {})


def destination_of(inputs: Inputs) -> Any:
    """Write a destination of events as SES takes it."""
    destination = inputs["eventDestination"]
    return {
        "Enabled": destination["enabled"],
        "MatchingEventTypes": destination["matchingEventTypes"],
        "EventBridgeDestination": {"EventBusArn": destination["eventBridgeDestination"]["eventBusArn"]},
    }


def creators(dependencies: Path) -> dict[str, Create]:
    """Map Pulumi's type tokens to the functions above.

    Args:
        dependencies: the folder of the functions' dependencies, built for this machine.
    """
    return {
        "aws:cloudwatch/dashboard:Dashboard": dashboard,
        "aws:cloudwatch/eventRule:EventRule": event_rule,
        "aws:cloudwatch/eventTarget:EventTarget": event_target,
        "aws:cloudwatch/logGroup:LogGroup": log_group,
        "aws:cloudwatch/metricAlarm:MetricAlarm": metric_alarm,
        "aws:dynamodb/table:Table": table,
        "aws:iam/policy:Policy": policy,
        "aws:iam/role:Role": role,
        "aws:iam/rolePolicy:RolePolicy": role_policy,
        "aws:kms/alias:Alias": kms_alias,
        "aws:kms/key:Key": kms_key,
        "aws:lambda/eventSourceMapping:EventSourceMapping": event_source_mapping,
        "aws:lambda/function:Function": functools.partial(function, dependencies=dependencies),
        "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": event_invoke_config,
        "aws:lambda/permission:Permission": permission,
        "aws:sesv2/configurationSet:ConfigurationSet": configuration_set,
        "aws:sesv2/configurationSetEventDestination:ConfigurationSetEventDestination": event_destination,
        "aws:sns/topic:Topic": topic,
        "aws:sns/topicPolicy:TopicPolicy": topic_policy,
        "aws:sns/topicSubscription:TopicSubscription": topic_subscription,
        "aws:sqs/queue:Queue": queue,
        "aws:sqs/queuePolicy:QueuePolicy": queue_policy,
        "aws:ssm/parameter:Parameter": parameter,
    }

"""Who hears of trouble: the topic that every alarm rings, and the one shape that all alarms have.

Which metric is worth an alarm is the business of the component that it watches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import policies
from components.account import Account


@dataclass(frozen=True, kw_only=True)
class AlarmTopicArgs:
    """``email`` gets every alarm, once its owner has confirmed the subscription; None subscribes nobody.

    ``kms_key_arn`` is the key for the messages. It must let CloudWatch use it, which SNS's own key does not.
    """

    topic_name: str
    account: pulumi.Output[Account]
    kms_key_arn: pulumi.Input[str]
    email: str | None
    tags: Mapping[str, str]


class AlarmTopic(pulumi.ComponentResource):
    """The topic that alarms are sent to. It exists without a subscriber too, for others to subscribe to."""

    topic_arn: pulumi.Output[str]

    def __init__(self, name: str, args: AlarmTopicArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("iam-key-rotator:index:AlarmTopic", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        topic = aws.sns.Topic(
            f"{name}-topic", name=args.topic_name, kms_master_key_id=args.kms_key_arn, tags=args.tags, opts=child
        )
        aws.sns.TopicPolicy(
            f"{name}-policy",
            arn=topic.arn,
            policy=pulumi.Output.all(account=args.account, topic_arn=topic.arn).apply(
                lambda known: policies.topic(known["account"], topic_arn=known["topic_arn"]),
            ),
            opts=child,
        )
        if args.email is not None:
            aws.sns.TopicSubscription(
                f"{name}-email",
                topic=topic.arn,
                protocol="email",
                endpoint=args.email,
                opts=child,
            )
        self.topic_arn = topic.arn
        self.register_outputs({"topic_arn": self.topic_arn})


@dataclass(frozen=True, kw_only=True)
class AlarmArgs:
    """One metric, and when it is trouble: ``statistic`` over ``period_seconds`` compared with ``threshold``.

    A metric without data is quiet, unless ``silence_is_trouble``. ``tells_of_the_end`` is not for counts of what
    happened: those are over at once, whether or not the cause is fixed.
    """

    alarm_name: str
    description: str
    namespace: str
    metric: str
    dimensions: Mapping[str, pulumi.Input[str]]
    topic_arn: pulumi.Input[str]
    tags: Mapping[str, str]
    statistic: str = "Sum"
    comparison: str = "GreaterThanThreshold"
    threshold: float = 0
    period_seconds: int = 300
    periods: int = 1
    silence_is_trouble: bool = False
    tells_of_the_end: bool = True


def alarm(name: str, args: AlarmArgs, opts: pulumi.ResourceOptions) -> aws.cloudwatch.MetricAlarm:
    """Make an alarm that rings the topic when its metric is trouble, and mostly once more when all is well again."""
    return aws.cloudwatch.MetricAlarm(
        name,
        name=args.alarm_name,
        alarm_description=args.description,
        namespace=args.namespace,
        metric_name=args.metric,
        dimensions=args.dimensions,
        statistic=args.statistic,
        comparison_operator=args.comparison,
        threshold=args.threshold,
        period=args.period_seconds,
        evaluation_periods=args.periods,
        treat_missing_data="breaching" if args.silence_is_trouble else "notBreaching",
        alarm_actions=[args.topic_arn],
        ok_actions=[args.topic_arn] if args.tells_of_the_end else [],
        tags=args.tags,
        opts=opts,
    )

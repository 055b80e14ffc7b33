"""SNS: topics, their policies and subscriptions."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.local_cloud import resources
from scripts.local_cloud.lifecycle.contract import Lifecycle, nothing


def _topic() -> Lifecycle:
    return Lifecycle(
        create=resources.topic,
        read=lambda root, id_, _: root.sns.get_topic_attributes(TopicArn=id_),
        update=nothing,
        delete=lambda root, id_, _: root.sns.delete_topic(TopicArn=id_),
        replaced_by=frozenset({"name", "fifoTopic"}),
    )


def _topic_policy() -> Lifecycle:
    return Lifecycle(
        create=resources.topic_policy,
        read=lambda root, id_, _: root.sns.get_topic_attributes(TopicArn=id_),
        update=resources.topic_policy,
        delete=nothing,  # a topic always has a policy: the provider puts AWS's own back
        replaced_by=frozenset({"arn"}),
        computed=(),
    )


def _topic_subscription() -> Lifecycle:
    return Lifecycle(
        create=resources.topic_subscription,
        read=lambda root, id_, _: root.sns.get_subscription_attributes(SubscriptionArn=id_),
        update=nothing,
        delete=lambda root, id_, _: root.sns.unsubscribe(SubscriptionArn=id_),
        replaced_by=frozenset({"topic", "protocol", "endpoint"}),
    )


TYPES: Mapping[str, Lifecycle] = {
    "aws:sns/topic:Topic": _topic(),
    "aws:sns/topicPolicy:TopicPolicy": _topic_policy(),
    "aws:sns/topicSubscription:TopicSubscription": _topic_subscription(),
}

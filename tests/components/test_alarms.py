"""The alarms: every way in which the service can fail unseen has one, and all of them ring the same topic."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.components.recorder import ACCOUNT, EVERY_KIND, Deployment, deployed

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"
TOPIC = f"arn:aws:sns:eu-central-1:{ACCOUNT}:iam-key-rotator-alarms"

FAILURES = {
    "iam-key-rotator-rotator": (
        *("RotationsFailed", "UsersMisconfigured", "KeysOverdue", "AddressesChanged", "MailsReturned", "Dormant"),
        *("LedgerItemsMalformed", "LedgerOutOfStep"),
    ),
    "iam-key-rotator-destructor": (
        *("DeletionsGivenUp", "LastKeyProtected", "Unconfirmed", "MailsFailed", "RecordsParked"),
    ),
}
WEEK = 7 * 24 * 60 * 60
DAY = 24 * 60 * 60


def alarms(stack: Deployment) -> dict[str, Any]:
    return {alarm.inputs["name"]: alarm.inputs for alarm in stack.all(ALARM)}


def silence(schedule: str) -> Any:
    """The alarm for a rotator that has fallen silent, or None."""
    return alarms(deployed(schedule=schedule)).get("iam-key-rotator-rotator-silent")


class TestEveryFailureRings:
    """Keys that are not rotated look like nothing at all, until an audit or an attacker finds them."""

    def test_all_alarms_are_these(self, stack: Deployment) -> None:
        assert set(alarms(stack)) == {
            "iam-key-rotator-dead-letters-not-empty",
            "iam-key-rotator-destructor-DeletionsGivenUp",
            "iam-key-rotator-destructor-LastKeyProtected",
            "iam-key-rotator-destructor-MailsFailed",
            "iam-key-rotator-destructor-RecordsParked",
            "iam-key-rotator-destructor-Unconfirmed",
            "iam-key-rotator-destructor-errors",
            "iam-key-rotator-destructor-lag",
            "iam-key-rotator-rotator-AddressesChanged",
            "iam-key-rotator-rotator-Dormant",
            "iam-key-rotator-rotator-KeysOverdue",
            "iam-key-rotator-rotator-LedgerItemsMalformed",
            "iam-key-rotator-rotator-LedgerOutOfStep",
            "iam-key-rotator-rotator-MailsReturned",
            "iam-key-rotator-rotator-RotationsFailed",
            "iam-key-rotator-rotator-UsersMisconfigured",
            "iam-key-rotator-rotator-errors",
            "iam-key-rotator-rotator-silent",
        }

    def test_all_ring_the_topic_and_say_what_it_means(self) -> None:
        stack = deployed(**EVERY_KIND["mailgun-encrypted-customer-keys"])

        for alarm in alarms(stack).values():
            assert alarm["alarmActions"] == [TOPIC]
            assert alarm["alarmDescription"].endswith(".")

    def test_the_end_of_a_count_is_not_told(self, stack: Deployment) -> None:
        """It comes minutes after each run, and would say that all is well while the next run counts the same again."""
        counts = {f"{function}-{metric}" for function, metrics in FAILURES.items() for metric in metrics}

        told = {name for name, alarm in alarms(stack).items() if alarm.get("okActions") == [TOPIC]}

        assert told == set(alarms(stack)) - counts

    @pytest.mark.parametrize("function", FAILURES)
    def test_errors_of_a_function(self, function: str, stack: Deployment) -> None:
        alarm = alarms(stack)[f"{function}-errors"]

        assert (alarm["namespace"], alarm["metricName"], alarm["statistic"]) == ("AWS/Lambda", "Errors", "Sum")
        assert alarm["dimensions"] == {"FunctionName": function}
        assert (alarm["comparisonOperator"], alarm["threshold"]) == ("GreaterThanThreshold", 0)
        assert alarm["treatMissingData"] == "notBreaching"

    @pytest.mark.parametrize(
        ("function", "metric"),
        [(function, metric) for function, metrics in FAILURES.items() for metric in metrics],
    )
    def test_failures_that_a_function_counts(self, function: str, metric: str, stack: Deployment) -> None:
        """The dimension is Powertools' ``service``: an alarm on any other finds no data and never rings."""
        alarm = alarms(stack)[f"{function}-{metric}"]

        assert (alarm["namespace"], alarm["metricName"], alarm["statistic"]) == ("iam-key-rotator", metric, "Sum")
        service = stack.environment(function.removeprefix("iam-key-rotator-"))["POWERTOOLS_SERVICE_NAME"]
        assert alarm["dimensions"] == {"service": service}
        assert (alarm["comparisonOperator"], alarm["threshold"]) == ("GreaterThanThreshold", 0)

    def test_something_in_the_queue(self, stack: Deployment) -> None:
        alarm = alarms(stack)["iam-key-rotator-dead-letters-not-empty"]

        assert (alarm["namespace"], alarm["metricName"]) == ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
        assert alarm["dimensions"] == {"QueueName": "iam-key-rotator-dead-letters"}
        assert (alarm["statistic"], alarm["threshold"]) == ("Maximum", 0)

    def test_stream_lags_behind(self, stack: Deployment) -> None:
        alarm = alarms(stack)["iam-key-rotator-destructor-lag"]

        assert (alarm["namespace"], alarm["metricName"]) == ("AWS/Lambda", "IteratorAge")
        assert alarm["dimensions"] == {"FunctionName": "iam-key-rotator-destructor"}
        assert (alarm["statistic"], alarm["threshold"]) == ("Maximum", 60 * 60 * 1000)


class TestSilence:
    """A rotator that nobody starts makes no error, no metric and no log line."""

    @pytest.mark.parametrize(
        ("schedule", "seconds"),
        [
            ("rate(5 minutes)", 10 * 60),
            ("rate(1 hour)", 2 * 60 * 60),
            ("rate(90 minutes)", 3 * 60 * 60),
            ("cron(0 12 * * ? *)", 2 * DAY),
            ("cron(0 12 ? * MON-FRI *)", 6 * DAY),
            ("rate(3 days)", 6 * DAY),
        ],
    )
    def test_is_two_periods_without_a_run(self, schedule: str, seconds: int) -> None:
        alarm = silence(schedule)

        assert alarm["period"] * alarm["evaluationPeriods"] == seconds
        assert (alarm["namespace"], alarm["metricName"], alarm["statistic"]) == ("AWS/Lambda", "Invocations", "Sum")
        assert alarm["dimensions"] == {"FunctionName": "iam-key-rotator-rotator"}
        assert (alarm["comparisonOperator"], alarm["threshold"]) == ("LessThanThreshold", 1)
        assert alarm["treatMissingData"] == "breaching"

    @pytest.mark.parametrize(
        "schedule",
        [
            "rate(1 minute)",
            "rate(59 minutes)",
            "rate(61 minutes)",
            "rate(25 hours)",
            "cron(10 1,9 * * ? *)",
            "rate(3 days)",
        ],
    )
    def test_stays_within_what_cloudwatch_evaluates(self, schedule: str) -> None:
        """Beyond these limits CloudWatch refuses the alarm, and with it the whole update."""
        alarm = silence(schedule)

        assert alarm["period"] % 60 == 0
        assert alarm["period"] <= 60 * 60
        assert alarm["period"] * alarm["evaluationPeriods"] <= (WEEK if alarm["period"] >= 60 * 60 else DAY)

    @pytest.mark.parametrize("schedule", ["rate(4 days)", "cron(0 12 1 * ? *)", "cron(0 12 ? * MON *)"])
    def test_of_rare_schedules_is_not_watched_and_says_so(
        self,
        schedule: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        deployed.cache_clear()

        with caplog.at_level(logging.WARNING):
            alarm = silence(schedule)

        assert alarm is None
        assert schedule in caplog.text
        assert "No alarm will tell" in caplog.text


class TestWhoHears:
    """An alarm that rings for nobody."""

    def test_subscriber(self) -> None:
        stack = deployed(alarmEmail="ops@example.com")

        (subscription,) = stack.all(SUBSCRIPTION)

        assert subscription.inputs == {"topic": TOPIC, "protocol": "email", "endpoint": "ops@example.com"}

    def test_nobody_is_subscribed_unasked(self, stack: Deployment) -> None:
        assert stack.all(SUBSCRIPTION) == []
        assert stack.outputs["alarmTopicArn"] == TOPIC

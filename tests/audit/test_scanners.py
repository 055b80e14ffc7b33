"""What an auditor's scanners find in the program: nothing but what is named here, each with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit.plan import plan
from tests.audit.scanners import checkov, cloudsplaining
from tests.components.recorder import EVERY_KIND, Deployment, deployed

ACCEPTED = {
    "CKV_AWS_115": "reservedConcurrency sets a function's concurrency: what is kept for it is taken from all others",
    "CKV_AWS_116": "failed runs and records reach the dead-letter queue as destinations do, which tell why, too",
    "CKV_AWS_117": "the functions call AWS and the mailer, and listen to nobody: a VPC would keep nobody out",
    "CKV_AWS_173": "the environment holds names and numbers and no secret, under Lambda's own key",
    "CKV_AWS_272": "codeSigningConfigArn turns it on: it takes a signing profile of the organization's",
}
ACCEPTED_WITHOUT_CUSTOMERS_KEYS = {
    "CKV_AWS_119": "tableKmsKeyArn sets a key: no item opens anything without what lies in SSM under a key of its own",
    "CKV_AWS_158": "logsKmsKeyArn sets a key: logs hold no secret",
}


@pytest.mark.parametrize(
    ("kind", "accepted"),
    [
        ("smtp-encrypted-own-keys", ACCEPTED | ACCEPTED_WITHOUT_CUSTOMERS_KEYS),
        ("ses-encrypted-own-keys", ACCEPTED | ACCEPTED_WITHOUT_CUSTOMERS_KEYS),
        ("mailgun-encrypted-customer-keys", ACCEPTED),
    ],
)
def test_checkov_finds_what_is_accepted_and_no_more(kind: str, accepted: dict[str, str], tmp_path: Path) -> None:
    failed = checkov(plan(deployed(**EVERY_KIND[kind])), tmp_path)

    assert failed.keys() == accepted.keys()


def test_checkov_reads_the_plan_as_it_is_meant(stack: Deployment, tmp_path: Path) -> None:
    """A scanner that recognizes nothing finds nothing."""
    weakened = plan(stack)
    for resource in weakened["planned_values"]["root_module"]["resources"]:
        for setting in (
            "kms_master_key_id",
            "sqs_managed_sse_enabled",
            "enable_key_rotation",
            "point_in_time_recovery",
        ):
            resource["values"].pop(setting, None)

    failed = checkov(weakened, tmp_path)

    assert failed.keys() >= {"CKV_AWS_26", "CKV_AWS_27", "CKV_AWS_7", "CKV_AWS_28"}


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_cloudsplaining_finds_nothing(kind: str) -> None:
    stack = deployed(**EVERY_KIND[kind])
    policies: dict[str, dict[str, object]] = {}
    for name, statement in stack.policies():
        policies.setdefault(name, {"Version": "2012-10-17", "Statement": []})
        statements = policies[name]["Statement"]
        assert isinstance(statements, list)
        statements.append(statement)

    findings = cloudsplaining(policies)

    assert len(findings) >= 2
    assert {name: kinds for name, kinds in findings.items() if kinds} == {}


def test_cloudsplaining_would_find_the_right_to_become_anybody() -> None:
    anybody = {"Effect": "Allow", "Action": ["iam:CreateAccessKey", "ssm:GetParameter"], "Resource": "*"}

    findings = cloudsplaining({"anybody": {"Version": "2012-10-17", "Statement": [anybody]}})

    assert {"allows_privilege_escalation", "allows_data_exfiltration_actions"} <= set(findings["anybody"])

"""The few changes to policies, and that there are no others."""

from __future__ import annotations

import json

from scripts.local_cloud import specialise

CENSUS = {"Sid": "Census", "Effect": "Allow", "Action": "iam:GetAccountAuthorizationDetails", "Resource": "*"}
KEYS = {
    "Sid": "Keys",
    "Effect": "Allow",
    "Action": "iam:CreateAccessKey",
    "Resource": "arn:aws:iam::111122223333:user/*",
    "Condition": {"Null": {"aws:ResourceTag/IKR:EMAIL": "false"}},
}


def mail(condition: dict[str, dict[str, str]]) -> dict[str, object]:
    return {
        "Sid": "Mail",
        "Effect": "Allow",
        "Action": "ses:SendEmail",
        "Resource": "arn:aws:ses:eu-central-1:111122223333:identity/*",
        "Condition": condition,
    }


def statements(document: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(document)["Statement"]
    return found


def test_the_senders_condition_goes_and_the_others_stay() -> None:
    document = json.dumps(
        {
            "Statement": [
                mail({"StringEquals": {"ses:FromAddress": "a@example.org", "aws:RequestedRegion": "eu-central-1"}})
            ]
        }
    )

    (changed,) = statements(specialise.for_role(document))

    assert changed["Condition"] == {"StringEquals": {"aws:RequestedRegion": "eu-central-1"}}
    assert changed["Resource"] == "*"


def test_an_operator_without_conditions_goes_as_well() -> None:
    """An empty operator is malformed on AWS, and would hide that the statement has become unconditional."""
    document = json.dumps({"Statement": [mail({"StringEquals": {"ses:FromAddress": "a@example.org"}})]})

    (changed,) = statements(specialise.for_role(document))

    assert changed["Condition"] == {}


def test_the_last_use_of_a_key_may_be_asked_beside_what_the_statement_says() -> None:
    """The emulator does not know whose key it is; everything else in the statement stays limited to tagged users."""
    keys = {**KEYS, "Action": ["iam:CreateAccessKey", "iam:GetAccessKeyLastUsed"]}

    unchanged, added = statements(specialise.for_role(json.dumps({"Statement": [keys]})))

    assert unchanged == keys
    assert added == {"Effect": "Allow", "Action": "iam:GetAccessKeyLastUsed", "Resource": "*"}


def test_every_other_statement_is_left_as_it_was() -> None:
    """A statement widened by mistake would let the end-to-end tests pass what AWS would refuse, or the reverse."""
    others = [CENSUS, KEYS, mail({"StringEquals": {"aws:RequestedRegion": "eu-central-1"}})]

    unchanged = statements(specialise.for_role(json.dumps({"Statement": others})))

    assert unchanged == others


def test_policy_variables_become_the_one_user() -> None:
    document = '{"Resource": ["parameter/ikr/secret/iam/${aws:username}", "parameter/ikr/secret/iam-id/${aws:userid}"]}'

    own = specialise.for_user(document, user_name="alice", user_id="AIDAFAKE0000000ALICE")

    assert json.loads(own)["Resource"] == [
        "parameter/ikr/secret/iam/alice",
        "parameter/ikr/secret/iam-id/AIDAFAKE0000000ALICE",
    ]

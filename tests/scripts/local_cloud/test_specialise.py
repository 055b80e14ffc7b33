"""What the local cloud changes in the program's policies is visible, small, and all there is."""

from __future__ import annotations

import json

from scripts.local_cloud import specialise


def test_policy_variables_become_the_one_user() -> None:
    document = '{"Resource": ["parameter/ikr/secret/iam/${aws:username}", "parameter/ikr/secret/iam-id/${aws:userid}"]}'

    own = specialise.for_user(document, user_name="alice", user_id="AIDAFAKE0000000ALICE")

    assert json.loads(own)["Resource"] == [
        "parameter/ikr/secret/iam/alice",
        "parameter/ikr/secret/iam-id/AIDAFAKE0000000ALICE",
    ]

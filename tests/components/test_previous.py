"""What a deployment takes over from the last one of the same stack."""

from __future__ import annotations

import pulumi
import pytest

from components.decryption_policy import is_wanted
from components.previous import Previous, RenameRefused
from components.settings import OWN, Encryption
from tests.components.recorder import redeployed

KEY, OTHER = (f"arn:aws:kms:eu-central-1:111122223333:key/{name}" for name in ("secrets-key", "customer"))
BEFORE = {
    "tableName": "iam-key-rotator",
    "decryptPolicyArn": "arn:aws:iam::111122223333:policy/decryption",
    "secretsKeyArn": KEY,
}
NEVER = Previous(table_name=None, decrypt_policy_arn=None, secrets_key_arn=None)
DEPLOYED = Previous(
    table_name="key-rotation",
    decrypt_policy_arn="arn:aws:iam::111122223333:policy/decryption",
    secrets_key_arn=KEY,
)


class TestName:
    """A new ledger knows of no key that is still to be deleted."""

    def test_a_new_stack_takes_any_name(self) -> None:
        NEVER.refuse_to_rename("key-rotation")

    def test_a_deployed_stack_keeps_its_name(self) -> None:
        DEPLOYED.refuse_to_rename("key-rotation")

    def test_another_name_is_refused_with_both_ways_out(self) -> None:
        with pytest.raises(RenameRefused) as refused:
            DEPLOYED.refuse_to_rename("other")

        assert "pulumi config set namePrefix key-rotation" in str(refused.value)
        assert "scripts/take_down.py" in str(refused.value)


@pytest.mark.parametrize(
    ("encrypt", "keep", "deployed", "wanted", "warned"),
    [
        (True, True, NEVER, True, ""),
        (True, False, DEPLOYED, True, ""),
        (False, True, NEVER, False, ""),
        (False, True, DEPLOYED, True, "in plain text"),
        (False, False, DEPLOYED, False, "--detach-only"),
    ],
)
def test_the_policy_outlives_encryption_until_it_is_let_go(
    encrypt: bool, keep: bool, deployed: Previous, wanted: bool, warned: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users whose mails are unread could otherwise not decrypt them any more."""
    warnings: list[str] = []
    monkeypatch.setattr(pulumi, "warn", warnings.append)
    encryption = Encryption(encrypt_key_pair=encrypt, keep_decryption_policy=keep, secrets_key=OWN)

    assert is_wanted(encryption, deployed) is wanted
    assert warned in "".join(warnings)
    assert bool(warnings) is bool(warned)


class TestKey:
    """Whoever has not read their mail could otherwise never decrypt it."""

    @pytest.mark.parametrize(
        ("change", "readable"),
        [
            ({"secretsKmsKeyArn": OTHER}, [OTHER, KEY]),
            ({"secretsKmsKeyArn": "aws-managed"}, [KEY]),
            ({"encryptKeyPair": "false"}, [KEY]),
            ({}, [KEY]),
        ],
    )
    def test_outlives_a_change_and_users_may_still_use_it(self, change: dict[str, str], readable: list[str]) -> None:
        stack = redeployed(BEFORE, **change)

        assert stack.statements("decryption-policy")["OpenOwnEncryptionKey"]["Resource"] == readable
        assert stack.outputs["secretsKeyArn"] == KEY

    def test_goes_with_the_policy_when_it_is_let_go(self) -> None:
        stack = redeployed(BEFORE, encryptKeyPair="false", keepDecryptionPolicy="false")

        assert [key.name for key in stack.all("aws:kms/key:Key")] == ["messages-key"]
        assert "secretsKeyArn" not in stack.outputs

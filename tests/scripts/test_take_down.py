"""scripts/take_down.py on a stack that is a state alone, or none; tests/engine shows what it does to a real one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from scripts import take_down
from scripts.taking_down.remains import Remains

GONE = "arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-0000-0000-000000000000"
NO_STATE = "pulumi stack export: what came is no state. Try it by hand, and `pulumi version`."
PARAMETER = "/ikr/secret/iam/alice"


def pulumi(folder: Path, script: str) -> None:
    (folder / "pulumi").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "pulumi").chmod(0o755)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (None, "There is no pulumi on the PATH: install Pulumi's command line."),
        (
            "echo 'error: no stack selected' >&2; exit 255",
            "pulumi stack export: error: no stack selected. Name one with --stack: `pulumi stack ls` lists them.",
        ),
        ("echo 'error: passphrase must be set' >&2; exit 255", "pulumi stack export: error: passphrase must be set"),
        ("echo '<html>'", NO_STATE),
        ("echo '{}'", NO_STATE),
        ("echo '[1]'", NO_STATE),
        ("""echo '{"deployment": {}}'""", "This stack has nothing to take down."),
    ],
)
def test_what_is_missing_is_told_in_one_line(
    script: str | None,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if script:
        pulumi(tmp_path, script)

    assert take_down.main(["--yes"]) == 1
    assert capsys.readouterr().err == f"{message}\n"


def test_a_dry_run_cannot_detach() -> None:
    with pytest.raises(SystemExit):
        take_down.main(["--dry-run", "--detach-only"])


def test_nobody_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], found: list[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    with pytest.raises(SystemExit) as stopped:
        take_down.main([])

    assert (stopped.value.code, found) == (2, [])
    assert capsys.readouterr().err.splitlines()[-1] == (
        "take_down.py: error: nobody is here to confirm it: add --yes, or --dry-run to look first"
    )


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A stack with nothing but itself to take down; what is done to it is written down."""
    done: list[str] = []
    nothing = Remains(holders=[], unfinished=[], unreadable=0, encryption_keys=[], secrets_key=None)
    service = take_down.Service(
        session=None,  # type: ignore[arg-type] # nothing is asked of AWS
        resources=[],
        table=None,
        policy_arn=None,
        remains=nothing,
    )
    monkeypatch.setattr(take_down, "_look", lambda *_: service)
    monkeypatch.setattr(take_down, "_lift_protection", lambda *_: done.append("lifted"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    return done


class TestCtrlC:
    def test_before_anything_is_done(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(take_down, "_look", interrupted)

        assert take_down.main(["--yes"]) == 130
        assert capsys.readouterr().err == "Interrupted. Nothing was done.\n"

    def test_pulumi_is_waited_for(self, found: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """It has heard Ctrl-C as well, and stops in order; killed, it would leave operations of which nobody knows."""
        stopped = tmp_path / "stopped"
        pulumi(tmp_path, f"trap 'touch {stopped}; exit 1' INT; kill -INT $PPID; kill -INT $$; exit 3")

        code = take_down.main(["--yes"])

        assert code == 130
        assert stopped.exists()
        assert found == ["lifted"]
        assert capfd.readouterr().err == "Interrupted: what was done stays done. Run this again to go on.\n"

    def test_pulumi_is_waited_for_however_often_it_is_pressed(self, found: list[str], tmp_path: Path) -> None:
        """Impatience makes nothing faster, and a state that was not written makes everything slower."""
        stopped = tmp_path / "stopped"
        pulumi(tmp_path, f"for n in 1 2 3; do kill -INT $PPID; done; touch {stopped}; exit 1")

        assert take_down.main(["--yes"]) == 130
        assert stopped.exists()
        assert found == ["lifted"]


class TestKmsKey:
    """What KMS deletes cannot be brought back: whoever takes the service down must hear of it in time."""

    @pytest.fixture(autouse=True)
    def encryption_key(self, aws: None) -> None:
        del aws
        boto3.client("ssm").put_parameter(Name=PARAMETER, Type="SecureString", Value="not-a-real-encryption-key")

    @pytest.fixture
    def key(self) -> str:
        return boto3.client("kms").create_key()["KeyMetadata"]["Arn"]

    @pytest.fixture
    def told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> Callable[..., list[str]]:
        """Look at a stack that has put out so much."""

        def look(**outputs: str) -> list[str]:
            root = {"type": "pulumi:pulumi:Stack", "outputs": outputs}
            state = json.dumps({"deployment": {"resources": [root]}})
            pulumi(tmp_path, f"""[ "$1" = stack ] && echo '{state}'""")
            monkeypatch.setenv("PATH", str(tmp_path))
            assert take_down.main(["--dry-run"]) == 0
            return capsys.readouterr().out.splitlines()

        return look

    def test_it_is_named_with_the_commands_that_keep_it(self, told: Callable[..., list[str]], key: str) -> None:
        lines = told(secretsKeyArn=key)

        assert f"  aws kms cancel-key-deletion --key-id {key}" in lines
        assert f"  aws kms enable-key --key-id {key}" in lines
        assert any("KMS deletes 30 days after the take-down" in line for line in lines)
        assert lines.index(f"  aws ssm delete-parameter --name {PARAMETER}") < lines.index(
            f"  aws kms schedule-key-deletion --key-id {key}"
        )
        assert not any("an administrator can." in line for line in lines), "no administrator can"

    def test_its_date_is_told_once_there_is_one(self, told: Callable[..., list[str]], key: str) -> None:
        date = boto3.client("kms").schedule_key_deletion(KeyId=key.rpartition("/")[2], PendingWindowInDays=30)[
            "DeletionDate"
        ]

        assert any(f"KMS deletes on {date:%Y-%m-%d}:" in line for line in told(secretsKeyArn=key))

    def test_without_encryption_keys_nothing_needs_it(self, told: Callable[..., list[str]], key: str) -> None:
        boto3.client("ssm").delete_parameter(Name=PARAMETER)

        lines = told(secretsKeyArn=key)

        assert "No mail needs the stack's KMS key any more: KMS deletes it 30 days after the take-down." in lines
        assert not any("aws kms" in line for line in lines)

    @pytest.mark.parametrize("outputs", [{}, {"secretsKeyArn": GONE}])
    def test_one_that_the_stack_never_had_or_kms_has_deleted_is_not_offered(
        self, outputs: dict[str, str], told: Callable[..., list[str]]
    ) -> None:
        lines = told(**outputs)

        assert "Without the policy, users cannot read them; an administrator can." in lines
        assert not any("aws kms" in line for line in lines)

"""scripts/decryption.py: who reads the encryption key, and what they are told when the mail is for somebody else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from scripts import decryption
from tests.scripts import loopback_aws
from tests.scripts.loopback_aws import ACCOUNT, LoopbackAws

KEY = Fernet.generate_key().decode()
PAIR = decryption.KeyPair("alice", "AKIAFAKE00000000NEW1", "not-a-real-secret/new")
BLOCK = Fernet(KEY).encrypt(decryption.as_json(PAIR).encode()).decode()
PARAMETER = "/ikr/secret/iam/alice"
REGION = "eu-central-1"
COMMAND = ("--profile", "default", "--region", REGION, "--parameter", PARAMETER, "--account", ACCOUNT)

ALICE, BOB, ROLE, ELSEWHERE, ROOT = (
    "AKIAFAKE00000ALICE01",
    "AKIAFAKE0000000BOB01",
    "ASIAFAKE0000000ROLE1",
    "AKIAFAKE0000OTHER001",
    "AKIAFAKE0000ROOT0001",
)

# The one line that a command ends with, without the command's name.
Told = Callable[..., str]


def profile(name: str, key_id: str) -> str:
    return f"[{name}]\naws_access_key_id = {key_id}\naws_secret_access_key = not-a-real-secret\n"


@pytest.fixture
def aws(aws_environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackAws]:
    """Alice's encryption key in AWS, and no credentials in the environment."""
    with loopback_aws.serving() as server:
        server.owners = {
            ALICE: f"arn:aws:iam::{ACCOUNT}:user/staff/alice",
            BOB: f"arn:aws:iam::{ACCOUNT}:user/bob",
            ROLE: f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/alice",
            ROOT: f"arn:aws:iam::{ACCOUNT}:root",
            ELSEWHERE: "arn:aws:iam::444455556666:user/alice",
            PAIR.access_key_id: f"arn:aws:iam::{ACCOUNT}:user/staff/alice",
        }
        server.parameters = {(REGION, PARAMETER): KEY}
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        aws_environment.parent.mkdir()
        yield server


@pytest.fixture
def told(aws_environment: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    """Run the command, which fails; nothing is printed but one line, and nothing is written."""

    def told(*command: str) -> str:
        before = aws_environment.read_bytes() if aws_environment.exists() else None
        code = decryption.main([*command, BLOCK])
        out, err = capsys.readouterr()
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert KEY not in err
        assert (aws_environment.read_bytes() if aws_environment.exists() else None) == before
        return err.removeprefix("decryption.py: ").rstrip("\n")

    return told


class TestWhoReads:
    """The mail's command names the profile that it changes, and that holds the key it replaces."""

    def test_profile_that_is_about_to_change(self, aws: LoopbackAws, aws_environment: Path) -> None:
        aws_environment.write_text(profile("default", BOB) + profile("work", ALICE))

        code = decryption.main(["--profile", "work", *COMMAND[2:], BLOCK])

        assert code == 0
        assert aws.asked == [("ssm", ALICE), ("sts", PAIR.access_key_id), ("sts", ALICE)]

    def test_it_goes_before_the_usual_profile(
        self, aws: LoopbackAws, aws_environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        aws_environment.write_text(profile("usual", BOB) + profile("work", ALICE))
        monkeypatch.setenv("AWS_PROFILE", "usual")

        decryption.main(["--profile", "work", *COMMAND[2:], BLOCK])

        assert aws.asked[0] == ("ssm", ALICE)

    def test_profile_that_is_known_to_the_config_file_alone(
        self, aws: LoopbackAws, aws_environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Keys may stand there as well."""
        config = aws_environment.parent / "config"
        config.write_text(profile("profile work", ALICE))
        aws_environment.write_text(profile("usual", BOB))
        monkeypatch.setenv("AWS_PROFILE", "usual")

        decryption.main(["--profile", "work", *COMMAND[2:], BLOCK])

        assert aws.asked[0] == ("ssm", ALICE)

    def test_named_profile_goes_first(
        self, aws: LoopbackAws, aws_environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        aws_environment.write_text(profile("default", BOB) + profile("mine", ALICE))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", BOB)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-real-secret")

        decryption.main([*COMMAND, "--aws-profile", "mine", BLOCK])

        assert aws.asked[0] == ("ssm", ALICE)

    def test_environment_goes_before_the_profile(
        self, aws: LoopbackAws, aws_environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As with every AWS tool."""
        aws_environment.write_text(profile("default", BOB))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ALICE)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-real-secret")

        decryption.main([*COMMAND, BLOCK])

        assert aws.asked[0] == ("ssm", ALICE)

    @pytest.mark.usefixtures("aws")
    def test_region_is_that_of_the_profile_that_reads(
        self, aws_environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        aws_environment.write_text(profile("default", ALICE) + f"region = {REGION}\n")

        assert decryption.main(["--profile", "default", "--parameter", PARAMETER, BLOCK]) == 0


class TestProfileToChange:
    """Every mail says `--profile default`. The profile to change is the one that holds the key to be replaced."""

    IN_WORK = (
        f"Your present key {ALICE} is in the profile work, not in default: run it again with --profile work (or, to "
        "write into default all the same, with --aws-profile work)."
    )

    @pytest.mark.usefixtures("aws")
    def test_key_is_in_the_usual_profile(
        self, aws_environment: Path, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It would stay there, until AWS refuses it."""
        aws_environment.write_text(profile("work", ALICE))
        monkeypatch.setenv("AWS_PROFILE", "work")

        assert told(*COMMAND) == self.IN_WORK

    @pytest.mark.usefixtures("aws")
    def test_advice_can_be_followed(self, aws_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        aws_environment.write_text(profile("work", ALICE))
        monkeypatch.setenv("AWS_PROFILE", "work")

        assert decryption.main([*COMMAND, "--profile", "work", BLOCK]) == 0
        assert decryption.present_credentials("work-previous", aws_environment)["aws_access_key_id"] == ALICE

    @pytest.mark.usefixtures("aws")
    def test_who_means_it_writes_it_all_the_same(self, aws_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before = profile("work", ALICE)
        aws_environment.write_text(before)
        monkeypatch.setenv("AWS_PROFILE", "work")

        assert decryption.main([*COMMAND, "--aws-profile", "work", BLOCK]) == 0
        assert aws_environment.read_text().startswith(f"{before}\n[default]\n")

    @pytest.mark.usefixtures("aws")
    @pytest.mark.parametrize("present", ["", profile("default", BOB)], ids=["no default", "default is bob"])
    @pytest.mark.parametrize(
        ("file", "heading"), [("credentials", "work"), ("config", "profile work"), ("config", 'profile "work"')]
    )
    def test_key_of_the_environment_is_in_a_profile_as_well(
        self,
        present: str,
        file: str,
        heading: str,
        aws_environment: Path,
        told: Told,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        aws_environment.write_text(present)
        with aws_environment.with_name(file).open("a") as opened:
            opened.write(profile(heading, ALICE))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ALICE)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-real-secret")

        assert told(*COMMAND) == self.IN_WORK

    @pytest.mark.usefixtures("aws")
    def test_key_is_in_several(self, aws_environment: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
        aws_environment.write_text(profile("work", ALICE) + profile("home", ALICE))
        monkeypatch.setenv("AWS_PROFILE", "work")

        assert told(*COMMAND) == (
            f"Your present key {ALICE} is in the profiles work and home, not in default: run it again with --profile "
            "work or --profile home (or, to write into default all the same, with --aws-profile work)."
        )

    @pytest.mark.usefixtures("aws")
    @pytest.mark.parametrize(
        "present",
        [
            "",
            profile("default", ALICE) + profile("work", ALICE),
            profile("default", PAIR.access_key_id) + profile("work", ALICE),
            profile("work", PAIR.access_key_id) + profile("work-previous", ALICE),
        ],
        ids=["in no profile", "in default too", "new key is in default already", "kept in work-previous"],
    )
    def test_otherwise_it_is_written(
        self, present: str, aws_environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        aws_environment.write_text(present)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ALICE)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-real-secret")

        assert decryption.main([*COMMAND, BLOCK]) == 0
        held = decryption.present_credentials("default", aws_environment)["aws_access_key_id"]
        assert held == PAIR.access_key_id

    @pytest.mark.usefixtures("aws")
    def test_pair_that_is_only_printed_has_no_profile(
        self, aws_environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        aws_environment.write_text(profile("work", ALICE))
        monkeypatch.setenv("AWS_PROFILE", "work")

        assert decryption.main([*COMMAND[2:], BLOCK]) == 0

    @pytest.mark.usefixtures("aws")
    @pytest.mark.parametrize("refusal", ["AccessDeniedException", "ParameterNotFound", ""])
    def test_profile_of_the_mail_is_somebody_elses(
        self, refusal: str, aws: LoopbackAws, aws_environment: Path, told: Told
    ) -> None:
        """Even if they can read the key: the account is another."""
        aws_environment.write_text(profile("default", BOB if refusal else ELSEWHERE) + profile("work", ALICE))
        you = f"bob in {ACCOUNT}" if refusal else "alice in 444455556666"
        if refusal:
            aws.refusals[PARAMETER] = (refusal, "")

        assert told(*COMMAND) == (
            f"You are {you} (signed in with the profile default), and the mail is for alice in {ACCOUNT}: run it again "
            "with --profile work."
        )

    @pytest.mark.usefixtures("aws")
    def test_environment_goes_before_profile(
        self, aws: LoopbackAws, aws_environment: Path, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So --profile alone would read with the same key again."""
        aws.refusals[PARAMETER] = ("AccessDeniedException", "")
        aws_environment.write_text(profile("default", ALICE))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", BOB)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-real-secret")

        assert told(*COMMAND).endswith(": run it again with --profile default --aws-profile default.")

        aws.refusals.clear()
        assert decryption.main([*COMMAND, "--aws-profile", "default", BLOCK]) == 0

    @pytest.mark.usefixtures("aws")
    def test_reader_that_was_named_is_somebody_else(self, aws: LoopbackAws, aws_environment: Path, told: Told) -> None:
        aws.refusals[PARAMETER] = ("AccessDeniedException", "")
        aws_environment.write_text(profile("other", BOB) + profile("work", ALICE) + profile("work-previous", ALICE))

        for command in ((*COMMAND, "--aws-profile", "other"), (*COMMAND[2:], "--aws-profile", "other")):
            assert told(*command).endswith(": run it again with --aws-profile work.")

    @pytest.mark.parametrize("reader", ["ENC_KEY", "--aws-profile"])
    def test_other_user_is_not_the_first_remedy(
        self, reader: str, aws: LoopbackAws, aws_environment: Path, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where another profile belongs to the right one."""
        del aws
        aws_environment.write_text(profile("default", BOB) + profile("work", ALICE))
        if reader == "ENC_KEY":
            monkeypatch.setenv("ENC_KEY", KEY)
            command: tuple[str, ...] = ("--profile", "default", "--region", REGION)
        else:
            command = (*COMMAND, "--aws-profile", "work")

        assert told(*command) == (
            f"The new key {PAIR.access_key_id} belongs to arn:aws:iam::{ACCOUNT}:user/staff/alice, and the key in the "
            f"profile default to arn:aws:iam::{ACCOUNT}:user/bob. Nothing was done with it: run it again with "
            "--profile work, or, if you know that this is intended, add --allow-other-user."
        )

    @pytest.mark.usefixtures("aws")
    def test_old_key_of_the_profile_has_ended(self, aws_environment: Path, told: Told) -> None:
        aws_environment.write_text(profile("default", "AKIAFAKE000000GONE01") + profile("work", ALICE))

        assert told(*COMMAND) == (
            "AWS does not accept your credentials (UnrecognizedClientException), those of the profile default: run it "
            "again with --profile work. If they are the key that the mail replaces, it has been "
            "deactivated or deleted: ask your administrator to reactivate it, or for a new one."
        )


class TestWhomTheMailIsFor:
    YOURS = "run it again with --profile NAME, the profile that holds the key to be replaced (your profiles: default)."

    @pytest.fixture(autouse=True)
    def refused(self, aws: LoopbackAws) -> None:
        aws.refusals[PARAMETER] = ("AccessDeniedException", "User: somebody is not authorized")

    @pytest.mark.parametrize(
        ("key_id", "you"),
        [
            (BOB, f"bob in {ACCOUNT}"),
            (ELSEWHERE, "alice in 444455556666"),
            (ROLE, f"the role admin in {ACCOUNT}"),
            (ROOT, f"the root user in {ACCOUNT}"),
        ],
    )
    @pytest.mark.parametrize("refusal", ["AccessDeniedException", "ParameterNotFound"])
    def test_somebody_else_learns_who_they_are(
        self, key_id: str, you: str, refusal: str, aws: LoopbackAws, aws_environment: Path, told: Told
    ) -> None:
        aws.refusals[PARAMETER] = (refusal, "")
        aws_environment.write_text(profile("default", key_id))

        assert told(*COMMAND) == (
            f"You are {you} (signed in with the profile default), and the mail is for alice in {ACCOUNT}: {self.YOURS}"
        )

    def test_user_by_id(self, aws: LoopbackAws, aws_environment: Path, told: Told) -> None:
        """Names that SSM does not take are ids in the command."""
        parameter = "/ikr/secret/iam-id/AIDAFAKE000000CAROL"
        aws.refusals[parameter] = ("AccessDeniedException", "")
        aws_environment.write_text(profile("default", ALICE))

        assert told("--profile", "default", "--region", REGION, "--parameter", parameter) == (
            f"You are alice in {ACCOUNT} (signed in with the profile default), and the mail is for the user with the "
            f"id AIDAFAKE000000CAROL: {self.YOURS}"
        )

    def test_profile_of_the_user_by_id(self, aws: LoopbackAws, aws_environment: Path, told: Told) -> None:
        parameter = "/ikr/secret/iam-id/AIDAFAKE000000000BOB"
        aws.user_ids["bob"] = "AIDAFAKE000000000BOB"
        aws.refusals[parameter] = ("AccessDeniedException", "")
        aws_environment.write_text(profile("default", ALICE) + profile("mine", BOB))

        words = told("--profile", "default", "--region", REGION, "--parameter", parameter)

        assert words.endswith("the id AIDAFAKE000000000BOB: run it again with --profile mine.")

    def test_parameter_of_another_name_is_nobodys(self, aws: LoopbackAws, aws_environment: Path, told: Told) -> None:
        """Only the names that the service gives say who a mail is for; the account is known all the same."""
        aws.refusals["/team/key"] = ("AccessDeniedException", "")
        aws_environment.write_text(profile("default", BOB) + profile("other", ELSEWHERE))
        command = ("--region", REGION, "--parameter", "/team/key", "--account", ACCOUNT)

        assert "the mail is for somebody" not in told("--aws-profile", "default", *command)
        assert f"(signed in with the profile other), and the mail is for somebody in {ACCOUNT}" in (
            told("--aws-profile", "other", *command)
        )

    def test_credentials_of_the_environment_are_named(self, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
        """They may be left over from something else."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ROLE)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-real-secret")

        assert told(*COMMAND) == (
            f"You are the role admin in {ACCOUNT} (signed in with AWS_ACCESS_KEY_ID in the environment), and the mail "
            f"is for alice in {ACCOUNT}: put the key to be replaced into a profile with `aws configure`, then try "
            "again."
        )

    def test_same_name_in_another_account_has_an_encryption_key_too(
        self, aws: LoopbackAws, aws_environment: Path, told: Told
    ) -> None:
        """It was found, and would not open the block."""
        del aws.refusals[PARAMETER]
        aws_environment.write_text(profile("default", ELSEWHERE))

        assert told(*COMMAND) == (
            "You are alice in 444455556666 (signed in with the profile default), and the mail is for alice in "
            f"{ACCOUNT}: {self.YOURS}"
        )

    def test_right_user_may_have_the_wrong_region_or_no_policy(self, aws_environment: Path, told: Told) -> None:
        aws_environment.write_text(profile("default", ALICE))

        assert told(*COMMAND) == (
            f"You are alice in {ACCOUNT}, the user the mail is for, but you may not read {PARAMETER} in {REGION}: "
            "compare --region with the mail. If it matches, ask your administrator for the decrypt policy of "
            "iam-key-rotator. AWS says: User: somebody is not authorized"
        )

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            ("AccessDeniedException", "The ciphertext refers to a customer master key that you may not access."),
            ("AccessDeniedException", "not authorized to perform: kms:Decrypt"),
            ("InvalidKeyId", ""),
            ("KMSInvalidStateException", "pending deletion"),
        ],
    )
    def test_kms_refuses(self, code: str, message: str, aws: LoopbackAws, aws_environment: Path, told: Told) -> None:
        aws.refusals[PARAMETER] = (code, message)
        aws_environment.write_text(profile("default", ALICE))

        assert told(*COMMAND) == (
            f"You are alice in {ACCOUNT}, the user the mail is for, but you may not decrypt {PARAMETER}, says AWS KMS: "
            "ask your administrator for the decrypt policy of iam-key-rotator, and whether its KMS key is enabled. AWS "
            f"says: {message}"
        )

    def test_rotation_is_over_or_region_is_wrong(self, aws: LoopbackAws, aws_environment: Path, told: Told) -> None:
        del aws.refusals[PARAMETER]
        aws_environment.write_text(profile("default", ALICE))

        assert told(*COMMAND[:2], "--region", "us-east-1", *COMMAND[4:]) == (
            f"There is no parameter {PARAMETER} in us-east-1 of account {ACCOUNT}: compare --region and --parameter "
            "with the mail. If they match, the rotation is over or the new key was withdrawn, and you need a newer "
            "mail: ask your administrator for a new rotation."
        )

    def test_old_key_has_ended(self, aws: LoopbackAws, aws_environment: Path, told: Told) -> None:
        del aws.owners[ALICE]
        aws_environment.write_text(profile("default", ALICE))

        assert told(*COMMAND) == (
            f"AWS does not accept your credentials (UnrecognizedClientException), those of the profile default: "
            f"{self.YOURS} If they are the key that the mail replaces, it has been deactivated or deleted: ask "
            "your administrator to reactivate it, or for a new one."
        )

    def test_account_is_compared_without_aws_as_well(
        self, aws: LoopbackAws, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With the key from ENC_KEY, the command's account is the only one known."""
        monkeypatch.setenv("ENC_KEY", KEY)
        aws.owners[PAIR.access_key_id] = "arn:aws:iam::444455556666:user/alice"

        assert f"the block is for the user alice in account {ACCOUNT}" in told(
            "--profile", "new", "--region", REGION, "--account", ACCOUNT
        )


class TestTheWayToAws:
    @pytest.fixture(autouse=True)
    def default_is_alice(self, aws: LoopbackAws, aws_environment: Path) -> None:
        del aws
        aws_environment.write_text(profile("default", ALICE))

    NOT_AWS = "the answer did not come from AWS: check your network (a proxy, a sign-in page) and AWS_ENDPOINT_URL."

    @pytest.mark.parametrize(
        "page", [b"<html><body>Welcome to the hotel<br></body></html>", b"<html/>", b"[]", b"{}", b"\xff\0"]
    )
    @pytest.mark.parametrize("own", [True, False])
    def test_sign_in_page_of_a_hotel(self, page: bytes, own: bool, aws: LoopbackAws, told: Told) -> None:
        aws.page = page
        command = ("--profile", "default", "--region", REGION) if own else COMMAND

        assert told(*command) == f"Could not get the encryption key from AWS: {self.NOT_AWS}"

    def test_sign_in_page_while_the_pair_is_checked(
        self, aws: LoopbackAws, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ENC_KEY", KEY)
        aws.page = b"<html><body>Welcome to the hotel<br></body></html>"

        assert told("--profile", "default", "--region", REGION) == (
            f"The new key {PAIR.access_key_id} could not be checked; nothing was done with it: {self.NOT_AWS} "
            "To skip the check, add --no-check."
        )

    def test_nobody_answers(self, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

        assert told(*COMMAND) == (
            "Could not get the encryption key from AWS: Could not connect to the endpoint URL: "
            '"http://127.0.0.1:1/": check your network (a proxy, a VPN), and try again.'
        )

    def test_endpoint_that_is_no_address(self, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")

        assert told(*COMMAND) == "Could not get the encryption key from AWS: Invalid endpoint: nonsense"

    def test_no_region(self, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")

        assert told("--profile", "default") == (
            "Could not get the encryption key from AWS: no AWS region is set: name the one from the mail with --region."
        )

    def test_no_credentials(self, aws_environment: Path, told: Told) -> None:
        aws_environment.unlink()

        assert told(*COMMAND) == (
            "No AWS credentials found: put the key to be replaced into a profile with `aws configure`, then try again."
        )

    def test_no_credentials_but_profiles(self, aws_environment: Path, told: Told) -> None:
        """Without a default profile and without AWS_PROFILE, nobody says which one it is."""
        aws_environment.write_text(profile("work", ALICE) + profile("work-previous", BOB))

        assert told(*COMMAND) == "No AWS credentials found: run it again with --profile work."
        assert told(*COMMAND[2:]) == "No AWS credentials found: run it again with --aws-profile work."

        aws_environment.write_text(
            "[default]\nregion = eu-central-1\n" + profile("work", ALICE) + profile("home-previous", BOB)
        )
        aws_environment.with_name("config").write_text(profile("profile home", BOB))

        assert told(*COMMAND) == (
            "No AWS credentials found in the profile default: run it again with --profile NAME, the profile that holds "
            "the key to be replaced (your profiles: home, default, work)."
        )

        aws_environment.write_text("".join(profile(f"team-{number}", BOB) for number in range(9)))
        assert told(*COMMAND).endswith("home, team-0, team-1, team-2, team-3, team-4, team-5, team-6, team-7, ...).")

    def test_half_of_the_credentials(self, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ALICE)

        assert told(*COMMAND) == (
            "Could not get the encryption key from AWS: Partial credentials found in env, missing: "
            "AWS_SECRET_ACCESS_KEY"
        )

    def test_wrong_profile(self, told: Told) -> None:
        assert told(*COMMAND, "--aws-profile", "defualt") == (
            "The config profile (defualt) could not be found: run it again with --aws-profile NAME, the profile that "
            "holds the key to be replaced (your profiles: default)."
        )

    def test_usual_profile_that_is_not_there(
        self, aws_environment: Path, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_PROFILE", "gone")
        aws_environment.write_text(profile("work", ALICE))

        assert told(*COMMAND) == (
            "The config profile (gone) could not be found: run it again with --profile NAME, the profile that holds "
            "the key to be replaced (your profiles: work)."
        )

    @pytest.mark.parametrize("content", [b"[default\naws_access_key_id", b"\xff\xfe\0"])
    def test_malformed_file(self, content: bytes, aws_environment: Path, told: Told) -> None:
        aws_environment.write_bytes(content)

        words = told(*COMMAND)

        assert re.fullmatch(
            rf"{aws_environment} is not a well-formed AWS credentials file(, line 1)?: fix it first\.", words
        )

    def test_answer_that_is_no_key(self, aws: LoopbackAws, told: Told) -> None:
        aws.parameters[REGION, PARAMETER] = "<html>"

        assert told(*COMMAND) == (
            f"{PARAMETER} ({REGION}) does not hold an encryption key: it must be 44 characters that end in '='."
        )

    def test_key_of_another_mail(self, aws: LoopbackAws, told: Told) -> None:
        aws.parameters[REGION, PARAMETER] = Fernet.generate_key().decode()

        assert told(*COMMAND) == (
            f"The key in {PARAMETER} ({REGION}) does not open this block: use the block from your newest mail, and "
            "copy all of it."
        )

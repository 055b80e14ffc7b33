"""scripts/decryption.py --profile: the pair goes into a file that holds other people's access as well."""

from __future__ import annotations

import configparser
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography.fernet import Fernet

from scripts import decryption
from scripts.decryption import KeyPair
from tests.scripts import loopback_aws
from tests.scripts.loopback_aws import LoopbackAws

PAIR = KeyPair("alice", "AKIAFAKE00000000NEW1", "not-a-real-secret/new")
SETTINGS = "aws_access_key_id = AKIAFAKE00000000NEW1\naws_secret_access_key = not-a-real-secret/new\n"
OLD = "aws_access_key_id = AKIAFAKE00000000OLD1\naws_secret_access_key = not-a-real-secret\n"


@pytest.fixture
def file(aws_environment: Path) -> Path:
    """A credentials file in its directory, empty yet."""
    aws_environment.parent.mkdir()
    aws_environment.touch(mode=0o600)
    return aws_environment


class TestContent:
    def test_an_empty_file(self) -> None:
        assert decryption.with_profile("", "work", PAIR) == f"[work]\n{SETTINGS}"

    def test_a_new_profile_goes_to_the_end(self) -> None:
        before = f"[default]\n{OLD}"

        assert decryption.with_profile(before, "work", PAIR) == f"{before}\n[work]\n{SETTINGS}"

    def test_the_pair_it_replaces_is_kept(self) -> None:
        after = decryption.with_profile(f"[work]\n{OLD}", "work", PAIR)

        assert after == f"[work]\n{SETTINGS}\n[work-previous]\n{OLD}"

    def test_only_one_previous_pair_is_kept(self) -> None:
        older = OLD.replace("OLD1", "OLD0")

        after = decryption.with_profile(f"[work-previous]\n{older}\n[work]\n{OLD}", "work", PAIR)

        assert after == f"[work-previous]\n{OLD}\n[work]\n{SETTINGS}"

    def test_writing_the_same_pair_twice_changes_nothing(self) -> None:
        """Otherwise the second time would replace the previous pair, the one that may still be needed, by the new."""
        once = decryption.with_profile(f"[work]\n{OLD}", "work", PAIR)

        assert decryption.with_profile(once, "work", PAIR) == once

    def test_everything_else_stays_to_the_byte(self) -> None:
        before = (
            "# my keys; see the wiki\n\n"
            "[first]\naws_access_key_id=AKIAFAKE00000000OLD2\n  ; indented\naws_secret_access_key : other\n\n\n"
            "[work]\n# of the build server\nAWS_ACCESS_KEY_ID=AKIAFAKE00000000OLD1\nregion = eu-west-1\n"
            "aws_secret_access_key=not-a-real-secret\n\n"
            "[work-2]\naws_access_key_id = AKIAFAKE00000000OLD3\ns3 =\n  max_concurrent_requests = 5\n# the end: naïve"
        )

        after = decryption.with_profile(before, "work", PAIR)

        assert after == (
            before.replace("[work]\n", f"[work]\n{SETTINGS}")
            .replace("AWS_ACCESS_KEY_ID=AKIAFAKE00000000OLD1\n", "")
            .replace("aws_secret_access_key=not-a-real-secret\n", "")
            + f"\n\n[work-previous]\n{OLD}"
        )

    def test_a_session_token_goes_with_its_pair(self) -> None:
        """A token beside the new pair would make AWS refuse it."""
        token = "aws_session_token = not-a-real-token\n"

        after = decryption.with_profile(f"[work]\n{OLD}{token}", "work", PAIR)

        assert after == f"[work]\n{SETTINGS}\n[work-previous]\n{OLD}{token}"

    def test_line_ends_are_those_of_the_file(self) -> None:
        after = decryption.with_profile("[default]\r\nregion = x\r\n", "work", PAIR)

        assert after.count("\n") == after.count("\r\n") == 6

    @pytest.mark.parametrize(
        "unusual",
        [
            "[work]\naws_access_key_id = AKIAFAKE00000000OLD1\n  on two lines\naws_secret_access_key = x\n",
            f"[DEFAULT]\naws_session_token = not-a-real-token\n[work]\n{OLD}",
        ],
        ids=["a value on two lines", "a token for every profile"],
    )
    def test_what_it_cannot_do_right_it_does_not_do(self, unusual: str) -> None:
        """The result is read back as boto3 reads it, and anything but the intended change is refused."""
        with pytest.raises(configparser.Error):
            decryption.with_profile(unusual, "work", PAIR)


class TestContentWithoutAPair:
    """What --delete-previous leaves."""

    def test_pair_that_was_kept_goes_with_its_profile(self) -> None:
        before = f"[work]\n{SETTINGS}"
        kept = decryption.with_profile(f"[work]\n{OLD}", "work", PAIR)

        assert decryption.without_credentials(kept, "work-previous") == f"{before}\n"

    def test_everything_else_stays_to_the_byte(self) -> None:
        """A comment above the next profile belongs to that."""
        before = f"# mine\r\n[work]\r\nregion = x\r\n\r\n# the other one: naïve\r\n[other]\r\n{OLD}"
        kept = before.replace("[work]", "[work-previous]\r\nAWS_ACCESS_KEY_ID=AKIAFAKE00000000OLD0\r\n[work]")

        assert decryption.without_credentials(kept, "work-previous") == before

    def test_profile_with_other_settings_stays(self) -> None:
        assert decryption.without_credentials(f"[work]\n{OLD}region = x\n# why\n", "work") == (
            "[work]\nregion = x\n# why\n"
        )

    def test_what_it_cannot_do_right_it_does_not_do(self) -> None:
        with pytest.raises(configparser.Error):
            decryption.without_credentials(f"[DEFAULT]\nregion = x\n[work]\n{OLD}  on two lines\n", "work")


class TestFile:
    def test_boto3_finds_the_pair(self, file: Path) -> None:
        decryption.store(PAIR, "work", file)

        credentials = boto3.Session(profile_name="work").get_credentials()

        assert credentials is not None
        assert (credentials.access_key, credentials.secret_key) == (PAIR.access_key_id, PAIR.secret_access_key)

    def test_a_new_file_is_its_owners_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "home" / ".aws" / "credentials"

        decryption.store(PAIR, "work", path)

        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    @pytest.mark.parametrize("mode", [0o600, 0o640, 0o400])
    def test_the_mode_stays(self, mode: int, file: Path) -> None:
        file.chmod(mode)

        decryption.store(PAIR, "work", file)

        assert stat.S_IMODE(file.stat().st_mode) == mode

    @pytest.mark.parametrize("is_there", [True, False], ids=["file", "folder alone"])
    def test_under_sudo_it_stays_its_owners(self, is_there: bool, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Otherwise users could not read their own keys any more. What only root may do is recorded."""
        given: list[tuple[str, int, int]] = []
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(os, "chown", lambda path, owner, group: given.append((Path(path).name, owner, group)))
        if not is_there:
            file.unlink()

        decryption.store(PAIR, "work", file)

        assert [(owner, group) for _, owner, group in given] == [(os.getuid(), os.getgid())]
        assert given[0][0].startswith(".credentials-"), "before it takes the file's place"

    @pytest.mark.parametrize("owned", ["credentials", "."], ids=["file", "folder alone"])
    def test_whoever_it_belongs_to_it_stays_theirs(self, owned: str, file: Path) -> None:
        """Where the tests run as root, the file is another user's here."""
        owner = (4711, 4712) if os.geteuid() == 0 else (os.getuid(), os.getgid())
        os.chown(file.parent / owned, *owner)
        if owned == ".":
            file.unlink()

        decryption.store(PAIR, "work", file)

        assert (file.stat().st_uid, file.stat().st_gid, stat.S_IMODE(file.stat().st_mode)) == (*owner, 0o600)

    def test_nobody_but_root_gives_files_away(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It would be refused."""
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        monkeypatch.setattr(os, "chown", lambda *_: pytest.fail("not allowed"))

        decryption.store(PAIR, "work", file)

        assert PAIR.access_key_id in file.read_text()

    def test_a_link_stays_a_link(self, file: Path, tmp_path: Path) -> None:
        link = tmp_path / "link"
        link.symlink_to(file)

        decryption.store(PAIR, "work", link)

        assert link.is_symlink()
        assert PAIR.access_key_id in file.read_text()

    def test_bytes_that_are_no_utf_8_survive(self, file: Path) -> None:
        file.write_bytes(b"# caf\xe9\n")

        decryption.store(PAIR, "work", file)

        assert file.read_bytes().startswith(b"# caf\xe9\n")

    def test_a_failing_write_leaves_the_file_and_nothing_else(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file.write_text(f"[work]\n{OLD}")

        def full_disk(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full_disk)

        with pytest.raises(decryption.Mishap, match="No space left on device"):
            decryption.store(PAIR, "work", file)

        assert file.read_text() == f"[work]\n{OLD}"
        assert list(file.parent.iterdir()) == [file]

    def test_file_that_somebody_holds_open_on_windows(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """There, a file that is open cannot be replaced."""
        file.write_text(f"[work]\n{OLD}")

        def locked(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "replace", locked)

        with pytest.raises(decryption.Mishap, match=r"cannot be written \(Permission denied\), and is as it was"):
            decryption.store(PAIR, "work", file)

        assert file.read_text() == f"[work]\n{OLD}"
        assert list(file.parent.iterdir()) == [file]

    @pytest.mark.parametrize(
        "broken",
        [
            "[work]\nnot-a-real-secret-on-a-line-of-its-own\n",
            "not-a-real-secret = before the first profile\n[work]\n",
            f"[work]\n{OLD}[work]\n{OLD}",
        ],
    )
    def test_a_malformed_file_is_left_alone_and_not_quoted(self, broken: str, file: Path) -> None:
        """The parser's own message quotes the line at fault, which may hold a secret."""
        file.write_text(broken)

        with pytest.raises(decryption.Mishap, match=r"credentials file, line \d") as mishap:
            decryption.store(PAIR, "work", file)

        assert "not-a-real-secret" not in str(mishap.value)
        assert file.read_text() == broken


class TestCommand:
    def test_it_says_where_the_pair_went_and_no_secret(
        self, aws_environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        key = Fernet.generate_key()
        monkeypatch.setenv("ENC_KEY", key.decode())
        block = Fernet(key).encrypt(decryption.as_json(PAIR).encode()).decode()

        monkeypatch.delenv("AWS_ACCESS_KEY_ID")

        code = decryption.main(["--profile", "work", "--no-check", block])

        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        assert str(aws_environment) in out
        assert PAIR.secret_access_key not in out
        assert aws_environment.read_text() == f"[work]\n{SETTINGS}"

    def test_without_the_variable_it_is_the_usual_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))

        assert decryption.credentials_file({}) == tmp_path / ".aws" / "credentials"

    @pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602])
    def test_it_says_that_others_can_read_the_file(
        self, mode: int, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The mode may be meant, and stays; its owner learns of it, and how to close it."""
        file.chmod(mode)

        assert run(monkeypatch) == 0

        assert f"can read or change {file} (mode 0{mode:o})" in (err := capsys.readouterr().err)
        assert f"chmod 600 {file}" in err
        assert stat.S_IMODE(file.stat().st_mode) == mode

    def test_on_windows_modes_say_nothing(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """There, every file seems to be readable for all."""
        file.chmod(0o666)
        run(monkeypatch)
        capsys.readouterr()

        with monkeypatch.context() as windows:
            windows.setattr(os, "name", "nt")
            warning = decryption._read_by_others(file)

        assert warning is None


class TestWhatItReplaced:
    """Whoever runs it sees where the old pair is, and what may keep the new one from being used."""

    NOW = "Access key AKIAFAKE00000000NEW1 of alice is now in the profile work of FILE.\n"
    REMOVE = "When a mail tells you that it was deleted, remove it from the file: --profile work --delete-previous\n"

    @pytest.fixture
    def said(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> Callable[[], str]:
        """Run the command; give what it says, all of it without a secret."""
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")

        def said() -> str:
            assert run(monkeypatch) == 0
            out, err = capsys.readouterr()
            assert "not-a-real-secret" not in out + err
            return (out + err).replace(str(file), "FILE").replace(str(file.parent / "config"), "CONFIG")

        return said

    def test_new_profile_replaces_nothing(self, said: Callable[[], str]) -> None:
        assert said() == self.NOW

    def test_old_pair_is_named_and_kept(self, file: Path, said: Callable[[], str]) -> None:
        file.write_text(f"[work]\n{OLD}")

        assert said() == (
            f"{self.NOW}It replaced AKIAFAKE00000000OLD1, which is now in the profile work-previous. {self.REMOVE}"
        )

    def test_pair_that_is_kept_no_longer_is_named_too(self, file: Path, said: Callable[[], str]) -> None:
        file.write_text(f"[work]\n{OLD}[work-previous]\n{OLD.replace('OLD1', 'OLD0')}")

        assert said() == (
            f"{self.NOW}It replaced AKIAFAKE00000000OLD1, which is now in the profile work-previous. "
            f"AKIAFAKE00000000OLD0, which was there before, is no longer in the file. {self.REMOVE}"
        )

    def test_second_run_says_that_nothing_is_new(self, file: Path, said: Callable[[], str]) -> None:
        file.write_text(f"[work]\n{SETTINGS}")

        assert said() == self.NOW.replace("is now", "is already")

    @pytest.mark.parametrize(
        "setting",
        [
            "role_arn = arn:aws:iam::111122223333:role/deploy\ncredential_source = Environment",
            "web_identity_token_file = /var/run/token\nrole_arn = arn:aws:iam::111122223333:role/deploy",
            "sso_session = acme",
            "sso_start_url = https://acme.awsapps.com/start",
        ],
    )
    @pytest.mark.parametrize("place", ["config", "credentials"])
    def test_profile_that_takes_its_credentials_elsewhere(
        self, setting: str, place: str, file: Path, said: Callable[[], str]
    ) -> None:
        """AWS tools would go on with the other ones, and the new key would never be used."""
        header = "[profile work]" if place == "config" else "[work]"
        (file.parent / place).write_text(f"{header}\n{setting}\n")
        name = "role_arn" if "role_arn" in setting else setting.partition(" ")[0]

        assert said() == (
            f"{self.NOW}The profile work also has {name} in {place.upper().replace('CREDENTIALS', 'FILE')}: AWS tools "
            "may use that instead of this key. Remove it there, or run the command again with another --profile.\n"
        )

    @pytest.mark.parametrize(
        "setting", ["login_session = arn:aws:iam::111122223333:user/alice", "credential_process = /usr/bin/vault"]
    )
    def test_profile_whose_other_source_the_new_key_replaces(
        self, setting: str, file: Path, said: Callable[[], str]
    ) -> None:
        """A key in the credentials file goes first; where the old one is kept, it is easily forgotten."""
        (file.parent / "config").write_text(f"[profile work]\n{setting}\n")
        name = setting.partition(" ")[0]

        assert said() == (
            f"{self.NOW}The profile work also has {name} in CONFIG: the AWS CLI and boto3 use the new key instead. If "
            "the old key is kept there, replace it there, too.\n"
        )
        assert used_by_aws_tools() == PAIR.access_key_id

    def test_old_key_in_the_config_file_stays_there(self, file: Path, said: Callable[[], str]) -> None:
        """It could be changed by nobody but its owner; AWS tools use the one in the credentials file."""
        config = f"[profile work]\n{OLD}region = eu-central-1\n"
        (file.parent / "config").write_text(config)
        assert used_by_aws_tools() == "AKIAFAKE00000000OLD1"

        assert said() == (
            f"{self.NOW}The old key AKIAFAKE00000000OLD1 is in CONFIG, in the profile work, and stays there: remove it "
            "when it has ended.\n"
        )
        assert used_by_aws_tools() == PAIR.access_key_id
        assert (file.parent / "config").read_text() == config

    def test_new_key_in_the_config_file_is_no_old_one(self, file: Path, said: Callable[[], str]) -> None:
        (file.parent / "config").write_text(f"[profile work]\n{SETTINGS}")

        assert said() == self.NOW

    def test_role_that_is_assumed_with_another_profile(self, file: Path, said: Callable[[], str]) -> None:
        """That is the one which holds the key to replace."""
        config = "[profile work]\nrole_arn = arn:aws:iam::111122223333:role/deploy\nsource_profile = base\n"
        (file.parent / "config").write_text(config)

        assert said() == (
            f"{self.NOW}The profile work assumes a role with the key of the profile base (role_arn in CONFIG), and "
            "does not use this one: run the command again with --profile base.\n"
        )

    @pytest.mark.parametrize(
        "config",
        [
            "[profile work]\nrole_arn = arn:aws:iam::111122223333:role/deploy\nsource_profile = work\n",
            "[profile work]\nregion = eu-central-1\ns3 =\n  max_concurrent_requests = 5\n",
            "[profile other]\nsso_session = acme\n",
            "[work]\nsso_session = acme\n",
            "nonsense",
        ],
        ids=["role assumed with this key", "other settings", "another profile", "no profile", "malformed"],
    )
    def test_profile_that_uses_its_own_pair_needs_no_warning(
        self, config: str, file: Path, said: Callable[[], str]
    ) -> None:
        (file.parent / "config").write_text(config)

        assert said() == self.NOW

    def test_default_profile_has_another_heading_in_the_config_file(self, file: Path) -> None:
        config = file.parent / "config"
        config.write_text("[default]\nsso_session = acme\n")

        warning = decryption._other_source("default", file)

        assert warning
        assert f"The profile default also has sso_session in {config}" in warning

    def test_environment_that_goes_before_the_profile(
        self, said: Callable[[], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAFAKE00000000OLD1")

        assert said() == (
            f"{self.NOW}AWS_ACCESS_KEY_ID is set in this shell, and AWS tools use it before any profile: unset it, "
            "and update or remove it where it is set.\n"
        )


def used_by_aws_tools() -> str:
    """Resolve the profile as botocore does."""
    credentials = boto3.Session(profile_name="work").get_credentials()
    assert credentials
    return credentials.access_key


TRY_AGAIN = "so it was kept: try again when a mail has told you that it was deleted."
WRITE_FIRST = "so both were kept. Write your new key to it first."


class TestDeletePrevious:
    """An old pair is of no use once AWS refuses it, and looks like a leak to whoever finds it."""

    OLD_KEY, NEW_KEY = "AKIAFAKE00000000OLD1", PAIR.access_key_id
    BOTH = f"[work]\n{SETTINGS}\n[work-previous]\n{OLD}"
    ENDED = f"AWS does not accept {OLD_KEY} in the profile work-previous any more: it has been deleted or deactivated."
    DELETE = ("--profile", "work", "--delete-previous")

    @pytest.fixture
    def aws(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackAws]:
        """Here, only the new key exists."""
        file.write_text(self.BOTH)
        with loopback_aws.serving() as server:
            server.owners = {self.NEW_KEY: "arn:aws:iam::111122223333:user/alice"}
            monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
            yield server

    @pytest.fixture
    def told(self, capsys: pytest.CaptureFixture[str], file: Path) -> Callable[[], tuple[int, str]]:
        def told() -> tuple[int, str]:
            code = decryption.main(self.DELETE)
            return code, "".join(capsys.readouterr()).replace(str(file), "FILE")

        return told

    @pytest.mark.usefixtures("aws")
    def test_pair_that_aws_refuses_is_removed(self, file: Path, told: Callable[[], tuple[int, str]]) -> None:
        assert told() == (0, f"{self.ENDED}\nThe key in the profile work-previous was removed from FILE.\n")
        assert file.read_text() == f"[work]\n{SETTINGS}\n"

    @pytest.mark.usefixtures("aws")
    def test_new_key_may_be_in_the_config_file(self, file: Path, told: Callable[[], tuple[int, str]]) -> None:
        file.with_name("config").write_text(f"[profile work]\n{SETTINGS}")
        file.write_text(f"[work-previous]\n{OLD}")

        assert told()[0] == 0
        assert file.read_text() == ""

    @pytest.mark.usefixtures("aws")
    def test_doing_it_again_does_no_harm(self, file: Path, told: Callable[[], tuple[int, str]]) -> None:
        told()
        once = file.read_text()

        assert told() == (0, "There is no key in the profile work-previous of FILE: nothing to remove.\n")
        assert file.read_text() == once

    @pytest.mark.parametrize("answer", ["arn:aws:iam::111122223333:user/alice", "SignatureDoesNotMatch", "Throttling"])
    def test_pair_that_may_still_work_stays(
        self, answer: str, aws: LoopbackAws, file: Path, told: Callable[[], tuple[int, str]]
    ) -> None:
        aws.owners[self.OLD_KEY] = answer

        assert told() == (
            1,
            f"decryption.py: AWS still knows {self.OLD_KEY} in the profile work-previous, {TRY_AGAIN}\n",
        )
        assert file.read_text() == self.BOTH

    @pytest.mark.parametrize("content", [BOTH, f"[work-previous]\n{OLD}"])
    def test_last_pair_stays(
        self, content: str, aws: LoopbackAws, file: Path, told: Callable[[], tuple[int, str]]
    ) -> None:
        """An administrator may activate the old key; its secret is nowhere else."""
        aws.owners.clear()
        file.write_text(content)

        assert told() == (
            1,
            f"decryption.py: AWS accepts neither work-previous nor the profile work itself, {WRITE_FIRST}\n",
        )
        assert file.read_text() == content

    def test_unasked_nothing_is_removed(
        self, file: Path, told: Callable[[], tuple[int, str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file.write_text(self.BOTH)
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

        code, words = told()

        assert (code, words.count("\n")) == (1, 1)
        assert f"Could not ask AWS about {self.OLD_KEY}; nothing was removed" in words
        assert file.read_text() == self.BOTH

    @pytest.mark.usefixtures("aws")
    @pytest.mark.parametrize(("typed", "removed"), [("y\n", True), ("n\n", False), ("\n", False), ("\x04", False)])
    def test_at_a_terminal_it_asks(self, typed: str, removed: bool, file: Path) -> None:
        """When the profile has the new pair already, nothing else takes the old one's place."""
        user, command = os.openpty()
        os.write(user, typed.encode())

        with os.fdopen(command, "rb+", buffering=0) as terminal, os.fdopen(user, "rb", buffering=0) as screen:
            done = self.again(stdin=terminal, stderr=terminal)
            shown = screen.read(10_000).decode()

        assert done.returncode == 0
        assert f"{self.ENDED} Remove it only if a mail has told you that it was deleted. Remove it? [y/N]" in shown
        assert file.read_text() == (f"[work]\n{SETTINGS}\n" if removed else self.BOTH)

    def test_question_that_cannot_be_put_spoils_nothing(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The new pair is in its place; AWS went away after that."""
        file.write_text(self.BOTH)
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        options = decryption._parser().parse_args(["--profile", "work", "--region", "eu-central-1"])

        decryption._offer_to_delete_previous(options, file)

        assert file.read_text() == self.BOTH

    @pytest.mark.usefixtures("aws")
    def test_without_a_terminal_it_never_asks(self, file: Path) -> None:
        done = self.again(input=b"y\n", stderr=subprocess.PIPE)

        assert (done.returncode, b"y/N" in done.stderr) == (0, False)
        assert file.read_text() == self.BOTH

    @pytest.mark.usefixtures("aws")
    @pytest.mark.parametrize(("typed", "removed"), [("y\n", True), ("\n", False)])
    def test_deletion_at_a_terminal_asks_as_well(self, typed: str, removed: bool, file: Path) -> None:
        """The key may be deactivated, and its secret is nowhere else."""
        user, command = os.openpty()
        os.write(user, typed.encode())

        with os.fdopen(command, "rb+", buffering=0) as terminal, os.fdopen(user, "rb", buffering=0) as screen:
            done = self.again("--delete-previous", stdin=terminal, stderr=terminal)
            shown = screen.read(10_000).decode()

        assert (done.returncode, f"{self.ENDED} Remove it only if a mail" in shown) == (0, True)
        assert file.read_text() == (f"[work]\n{SETTINGS}\n" if removed else self.BOTH)

    def again(self, *options: str, **streams: Any) -> subprocess.CompletedProcess[bytes]:
        """Run the mail's command a second time."""
        key = Fernet.generate_key()
        block = Fernet(key).encrypt(decryption.as_json(PAIR).encode())
        return subprocess.run(
            [sys.executable, decryption.__file__, "--profile", "work", *options],
            env={**os.environ, "ENC_KEY": key.decode(), "CIPHER_TEXT": block.decode()},
            stdout=subprocess.PIPE,
            check=False,
            timeout=60,
            **streams,
        )


def run(monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    key = Fernet.generate_key()
    monkeypatch.setenv("ENC_KEY", key.decode())
    block = Fernet(key).encrypt(decryption.as_json(PAIR).encode()).decode()
    return decryption.main(["--profile", "work", "--no-check", *options, block])

"""scripts/decryption.py --profile: the pair goes into a file that holds other people's access as well."""

from __future__ import annotations

import configparser
import os
import stat
from pathlib import Path

import boto3
import pytest
from cryptography.fernet import Fernet

from scripts import decryption
from scripts.decryption import KeyPair

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

    def test_private_makes_it_its_owners_alone(self, file: Path) -> None:
        """Also where the pair is in it already."""
        file.chmod(0o644)
        decryption.store(PAIR, "work", file)

        decryption.store(PAIR, "work", file, private=True)

        assert stat.S_IMODE(file.stat().st_mode) == 0o600

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

    def test_private_closes_it(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file.chmod(0o644)

        assert run(monkeypatch, "--private") == 0

        assert "mode" not in capsys.readouterr().err
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

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


def run(monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    key = Fernet.generate_key()
    monkeypatch.setenv("ENC_KEY", key.decode())
    block = Fernet(key).encrypt(decryption.as_json(PAIR).encode()).decode()
    return decryption.main(["--profile", "work", "--no-check", *options, block])

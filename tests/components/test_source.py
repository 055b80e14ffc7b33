"""Where mails say that `decryption.py` is: a wrong address would have people run somebody else's file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pulumi
import pytest

from components import source
from tests.components.test_settings import with_sender

PATH = "scripts/decryption.py"
GITHUB = "https://github.com/acme/iam-key-rotator/raw/c0ffee/scripts/decryption.py"
COMMIT = "c0ffee"


@pytest.mark.parametrize(
    "remote",
    [
        "https://github.com/acme/iam-key-rotator.git",
        "https://github.com/acme/iam-key-rotator",
        "https://github.com/acme/iam-key-rotator/",
        "git@github.com:acme/iam-key-rotator.git",
        "ssh://git@github.com/acme/iam-key-rotator.git",
        "ssh://git@github.com:22/acme/iam-key-rotator.git",
    ],
)
def test_file_of_a_repository_at_github(remote: str) -> None:
    assert source.raw_file(remote, COMMIT, PATH) == GITHUB


def test_project_in_groups_at_gitlab_and_in_a_folder_of_its_repository() -> None:
    url = source.raw_file("git@gitlab.com:acme/cloud/tools.git", COMMIT, f"our keys/{PATH}")

    assert url == "https://gitlab.com/acme/cloud/tools/-/raw/c0ffee/our%20keys/scripts/decryption.py"


def test_credentials_in_a_remote_are_not_mailed_to_everybody() -> None:
    remote = "https://x-access-token:not-a-real-token@github.com/acme/iam-key-rotator.git"

    assert source.raw_file(remote, COMMIT, PATH) == GITHUB


@pytest.mark.parametrize(
    "remote",
    [
        "",
        "/srv/git/iam-key-rotator.git",
        "https://git.example.com/acme/iam-key-rotator.git",
        "https://github.com.example.com/acme/iam-key-rotator.git",
        "https://example.com/github.com/acme/iam-key-rotator.git",
        "https://github.com/acme",
        "https://github.com/acme/iam-key-rotator?x=1",
        "http://github.com/acme/iam-key-rotator",
        "git@github.com:acme/iam key-rotator.git",
    ],
)
def test_no_address_is_guessed(remote: str) -> None:
    assert source.raw_file(remote, COMMIT, PATH) is None


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, *options: str) -> None:
    git(folder, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "--message=-", *options)


class TestCheckout:
    @pytest.fixture
    def checkout(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A checkout, with the script committed, whose project is in a folder of its repository."""
        script = tmp_path / "keys" / PATH
        script.parent.mkdir(parents=True)
        script.touch()
        git(tmp_path, "init", "--quiet")
        git(tmp_path, "add", "keys")
        commit(tmp_path)
        monkeypatch.setattr(source, "_FOLDER", tmp_path / "keys")
        return tmp_path

    @pytest.fixture
    def at_github(self, checkout: Path) -> str:
        """Have pushed it; gives the commit."""
        git(checkout, "remote", "add", "origin", "git@github.com:acme/tools.git")
        git(checkout, "update-ref", "refs/remotes/origin/main", "HEAD")
        return git(checkout, "rev-parse", "HEAD")

    @pytest.fixture
    def warnings(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        warnings: list[str] = []
        monkeypatch.setattr(pulumi, "warn", warnings.append)
        return warnings

    def test_mails_name_the_file_as_it_was_deployed(self, checkout: Path, at_github: str, warnings: list[str]) -> None:
        """What the repository holds later may be somebody else's, or take other options than the mail's command has."""
        commit(checkout, "--allow-empty")

        url = source.script_url(with_sender())

        assert url == f"https://github.com/acme/tools/raw/{at_github}/keys/scripts/decryption.py"
        assert warnings == []

    def test_file_that_has_not_been_pushed_is_not_named(self, checkout: Path, warnings: list[str]) -> None:
        git(checkout, "remote", "add", "origin", "git@github.com:acme/tools.git")

        assert source.script_url(with_sender()) is None
        assert len(warnings) == 1

    @pytest.mark.usefixtures("at_github")
    def test_page_of_the_organisation_goes_before(self) -> None:
        assert source.script_url(with_sender(helpUrl="https://wiki.example.com/keys")) is None

    @pytest.mark.usefixtures("at_github")
    def test_plain_mails_need_no_file(self) -> None:
        assert source.script_url(with_sender(encryptKeyPair="false")) is None

    @pytest.mark.usefixtures("checkout")
    def test_preview_warns_where_nobody_can_tell(self, warnings: list[str]) -> None:
        url = source.script_url(with_sender())

        assert url is None
        assert "pulumi config set helpUrl" in "".join(warnings)

    def test_neither_git_nor_a_checkout_is_needed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
    ) -> None:
        monkeypatch.setattr(source, "_FOLDER", tmp_path)
        monkeypatch.setenv("PATH", "")

        assert source.script_url(with_sender()) is None
        assert len(warnings) == 1

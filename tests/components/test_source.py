"""Where mails say that `decryption.py` is: a wrong address would have people run somebody else's file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pulumi
import pytest

from components import source
from tests.components.test_settings import with_sender

PATH = "scripts/decryption.py"
GITHUB = "https://github.com/acme/iam-key-rotator/raw/HEAD/scripts/decryption.py"


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
    assert source.raw_file(remote, PATH) == GITHUB


def test_project_in_groups_at_gitlab_and_in_a_folder_of_its_repository() -> None:
    url = source.raw_file("git@gitlab.com:acme/cloud/tools.git", f"keys/{PATH}")

    assert url == "https://gitlab.com/acme/cloud/tools/-/raw/HEAD/keys/scripts/decryption.py"


def test_credentials_in_a_remote_are_not_mailed_to_everybody() -> None:
    remote = "https://x-access-token:not-a-real-token@github.com/acme/iam-key-rotator.git"

    assert source.raw_file(remote, PATH) == GITHUB


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
    assert source.raw_file(remote, PATH) is None


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True)  # noqa: S607 - whichever git there is


class TestCheckout:
    @pytest.fixture
    def checkout(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A checkout whose project is in a folder of its repository."""
        folder = tmp_path / "keys"
        folder.mkdir()
        git(tmp_path, "init", "--quiet")
        monkeypatch.setattr(source, "_FOLDER", folder)
        return tmp_path

    @pytest.fixture
    def at_github(self, checkout: Path) -> None:
        git(checkout, "remote", "add", "origin", "git@github.com:acme/tools.git")

    @pytest.fixture
    def warnings(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        warnings: list[str] = []
        monkeypatch.setattr(pulumi, "warn", warnings.append)
        return warnings

    @pytest.mark.usefixtures("at_github")
    def test_mails_name_the_file_in_the_repository_that_is_deployed_from(self, warnings: list[str]) -> None:
        url = source.script_url(with_sender())

        assert url == "https://github.com/acme/tools/raw/HEAD/keys/scripts/decryption.py"
        assert warnings == []

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

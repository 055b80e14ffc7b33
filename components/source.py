"""Where the program's own source is, as the checkout that is deployed tells: mails name a file of it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pulumi

from components.settings import Settings

_FOLDER = Path(__file__).resolve().parent.parent
_SCRIPT = "scripts/decryption.py"
_SECONDS = 10.0

# A remote's name may hold credentials before the @: they are not part of what is kept.
_REMOTE = re.compile(
    r"(?:https://|ssh://|)(?:[^@/]*@)?(?P<host>github\.com|gitlab\.com)(?::\d+/|[:/])"
    r"(?P<project>[\w.-]+(?:/[\w.-]+)+)",
    re.ASCII,
)
_RAW = {"github.com": "raw", "gitlab.com": "-/raw"}


def script_url(settings: Settings) -> str | None:
    """Find where the readers of encrypted mails get ``decryption.py``, unless a page of their organisation says it.

    It is the file as it was last committed, so that nobody is sent to one that is changed later. None where they need
    none, or where nobody can tell, as of a commit that has not been pushed; of the latter the preview warns.
    """
    if settings.mail.help_url is not None or not settings.encryption.encrypt_key_pair:
        return None
    commit = _git("log", "-1", "--format=%H", "--", _SCRIPT)
    url = None
    if commit and _git("branch", "--remotes", "--contains", commit):
        remote, folder = _git("config", "--get", "remote.origin.url"), _git("rev-parse", "--show-prefix")
        url = raw_file(remote, commit, folder + _SCRIPT)
    if url is None:
        pulumi.warn(
            "Mails cannot say where their readers find decryption.py. Put the file and docs/recipients.md on a page of "
            "yours, and name that: pulumi config set helpUrl https://…",
        )
    return url


def raw_file(remote: str, commit: str, path: str) -> str | None:
    """Name a file of a repository at GitHub or GitLab by its address; None for a repository that is elsewhere.

    Args:
        remote: the repository, as git names it.
        commit: which version of it.
        path: the file's, from the root of the repository.
    """
    found = _REMOTE.fullmatch(remote.removesuffix("/").removesuffix(".git"))
    if found is None:
        return None
    return f"https://{found['host']}/{found['project']}/{_RAW[found['host']]}/{commit}/{quote(path)}"


def _git(*arguments: str) -> str:
    """Ask git about this checkout; empty where there is no git, or no checkout."""
    git = shutil.which("git")
    if git is None:
        return ""
    try:
        # The command is the project's own.
        outcome = subprocess.run(  # noqa: S603
            [git, *arguments],
            cwd=_FOLDER,
            capture_output=True,
            text=True,
            check=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return outcome.stdout.strip()

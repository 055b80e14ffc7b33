"""docs/recipients.md is all that a recipient has beside the mail: what it says of decryption.py is so."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from functions.mail.message import compose
from functions.mail.notices import NewKey
from scripts import decryption
from scripts.sample_mails import NOTICES, ORGANISATION, RECIPIENT

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "recipients.md").read_text(encoding="utf-8")
BODY = PAGE.partition("-->")[2]
MAIL = (
    "uv run decryption.py --profile default --region eu-central-1 --parameter /ikr/secret/iam/alice "
    "--account 111122223333"
)
ADDRESS = "https://wiki.example.com/…/decryption.py"


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings}


def commands() -> list[str]:
    """Find the commands of indented blocks and code spans that run the script."""
    lines = re.findall(r"^ {4}(.+)$|`([^`]+)`", BODY, re.MULTILINE)
    return [line or span for line, span in lines if "decryption.py -" in (line or span)]


def test_every_option_that_it_names_is_there() -> None:
    aws_itself = {"--access-key-id"}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", BODY)) - aws_itself

    assert {"--file", "--aws-profile", "--region", "--delete-previous", "--format", "--ask-key"} <= named
    assert named - options_of(decryption._parser()) == set()


def test_every_format_is_named() -> None:
    assert set(re.findall(r"--format (\w+)", BODY)) == set(decryption.FORMATS)


def test_its_commands_are_understood() -> None:
    """Dots stand for the rest of the mail's command."""
    for command in commands():
        words = command.partition("decryption.py ")[2].partition("|")[0].strip(' )"')
        options = decryption._parser().parse_args(words.replace("--region …", "").replace("…", "").split())
        assert options.profile or options.format

    assert MAIL in commands()
    assert len(commands()) >= 6


def test_messages_are_those_of_the_script() -> None:
    """Whoever reads one looks for it on the page."""
    source = re.sub(r'"\s*\n\s*f?"', "", Path(decryption.__file__).read_text(encoding="utf-8"))
    _, table = BODY.split("| message | what to do |\n| --- | --- |\n")

    messages = re.findall(r"^\| (.+?) \| .* \|$", table.partition("\n\n")[0], re.MULTILINE)

    assert len(messages) == 12
    assert [words for words in messages if not all(part.strip() in source for part in words.split("…"))] == []


def test_it_stands_alone() -> None:
    """It is hosted elsewhere: links lead to its own headings, or out into the world."""
    targets = re.findall(r"\]\(([^)]+)\)", BODY)
    headings = {
        re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", BODY, re.MULTILINE)
    }

    assert targets
    assert [
        target for target in targets if not (target.startswith("https://") or target.removeprefix("#") in headings)
    ] == []


def test_what_an_organisation_fills_in_is_in_one_place_each() -> None:
    """And nothing that it forgets leads to an address that anybody may hold."""
    head = PAGE.partition("-->")[0]
    headings = re.findall(r'\d\. .*?"([^"]+)"', head, re.DOTALL)

    assert [BODY.count(placeholder) for placeholder in (ADDRESS, "YOUR-CONTACT")] == [1, 1]
    assert headings == ["Decrypt the new key", "Who to ask", "If you are late"]
    assert [heading for heading in headings if f"\n## {heading}\n" not in BODY] == []
    assert "githubusercontent" not in PAGE


def test_check_of_a_mail_is_that_of_the_mail() -> None:
    notice = next(notice for notice in NOTICES.values() if isinstance(notice, NewKey) and notice.sealed)
    mail = compose(notice, RECIPIENT, ORGANISATION).text

    lines = [line.strip() for line in mail.splitlines() if line.strip().startswith("aws iam list-access-keys")]

    assert len(lines) == 1
    assert re.findall(r"aws iam list-access-keys[^`\n]*", BODY) == [lines[0], f"{lines[0]} --profile work"]
    assert "\nWhat happens next\n" in mail
    assert '"What happens next"' in BODY.partition("## If you are late")[2].partition("\n## ")[0]


def test_installation_is_that_of_the_scripts_own_message() -> None:
    for line in decryption.MISSING.splitlines():
        if " -m " in line:
            assert f"\n    {line.strip()}\n" in BODY

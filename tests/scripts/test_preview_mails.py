"""What is said of templates that fail, before they fail somebody."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from itertools import count, pairwise
from pathlib import Path

import pytest

from functions.mail import message
from functions.mail.message import compose
from scripts.preview_mails import faults_of, main
from scripts.sample_mails import NOTICES, RECIPIENT

NEW_KEY = message.TEMPLATES / "new_key.txt.j2"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    templates = tmp_path / "templates"
    templates.mkdir()
    return templates


def test_built_in_templates_are_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out == ""


def test_samples_take_every_turn_of_every_template(tmp_path: Path) -> None:
    """A fault in a branch that no sample takes would be found by a rotation."""
    turns: defaultdict[tuple[str, str], set[bool]] = defaultdict(set)

    def taken(template: str, condition: str, *, value: object) -> object:
        turns[template, condition].add(bool(value))
        return value

    for path in message.TEMPLATES.iterdir():
        (tmp_path / path.name).write_text(watched(path), encoding="utf-8")
    message._templates((tmp_path,)).globals["taken"] = taken

    kinds = {notice.template for notice in NOTICES.values()}
    for notice in NOTICES.values():
        compose(notice, RECIPIENT, folders=(tmp_path,))

    assert kinds == {path.name.split(".")[0] for path in message.TEMPLATES.iterdir()} - {"base", "outlook", "parts"}
    assert len(turns) > 50
    assert [turn for turn, values in turns.items() if values != {True, False}] == []


@pytest.mark.parametrize("name", NOTICES)
def test_text_part_is_laid_out_for_a_terminal(name: str) -> None:
    """A wrapped line, a gap or a stray space makes a mail that carries a key look like a forged one."""
    text = compose(NOTICES[name], RECIPIENT).text
    lines = text.splitlines()

    assert [line for line in lines if len(line) > 79 and not line.startswith("python3 ")] == []
    assert [line for line in lines if line != line.rstrip()] == []
    assert "\n\n\n" not in text
    assert text.strip("\n") == text
    assert re.findall(r"\S  +\S", re.sub(r"(?m)^  [A-Z][\w ]+:  +", "", text)) == []
    assert re.findall(r"[^\n] [.,:;!?]|[.,:;] [.,:;]|\(\s|\s\)", text) == []
    assert [rule for heading, rule in pairwise(lines) if rule.startswith("---") and len(rule) != len(heading)] == []


@pytest.mark.parametrize("name", NOTICES)
def test_values_of_a_mail_stand_below_each_other(name: str) -> None:
    labels = re.findall(r"(?m)^  [A-Z][\w ]+:  +(?=\S)", compose(NOTICES[name], RECIPIENT).text)

    assert len(labels) >= 3
    assert len({len(label) for label in labels}) == 1
    assert min(len(label) - len(label.rstrip()) for label in labels) == 2


@pytest.mark.parametrize("name", NOTICES)
def test_both_parts_say_the_same_under_each_heading(name: str) -> None:
    """Which of the two somebody reads, their program decides."""
    mail = compose(NOTICES[name], RECIPIENT)
    headings = re.findall(r"(?m)^(.+)\n-{3,}$", mail.text)
    text = words(re.sub(r"(?m)^-+$", "", mail.text))
    page = words(html.unescape(re.sub(r"<[^>]*>", " ", mail.html.partition("<body")[2])))

    for heading, following in pairwise([*headings, "Sent by iam-key-rotator"]):
        told = text.partition(f" {heading} ")[2].partition(f" {following} ")[0].strip()
        assert told
        assert told in page


def watched(path: Path) -> str:
    """Give a template that tells which way it goes at each of its conditions, those within expressions included."""
    number = count()

    def watch(found: re.Match[str]) -> str:
        keyword, condition = found.groups()
        return f"{keyword} taken('{path.name}, {next(number)}', {condition!r}, value=({condition}))"

    source = path.read_text(encoding="utf-8")
    blocks = re.sub(r"({% (?:el)?if) (.+?)(?= %})", watch, source)
    return re.sub(r"((?<=[\w\")]) if) (?!taken)([^\"{}%]+?)(?= else | }})", watch, blocks)


def words(part: str) -> str:
    """Give what is said, however it is wrapped and spaced."""
    return re.sub(r" ([.,:;])", r"\1", " ".join(part.split()))


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        pytest.param(
            "new_key.html.j2",
            "<p>\n{% iff notice.sealed %}\n{% endif %}",
            ["new_key.html.j2, line 2: Encountered unknown tag 'iff'."],
            id="syntax",
        ),
        pytest.param(
            "key_deactivated.txt.j2",
            "Hello\n\n{{ notice.delete_at }}",
            ["key_deactivated.txt.j2, line 3: 'functions.mail.message.KeyDeactivated object' has no attribute"],
            id="unknown-field",
        ),
        pytest.param(
            "old_key_deleted.txt.j2",
            "{{ user }}",
            ["old_key_deleted.txt.j2, line 1: 'user' is undefined"],
            id="unknown-name",
        ),
        pytest.param(
            "old_key_deleted.txt.j2",
            "{{ 1 // 0 }}",
            ["old_key_deleted.txt.j2, line 1: integer division or modulo by zero"],
            id="any-error",
        ),
        pytest.param(
            "new_key.txt.j2",
            '{% include "greeting.txt.j2" %}',
            ["new_key.txt.j2, line 1: 'greeting.txt.j2' not found"],
            id="missing-include",
        ),
        pytest.param(
            "new_key.txt.j2",
            "You have a new key, {{ notice.new_key_id }}.",
            ["new_key.txt.j2: the mail must show notice.content.command as it is"],
            id="no-command",
        ),
        pytest.param(
            "new_key.html.j2",
            "{% if notice.sealed %}{{ notice.content.command }}{% endif %} {{ notice.new_key_id }}",
            ["new_key.html.j2: the mail must show notice.content.secret as it is"],
            id="no-secret",
        ),
        pytest.param(
            "new_key.html.j2",
            "<!-- {{ notice.content.command if notice.sealed else notice.content.secret }} {{ notice.new_key_id }} -->",
            ["new_key.html.j2: the mail must show notice.new_key_id and notice.content.command as it is"],
            id="unseen",
        ),
        pytest.param("new_kye.txt.j2", "", ["new_kye.txt.j2: no mail uses it; the names are address_"], id="misnamed"),
    ],
)
def test_fault_is_named_with_its_place(name: str, text: str, told: list[str], folder: Path) -> None:
    (folder / name).write_text(text)

    faults = faults_of(folder)

    assert len(faults) == len(told)
    assert [fault for fault, beginning in zip(faults, told, strict=True) if not fault.startswith(beginning)] == []


def test_faults_of_several_templates_come_together(folder: Path) -> None:
    (folder / "new_key.txt.j2").write_text("{{ oops }}")
    (folder / "new_key.html.j2").write_text("{{ oops }}")
    (folder / "key_reminder.txt.j2").write_text("{% endif %}")

    places = [fault.split(":")[0] for fault in faults_of(folder)]

    assert places == ["new_key.txt.j2, line 1", "new_key.html.j2, line 1", "key_reminder.txt.j2, line 1"]


def test_template_of_a_stack_may_build_upon_the_built_in_ones(folder: Path) -> None:
    (folder / "base.txt.j2").write_text("Dear {{ notice.user }},\n{% block body %}{% endblock %}")

    assert faults_of(folder) == []


def test_writes_every_mail_in_both_parts(folder: Path, tmp_path: Path) -> None:
    (folder / "base.txt.j2").write_text("Dear {{ notice.user }},\n{% block body %}{% endblock %}")

    exit_code = main([str(folder), "--to", str(tmp_path / "mails")])

    written = {path.name for path in (tmp_path / "mails").iterdir()}
    assert exit_code == 0
    assert written == {f"{name}.{part}" for name in NOTICES for part in ("txt", "html")}
    assert (
        (tmp_path / "mails" / "deleted.txt")
        .read_text()
        .startswith("Subject: Old AWS access key of alice in acme-prod (111122223333) deleted\n\nDear alice,\n")
    )


def test_fault_keeps_mails_from_being_written(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "new_key.txt.j2").write_text("{{ oops }}")

    exit_code = main([str(folder), "--to", str(tmp_path / "mails")])

    assert exit_code == 1
    assert capsys.readouterr().out == "new_key.txt.j2, line 1: 'oops' is undefined\n"
    assert not (tmp_path / "mails").exists()


def test_missing_folder_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "nowhere")])

    assert ended.value.code == 2
    assert "nowhere is not a folder" in capsys.readouterr().err

"""What is said of templates that fail, before they fail somebody."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from itertools import count, pairwise, product
from pathlib import Path

import pytest

from functions.mail import message
from functions.mail.message import compose
from functions.mail.notices import Deadlined
from scripts.preview_mails import faults_of, main
from scripts.sample_mails import NOTICES, ORGANISATION, ORGANISATIONS, RECIPIENT

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
    for notice, organisation in product(NOTICES.values(), ORGANISATIONS.values()):
        compose(notice, RECIPIENT, organisation, folders=(tmp_path,))

    assert kinds == {path.name.split(".")[0] for path in message.TEMPLATES.iterdir()} - {
        "base",
        "outlook",
        "parts",
        "why",
    }
    assert len(turns) > 50
    assert [turn for turn, values in turns.items() if values != {True, False}] == []


@pytest.mark.parametrize("name", NOTICES)
def test_text_part_is_laid_out_for_a_terminal(name: str) -> None:
    """A wrapped line, a gap or a stray space makes a mail that carries a key look like a forged one."""
    text = compose(NOTICES[name], RECIPIENT, ORGANISATION).text
    lines = text.splitlines()

    assert [line for line in lines if len(line) > 79 and not line.startswith(("uv run ", "gAAAAA"))] == []
    assert [line for line in lines if line != line.rstrip()] == ["-- "]
    assert "\n\n\n" not in text
    assert text.strip("\n") == text
    assert re.findall(r"\S  +\S", re.sub(r"(?m)^  [A-Z][\w ]+:  +", "", text)) == []
    assert re.findall(r"[^\n] [.,:;!?]|[.,:;] [.,:;]|\(\s|\s\)", text) == []
    assert [rule for heading, rule in pairwise(lines) if rule.startswith("---") and len(rule) != len(heading)] == []


@pytest.mark.parametrize("name", NOTICES)
def test_values_of_a_mail_stand_below_each_other(name: str) -> None:
    labels = re.findall(r"(?m)^  [A-Z][\w ]+:  +(?=\S)", compose(NOTICES[name], RECIPIENT, ORGANISATION).text)

    assert len(labels) >= 3
    assert len({len(label) for label in labels}) == 1
    assert min(len(label) - len(label.rstrip()) for label in labels) == 2


@pytest.mark.parametrize("name", NOTICES)
def test_both_parts_say_the_same_under_each_heading(name: str) -> None:
    """Which of the two somebody reads, their program decides."""
    mail = compose(NOTICES[name], RECIPIENT, ORGANISATION)
    headings = re.findall(r"(?m)^(.+)\n-{3,}$", mail.text)
    text = words(re.sub(r"(?m)^-+ ?$", "", mail.text))
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
            ["key_deactivated.txt.j2, line 3: notice has no attribute 'delete_at'"],
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
            [
                "new_key.txt.j2: the mail must show notice.content.command and notice.content.block as it is",
                "new_key.txt.j2: the mail must show notice.content.secret as it is",
            ],
            id="no-command",
        ),
        pytest.param(
            "new_key.html.j2",
            "{% if notice.sealed %}{{ notice.content.command }} {{ notice.content.block }}{% endif %} "
            "{{ notice.new_key_id }}",
            ["new_key.html.j2: the mail must show notice.content.secret as it is"],
            id="no-secret",
        ),
        pytest.param(
            "new_key.html.j2",
            "{{ notice.content.block if notice.sealed }}"
            "<!-- {{ notice.content.command if notice.sealed else notice.content.secret }} {{ notice.new_key_id }} -->",
            [
                "new_key.html.j2: the mail must show notice.new_key_id and notice.content.command as it is",
                "new_key.html.j2: the mail must show notice.new_key_id and notice.content.secret as it is",
            ],
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

    assert places == ["key_reminder.txt.j2, line 1", "new_key.html.j2, line 1", "new_key.txt.j2, line 1"]


@pytest.mark.parametrize(
    ("reach", "told"),
    [
        ("{{ notice.__class__ }}", "access to attribute '__class__' is unsafe"),
        ("{{ notice.content.__init__.__globals__ }}", "access to attribute '__globals__' is unsafe"),
        ("{{ notice['__dict__'] }}", "access to attribute '__dict__' is unsafe"),
        ("{{ notice | attr('__doc__') }}", "access to attribute '__doc__' is unsafe"),
        ("{{ notice | attr('__' ~ 'doc__') }}", "access to attribute '__doc__' of 'KeyDeactivated' object is unsafe"),
        ("{{ [notice] | map(attribute='__class__') | join }}", "access to attribute '__class__' of"),
        ("{{ '{0.__class__}'.format(notice) }}", "access to attribute '__class__' of"),
        ("{{ lipsum.__globals__['os'].popen('id').read() }}", "access to attribute '__globals__' is unsafe"),
        ("{% set _ = [].append(1) %}", "access to attribute 'append' of 'list' object is unsafe"),
        ("{% for line in range(10 ** 9) %}{% endfor %}", "** makes too much of it"),
        ("{% for line in range(999999999) %}{% endfor %}", "Range too big"),
        ("{{ 'x' * 999999999 }}", "* makes too much of it"),
        ("{% if notice.user == 'eve' %}{{ notice.__class__ }}{% endif %}", "access to attribute '__class__' is unsafe"),
    ],
)
def test_template_that_reaches_for_more_is_refused(reach: str, told: str, folder: Path) -> None:
    """A template is wording: it sees the fields of a notice, and nothing of the program that is around it."""
    (folder / "key_deactivated.txt.j2").write_text(f"Hello\n\n{reach}\n")

    faults = faults_of(folder)

    assert [fault for fault in faults if told in fault] != []
    assert [fault for fault in faults if not fault.startswith("key_deactivated.txt.j2, line 3: ")] == []


def test_what_a_template_needs_is_within_its_reach(folder: Path) -> None:
    """Fields and what they hold, filters, loops that count to a few, a rule as long as its heading."""
    (folder / "key_deactivated.txt.j2").write_text(
        "{% set heading = 'Key of ' ~ notice.user | upper %}{{ heading }}\n{{ '=' * heading | length }}\n"
        "{{ notice.account.alias }} {{ notice.delete_on | moment }} {{ notice.delete_on.strftime('%d.%m.%Y') }}\n"
        "{% for step in range(1, 3) %}{{ step }} {{ loop.index }}{% endfor %}\n"
        "{{ greeting | default('Hello') }}{% if notice.content is defined %}{{ notice.content.command }}{% endif %}\n"
        "{{ '{} {}'.format(notice.user, 2) }}{{ notice.new_key_id.lower() if notice.new_key_id }}"
    )

    assert faults_of(folder) == []


def test_all_faults_of_all_templates_come_at_once(folder: Path) -> None:
    """Who corrects templates would else run the preview once for each, and a branch that is seldom taken never."""
    (folder / "key_reminder.txt.j2").write_text(
        "{{ oops }} {{ notice.user_name }}\n"
        "{% if notice.extended %}{{ notice.__class__ }}{% else %}{{ notice.outlook.ends_at }}{% endif %}\n"
        "{% if notice.account.alias == 'other' %}{{ notice.usr | shout }}{% endif %}\n"
        "{{ 1 // 0 }}\n"
        "{{ notice.user.upper().nothing }}\n"
    )
    (folder / "key_reminder.html.j2").write_text("\n{% if %}")
    (folder / "key_deactivated.html.j2").write_text(
        "{% import 'parts.html.j2' as parts %}\n{{ parts.fact('Key', notice.new_key) }}{{ notice.user + 1 }}\n"
    )
    (folder / "base.txt.j2").write_text("{{ notice.new_key_id }}{% block body %}{% endblock %}")
    (folder / "key_reactivated.txt.j2").write_bytes(b"\xff")
    (folder / "greeting.txt.j2").touch()

    faults = [fault.removeprefix("key_reminder.txt.j2, ") for fault in faults_of(folder)]

    assert [fault.split("; the names")[0] for fault in faults] == [
        "base.txt.j2, line 1: 'functions.mail.notices.AddressChanged object' has no attribute 'new_key_id'",
        "greeting.txt.j2: no mail uses it",
        "key_deactivated.html.j2, line 2: notice has no attribute 'new_key'",
        "key_reactivated.txt.j2: it is not UTF-8 text",
        "key_reminder.html.j2, line 2: Expected an expression, got 'end of statement block'",
        "line 1: 'oops' is undefined",
        "line 1: notice has no attribute 'user_name'",
        "line 2: access to attribute '__class__' is unsafe: a template is wording, not code",
        "line 2: notice.outlook has no attribute 'ends_at'",
        "line 3: No filter named 'shout'.",
        "line 3: notice has no attribute 'usr'",
        "line 4: integer division or modulo by zero",
        "line 5: 'str object' has no attribute 'nothing'",
    ]


def test_fault_in_what_a_built_in_template_is_handed_is_named_where_it_is_handed(folder: Path) -> None:
    (folder / "key_reminder.html.j2").write_text(
        "{% import 'parts.html.j2' as parts %}\n{{ parts.fact('Key', notice.user.upper().nothing) }}\n"
    )

    assert faults_of(folder) == ["key_reminder.html.j2, line 2: 'str object' has no attribute 'nothing'"]


def test_template_of_a_stack_may_build_upon_the_built_in_ones(folder: Path) -> None:
    (folder / "base.txt.j2").write_text("Dear {{ notice.user }},\n{% block body %}{% endblock %}")

    assert faults_of(folder) == []


def test_writes_every_mail_in_both_parts(folder: Path, tmp_path: Path) -> None:
    (folder / "base.txt.j2").write_text("Dear {{ notice.user }},\n{% block body %}{% endblock %}")

    exit_code = main([str(folder), "--to", str(tmp_path / "mails")])

    written = {path.name for path in (tmp_path / "mails").iterdir()}
    assert exit_code == 0
    assert written == {f"{name}.{part}" for name in NOTICES for part in ("txt", "html")} | {
        f"{name}.ics" for name, notice in NOTICES.items() if isinstance(notice, Deadlined)
    }
    assert (
        (tmp_path / "mails" / "deleted.txt")
        .read_text()
        .startswith("Subject: Done: old AWS access key of alice in acme-prod deleted\n\nDear alice,\n")
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

"""What is said of templates that fail, before they fail somebody."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from functions.mail import message
from scripts.preview_mails import faults_of, main
from scripts.sample_mails import NOTICES

NEW_KEY = message.TEMPLATES / "new_key.txt.j2"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    templates = tmp_path / "templates"
    templates.mkdir()
    return templates


def test_built_in_templates_are_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out == ""


def test_samples_take_every_turn_of_every_template() -> None:
    """A fault in a branch that no sample takes would be found by a rotation."""
    kinds = {type(notice).template for notice in NOTICES.values()}
    mails = {path.name.split(".")[0] for path in message.TEMPLATES.iterdir()} - {"base", "parts"}
    conditions = {
        (path.name, condition)
        for path in message.TEMPLATES.iterdir()
        for condition in re.findall(r"{% if (?:not )?(notice[\w.]*) %}", path.read_text(encoding="utf-8"))
    }

    assert kinds == mails
    assert len(conditions) > 10
    for template, condition in conditions:
        field = condition.removeprefix("notice.")
        values = {
            bool(getattr(notice, field))
            for notice in NOTICES.values()
            if notice.template == template.split(".")[0] or template.startswith("base")
        }
        assert values == {True, False}, (template, condition)


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

"""A stack's own mail templates: checked at the preview, deployed in place of the built-in ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from components import mail_templates
from components.config_reader import ConfigurationFault
from tests.components.recorder import deployed


def test_faults_stop_the_preview_together_with_all_others(tmp_path: Path) -> None:
    (tmp_path / "new_key.txt.j2").write_text("Hello\n{{ notice.secret_key }}")
    (tmp_path / "key_deactivated.html.j2").write_text("{% if %}")

    with pytest.raises(ConfigurationFault) as refused:
        deployed(mailTemplates=str(tmp_path), rotateAfterDays="x")

    faults = str(refused.value).splitlines()[1:]
    assert len(faults) == 3
    assert "key_deactivated.html.j2, line 1: " in faults[0]
    assert "new_key.txt.j2, line 2: " in faults[1]
    assert "has no attribute 'secret_key'" in faults[1]
    assert "rotateAfterDays" in faults[2]


def test_template_that_counts_too_far_does_not_hold_the_preview_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = "{% for a in range(99999) %}"
    (tmp_path / "new_key.txt.j2").write_text(f"{loop}{loop}{loop}{'{% endfor %}' * 3}")
    monkeypatch.setattr(mail_templates, "_SECONDS", 3.0)

    with pytest.raises(mail_templates.CheckFailed, match=r"not rendered within 3 s: does one of them count too far\?"):
        mail_templates.faults_of(tmp_path)


def test_template_that_reaches_for_more_stops_the_preview(tmp_path: Path) -> None:
    (tmp_path / "key_reminder.txt.j2").write_text("\n{{ notice.user.__class__.__mro__ }}")

    with pytest.raises(ConfigurationFault, match=r"key_reminder\.txt\.j2, line 2: access to attribute '__mro__'"):
        deployed(mailTemplates=str(tmp_path))


def test_sound_ones_are_deployed(tmp_path: Path) -> None:
    (tmp_path / "base.txt.j2").write_text("{% block body %}{% endblock %}")

    stack = deployed(mailTemplates=str(tmp_path))

    for function in stack.all("aws:lambda/function:Function"):
        assets = function.inputs["code"].assets
        assert assets["functions/mail/templates/base.txt.j2"].path == str(tmp_path / "base.txt.j2")
        assert assets["functions/mail/templates/base.html.j2"].path.endswith("functions/mail/templates/base.html.j2")


def test_relative_path_begins_at_the_root_of_the_project() -> None:
    """Pulumi may be called from any folder below it."""
    root = Path(__file__).parents[2]

    assert mail_templates.resolve("mails/ours") == root / "mails" / "ours"


def test_check_that_cannot_run_passes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual environment without Jinja2 must not look like templates without a fault."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho \"ModuleNotFoundError: No module named 'jinja2'\" >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))

    with pytest.raises(mail_templates.CheckFailed, match=r"No module named 'jinja2'\n.*pulumi install"):
        mail_templates.faults_of(tmp_path)

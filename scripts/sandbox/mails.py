"""The mails of the embedded cloud, as files that a reader can open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scripts.local_cloud.cloud import LocalCloud
from scripts.local_cloud.mailbox import Mail


@dataclass
class Postman:
    """Brings the mails of a cloud into a folder, each as text and as HTML; ``seen`` counts those that are there."""

    cloud: LocalCloud
    folder: Path
    seen: int = field(default=0, init=False)

    def bring(self) -> Iterator[tuple[str, Mail]]:
        """Write the mails that have come since the last time; give each with the name of its files, without suffix."""
        for mail in self.cloud.mails()[self.seen :]:
            self.seen += 1
            stem = f"{self.seen:02}-{mail.to}"
            (self.folder / f"{stem}.txt").write_text(mail.text, encoding="utf-8")
            (self.folder / f"{stem}.html").write_text(mail.html, encoding="utf-8")
            yield stem, mail

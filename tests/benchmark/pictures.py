"""`make pictures`: the acknowledgement as senders see it, and the days of awkward arrivals.

Writes docs/acknowledgements.md. The letters are those of the product's own texts and default settings, for arrivals
that stay the same.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from playwright.sync_api import Browser, sync_playwright

from tests.awkward_arrivals import CASES, MAILS
from tests.benchmark import report
from tests.benchmark.png import with_few_colours
from tests.servers.chromium import FLAGS
from triage.bootstrap import TEMPLATES
from triage.core.workdays import AMSTERDAM, WorkCalendar
from triage.services.letters import Letters
from triage.settings import Organisation, TelephoneSettings, default_values

FOLDER = report.DOCS / "acknowledgements"
WIDTHS = {"mail": 680, "phone": 390, "desktop": 1280}
LARGEST = 150_000
ARRIVED = datetime(2026, 11, 20, 16, 58, tzinfo=AMSTERDAM)
CHRISTMAS = datetime(2026, 12, 24, 16, 0, tzinfo=AMSTERDAM)


@dataclass(frozen=True)
class Picture:
    """One letter, and what to see in it."""

    name: str
    language: str
    kind: str
    arrived: datetime
    what: str


PICTURES = (
    Picture("normal", "nl", "normal", ARRIVED, "An ordinary mail of Friday 20 November 2026, 16:58."),
    Picture("urgent", "nl", "urgent", ARRIVED, "The same, in the band urgent: one sentence more."),
    Picture("english", "en", "normal", ARRIVED, "A mail in English."),
    Picture("arabic", "ar", "normal", ARRIVED, "A mail in Arabic: a line of its own, then Dutch and English."),
    Picture("late", "nl", "late", ARRIVED, "Taken in after its day had passed, because of an outage."),
    Picture("closing-days", "nl", "normal", CHRISTMAS, "A mail of Christmas Eve: the closed day is named."),
)


def letters() -> Letters:
    """The writer with the settings of config/default.toml."""
    values = default_values()
    return Letters(
        templates=TEMPLATES,
        organisation=Organisation(**values["organisation"]),
        telephone=TelephoneSettings(**values["telephone"]),
        smtp_from="meldpunt@juisteloket.example",
        reverse_path_fallback="",
        calendar=WorkCalendar(),
        own_addresses=(),
    )


def shoot(browser: Browser) -> list[str]:
    """Takes every picture at every width; returns the names of those that are too large."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    samples, too_large = letters().acknowledgements, []
    for width_name, width in WIDTHS.items():
        page = browser.new_page(viewport={"width": width, "height": 700})
        for picture in PICTURES:
            page.set_content(samples.sample(picture.language, picture.kind, picture.arrived).html)
            data = with_few_colours(page, page.screenshot(full_page=True))
            path = FOLDER / f"{picture.name}-{width_name}.png"
            path.write_bytes(data)
            print(f"{path.name}: {len(data) / 1000:.0f} kB", flush=True)
            if len(data) > LARGEST:
                too_large.append(path.name)
        page.close()
    return too_large


def main() -> int:
    executable = shutil.which("chromium")
    if executable is None:
        print("Chromium is missing: install the Debian package chromium", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        version = browser.version
        too_large = shoot(browser)
        browser.close()
    pages = [
        "# The acknowledgement",
        "Written by `make pictures`, with the product's own texts and default settings. To change the texts: "
        "[config/letters](../config/letters/README.md).",
        report.measured_on(),
        f"Pictures: Chromium {version}, at {', '.join(f'{width} px ({name})' for name, width in WIDTHS.items())}.",
        *(section(picture) for picture in PICTURES),
        arrivals(),
    ]
    print("written:", report.write("acknowledgements.md", "\n\n".join(pages)))
    if too_large:
        print(f"above {LARGEST // 1000} kB: {', '.join(too_large)}", file=sys.stderr)
    return 1 if too_large else 0


def section(picture: Picture) -> str:
    shown = " ".join(
        f'<img src="acknowledgements/{picture.name}-{name}.png" width="{min(width, 680) // 2}" '
        f'alt="{picture.what} Seen at {width} pixels wide.">'
        for name, width in WIDTHS.items()
    )
    return f"## {picture.name.replace('-', ' ').capitalize()}\n\n{picture.what}\n\n{shown}"


def arrivals() -> str:
    mails = [
        (row.name, _moment(row.arrived), row.sum, f"**{row.answer}**", row.take_up or "not named") for row in MAILS
    ]
    cases: Sequence[Sequence[str]] = [
        (row.name, f"{_moment(row.arrived)}, then {_moment(row.written)}", row.sum, f"**{row.answer}**")
        for row in CASES
    ]
    return "\n\n".join(
        (
            "## Awkward arrivals",
            "Each day below was worked out by hand (`tests/data/awkward_arrivals.toml`). "
            "`tests/integration/services/test_awkward_arrivals.py` delivers each mail at that moment, takes it in, "
            "sends the acknowledgement and reads the day from what the SMTP server received.",
            report.table(("Arrival", "When", "The sum", "Answer by", "An urgent one: taken up by"), mails),
            "A case is acknowledged once. When its term begins again, no second mail leaves: *Zaak* shows the new day.",
            report.table(("Case", "When", "The sum", "Answer by"), cases),
        )
    )


def _moment(moment: datetime) -> str:
    return f"{moment:%a %d %b %Y, %H:%M} ({moment:%z})"


if __name__ == "__main__":
    sys.exit(main())

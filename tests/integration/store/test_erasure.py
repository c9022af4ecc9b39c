"""Nothing personal is ever in clear in the database, and after an erasure not even sealed."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, text

from tests.integration.store.conftest import NOW
from tests.integration.store.making import FOLDER, Maker
from triage.adapters.store import SqlStore
from triage.adapters.tables import drafts, messages, metadata, notes, outbox
from triage.core.mail import LedgerOutcome, UidRef
from triage.errors import ConflictError, NotFound, SealError
from triage.ports import CaseFilter


def everything(store: SqlStore, tmp_path: Path) -> bytes:
    """All that stands in the database: the files of SQLite with its log, the rows of PostgreSQL."""
    if store.engine.dialect.name == "sqlite":
        return b"".join(path.read_bytes() for path in sorted(tmp_path.glob("triage.sqlite3*")))
    found = b""
    with store.engine.connect() as connection:
        for table in metadata.sorted_tables:
            whole = text(f'SELECT encode(t::text::bytea, $$hex$$) FROM "{table.name}" t')  # noqa: S608 - own names
            rows = connection.execute(whole)
            for (row,) in rows:
                found += bytes.fromhex(row)
    return found


def full_case(store: SqlStore, make: Maker):  # type: ignore[no-untyped-def]
    case = make.case()
    draft = make.draft(case.id, "Geachte Marker, BSN Marker")
    item = make.queue(case.id)
    with store.begin() as uow:
        uow.add_note(case.id, "Notitie over Marker", by="system", at=NOW)
        uow.add_approval(case.id, 1, content_hash=draft.content_hash, by="u", at=NOW, outbox_id=item)
        uow.quarantine(FOLDER, UidRef(7, 77), raw=b"Marker", size=6, error="X", at=NOW, internal_date=NOW)
    user = store.accounts.add(username="jan", display_name="Jan", role="medewerker", password_hash="x", at=NOW)
    store.accounts.set_totp(user.id, "MARKERSECRET")
    store.accounts.save_session("MarkerSession", b"Marker", expires_at=NOW, user_id=user.id)
    return case, item


@pytest.mark.parametrize("marker", ["Marker", "anna1", "ANNA1", "vraag-1@", "example.nl", "Geachte"])
def test_no_personal_data_in_clear(store: SqlStore, make: Maker, tmp_path: Path, marker: str) -> None:
    full_case(store, make)
    content = everything(store, tmp_path)
    assert b"case_opened" in content  # the search does find what stands in clear
    assert marker.lower().encode() not in content.lower()


def test_a_sealed_value_does_not_open_in_another_row(store: SqlStore, make: Maker) -> None:
    first, second = make.case(), make.case()
    with store.engine.begin() as connection:
        stolen = connection.execute(select(messages.c.view).where(messages.c.case_id == first.id)).scalar_one()
        connection.execute(messages.update().where(messages.c.case_id == second.id).values(view=stolen))
    with pytest.raises(SealError):
        store.queries.case_page(second.reference)


def test_erasure_takes_the_person_and_leaves_the_figures(store: SqlStore, make: Maker, tmp_path: Path) -> None:
    case, item = full_case(store, make)
    other = make.case()
    sealed = []
    with store.engine.connect() as connection:
        for column in (messages.c.raw, messages.c.view, drafts.c.content, notes.c.text, outbox.c.raw):
            sealed += connection.execute(select(column).where(column.table.c.case_id == case.id)).scalars().all()
    assert len(sealed) == 5
    before = store.queries.demo_summary()
    with store.begin() as uow:
        uow.erase_case(case.id, by="system", at=NOW)

    content = everything(store, tmp_path)
    for value in sealed:
        needle = value[10:40] if store.engine.dialect.name == "sqlite" else value[10:40].hex().encode()
        assert needle not in content
    after = store.queries.demo_summary()
    assert {**after, "pending": 0} == {**before, "pending": 0}
    page = store.queries.case_page(case.reference)
    assert page.case == case
    assert (page.contact_name, page.contact_address, page.messages[0].subject, page.messages[0].text) == (
        "",
        "",
        "",
        "",
    )
    assert page.assessment is not None
    assert (page.assessment.laws, page.assessment.judged_text, page.assessment.evidence) == (("wlz",), "", ())
    assert page.drafts[0].content.body == ""
    assert page.notes[0].text == ""
    assert page.timeline[-1].action == "case_erased"
    assert page.outbox[0].state == "refused"  # it was due, and never leaves
    with pytest.raises(NotFound):
        store.queries.raw_message(page.messages[0].id)
    rows, _ = store.queries.worklist(CaseFilter(), now=NOW)
    assert [row.subject for row in rows if row.reference == case.reference] == [""]
    with store.begin() as uow:
        assert uow.claim_outbox(owner="a", now=NOW, lease=NOW - NOW, limit=9) == []
        assert not uow.release_uncertain(item, now=NOW)
        assert uow.contact_keys(case.id) == frozenset()
        assert uow.cases_by_message_ids(["<vraag-1@example.nl>"]) == []
        known = uow.message_by_identity("id-1")
        assert known is not None
        assert (known.case_id, known.outcome) == (case.id, LedgerOutcome.CASE)
        uow.erase_case(case.id, by="system", at=NOW)  # twice does no harm
        assert uow.message_by_identity("id-1") == known
    assert store.queries.case_page(other.reference).messages[0].subject == "Vraag van Marker2"


def test_a_case_whose_reply_is_being_sent_is_not_erased(store: SqlStore, make: Maker) -> None:
    case = make.case()
    item = make.queue(case.id)
    with store.begin() as uow:
        uow.claim_outbox(owner="a", now=NOW, lease=NOW - NOW.replace(hour=1), limit=1)
        uow.mark_sending([item], owner="a", now=NOW)
    with pytest.raises(ConflictError), store.begin() as uow:
        uow.erase_case(case.id, by="system", at=NOW)
    with pytest.raises(NotFound), store.begin() as uow:
        uow.erase_case("0" * 32, by="system", at=NOW)

"""Is the chain whole?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_magic.adapters.database import Database
from pipeline_magic.agents.approval.audit import MOST, Head, examine, head_of, verify
from pipeline_magic.digests import GENESIS, chain_hash
from pipeline_magic.runs import AuditEntry
from tests.support.trust import AT

COUNT = 8


def chain(count: int = COUNT, event: str = "e") -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    previous = GENESIS
    for seq in range(1, count + 1):
        fields: dict[str, Any] = {
            "seq": seq, "at": AT, "run_id": "r-1", "event": f"{event}{seq}", "identity": "ada", "name": "A",
            "digest": "d", "detail": {"n": seq},
        }  # fmt: skip
        digest = chain_hash(previous, fields)
        entries.append(AuditEntry(**fields, previous=previous, hash=digest))
        previous = digest
    return entries


def test_whole_chain() -> None:
    """A chain nobody touched has no problem, with its own head and earlier ones too; nor has an empty one."""
    entries = chain()
    assert verify(entries, [head_of(entries), head_of(entries[:3]), head_of([])]) == ()
    assert verify([]) == ()


@given(
    number=st.integers(0, COUNT - 1),
    field=st.sampled_from([name for name in AuditEntry.model_fields if name != "seq"]),
)
def test_any_edited_field(number: int, field: str) -> None:
    """Whatever field of whatever entry is edited, that entry is named."""
    entries = chain()
    value: Any = {"n": 99} if field == "detail" else "f" * 64
    entries[number] = entries[number].model_copy(update={field: value})
    problems = verify(entries, [head_of(chain())])
    assert any(f"ntry {number + 1} " in problem for problem in problems), problems


def test_edited() -> None:
    """An edit is called one, once."""
    entries = chain()
    entries[3] = entries[3].model_copy(update={"identity": "eve"})
    (problem,) = verify(entries)
    assert problem.startswith("Entry 4 (e4,") and "was edited" in problem


def test_edited_and_hashed_again() -> None:
    """An edit whose own hash was computed anew breaks the link to the next entry."""
    entries = chain()
    forged = entries[3].model_copy(update={"identity": "eve"})
    entries[3] = forged.model_copy(update={"hash": chain_hash(forged.previous, forged.model_dump())})
    (problem,) = verify(entries)
    assert problem.startswith("Entry 5 does not follow")


def test_removed() -> None:
    """A gap is named by its numbers."""
    entries = chain()
    assert verify([*entries[:2], *entries[3:]])[0].startswith("Entry 3 is missing")
    assert verify([*entries[:2], *entries[5:]])[0].startswith("Entries 3 to 5 are missing")
    assert verify(entries[1:])[0].startswith("Entry 1 is missing")


def test_removed_and_renumbered() -> None:
    """Closing the gap by new numbers does not help."""
    entries = chain()
    closed = [*entries[:2], *(entry.model_copy(update={"seq": entry.seq - 1}) for entry in entries[3:])]
    problems = verify(closed)
    assert problems[0] == "Entry 3 was reordered: it was written as entry 4."


def test_reordered() -> None:
    """Two entries that changed places are both named with the number they were written under."""
    entries = chain()
    entries[2], entries[4] = (
        entries[4].model_copy(update={"seq": 3}),
        entries[2].model_copy(update={"seq": 5}),
    )
    problems = verify(entries)
    assert "Entry 3 was reordered: it was written as entry 5." in problems
    assert "Entry 5 was reordered: it was written as entry 3." in problems


def test_inserted() -> None:
    """A forged entry between two others is found, under a used number or by pushing the others on."""
    entries = chain()
    fields = {**entries[3].model_dump(), "event": "forged"}
    forged = AuditEntry.model_validate({**fields, "hash": chain_hash(fields["previous"], fields)})
    assert any("inserted" in problem for problem in verify([*entries[:3], forged, *entries[3:]]))
    pushed = [*entries[:3], forged, *(entry.model_copy(update={"seq": entry.seq + 1}) for entry in entries[3:])]
    assert verify(pushed)


def test_tail_cut_off() -> None:
    """A cut-off tail hangs together in itself; a head from outside finds it."""
    entries = chain()
    assert verify(entries[:5]) == ()
    head = Head(*head_of(entries)[:2], where="the job's tag")
    assert verify(entries[:5], [head]) == (
        "The audit ends at entry 5, and the job's tag knows entry 8: its tail was cut off.",
    )
    assert "cut off" in verify([], [head])[0]


def test_hashed_anew() -> None:
    """A whole forged chain hangs together in itself; a head from outside finds it."""
    forged = chain(event="x")
    assert verify(forged) == ()
    assert "hashed anew" in verify(forged, [head_of(chain())])[0]


@given(st.permutations(range(COUNT)))
def test_any_order_but_the_right_one(order: list[int]) -> None:
    """Any other order of the entries is a problem."""
    entries = chain()
    assert (verify([entries[number] for number in order]) == ()) == (order == list(range(COUNT)))


def test_head_round_trip() -> None:
    """A head is written as text and read back; anything else is refused."""
    head = head_of(chain())
    assert Head.parse(f" {head}\n") == head
    for text in ("", "1", "1:abc", "x:" + "a" * 64, "1:" + "A" * 64):
        with pytest.raises(ValueError, match="not the head"):
            Head.parse(text)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    opened = Database(str(tmp_path / "s.db"))
    for number in range(5):
        opened.append_audit(at=AT, run_id="r-1", event=f"e{number}", identity="ada", detail={"n": number, "f": 1.5})
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE pm_audit SET identity = 'eve' WHERE seq = 2", "Entry 2 (e1"),
        ('UPDATE pm_audit SET detail = \'{"n":1,"f":1.6}\' WHERE seq = 2', "Entry 2 (e1"),
        ("UPDATE pm_audit SET detail = 'garbage' WHERE seq = 2", "Entry 2 (e1"),
        ("DELETE FROM pm_audit WHERE seq = 3", "Entry 3 is missing"),
        ("DELETE FROM pm_audit WHERE seq > 3", "tail was cut off"),
        ("DELETE FROM pm_audit", "tail was cut off"),
    ],
)
def test_tampering_in_the_store(store: Database, sql: str, said: str) -> None:
    """What somebody does to the table by hand is found, with the store's own head beside the chain."""
    head = Head(*store.audit_head())
    assert verify(store.audit(), [head]) == ()
    with store._db.write() as connection:
        connection.exec_driver_sql(sql)
    problems = verify(store.audit(), [head])
    assert any(said in problem for problem in problems), problems


def test_a_stream_is_enough() -> None:
    """Verifying reads its entries once, one after the other, and keeps none."""
    assert verify(iter(chain()), iter([head_of(chain())])) == ()
    assert examine(iter(chain(5)), []) == (5, (), ())


def test_slipped_in_before_the_first() -> None:
    """An entry with a number below 1 is found, though the chain goes on after it."""
    entries = chain()
    fields = {**entries[0].model_dump(), "seq": -3, "event": "forged"}
    forged = AuditEntry.model_validate({**fields, "hash": chain_hash(GENESIS, fields)})
    assert verify([forged, *entries])[0] == "Entry -3 comes before the first entry: it was inserted or moved."


def test_clock_that_goes_back() -> None:
    """Entries dated before the one they follow are told of, and are no problem: the order is that of the numbers."""
    entries: list[AuditEntry] = []
    previous = GENESIS
    for seq, hour in enumerate((6, 8, 7, 9, 1), start=1):
        fields = {**chain(1)[0].model_dump(), "seq": seq, "at": f"2026-11-02T{hour:02}:00:00+00:00"}
        entries.append(
            AuditEntry.model_validate({**fields, "previous": previous, "hash": chain_hash(previous, fields)})
        )
        previous = entries[-1].hash
    assert examine(entries, [head_of(entries)]) == (5, (), (3, 5))


def test_many_problems_are_counted() -> None:
    """However much is wrong, what is kept of it is bounded."""
    bad = chain(1)[0].model_copy(update={"hash": "f" * 64})
    problems = verify(bad.model_copy(update={"seq": seq}) for seq in range(1, MOST + 101))
    assert len(problems) == MOST + 1
    assert problems[-1].endswith("more problems.")

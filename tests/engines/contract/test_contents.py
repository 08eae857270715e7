"""What is stored comes back as it was: every character, every integer, large data."""

from __future__ import annotations

import pytest

from statustrack.core.limits import DATA_BYTES, KEY_BYTES
from statustrack.core.writes import Clause, Comparison, Write
from statustrack.engines.protocol import Applied, Engine, Refused
from tests.engines.contract.rows import SET, clause, create, on_page, one, put, row_of, stored

TEXTS = {
    "ascii": "".join(map(chr, range(32, 127))),
    "control": "".join(map(chr, [*range(1, 32), 127, 0x85, 0x2028, 0x2029])),
    "nul": "before\x00after",
    "emoji": "👩🏽‍🚀 😀 🏳️‍🌈",
    "accents": "é e\u0301 Å A\u030a ß ẞ",
    "scripts": "日本語 עברית العربية हिन्दी \u202eright to left\u202c",
    "edges": "\ufeff\ud7ff\ue000\uffff\U0010ffff",
    "quotes": "it's \"q\" `b` ''\"\" \\ \\' %s ?1 :a {} {'a'} -- ; DROP TABLE tasks",
    "json": '{"a": [1, null, "b\\n"]}',
    "spaces": "  \t\n\r\n ",
    "words": "NULL null None true 0 1e5 MISSING",
    "digits": "0012",
    "number": "1E+2",
}
INTEGERS = [0, 1, -1, 255, 2**31 - 1, -(2**31), 2**32, 2**53, -(2**53), 10**15, 1_716_444_446_444, 10, 100, 1_000_000]


@pytest.mark.parametrize("text", list(TEXTS.values()), ids=list(TEXTS))
def test_every_character_survives_everywhere(engine: Engine, table: str, text: str) -> None:
    row = row_of(text, value=text, data=text, lock=text, errors=text * 3, late_results=frozenset((text, "x")))
    twin = {**row, "key": f"{text} twin", "data": text + "x"}
    assert engine.apply(table, [create(row), create(twin)]) == [Applied(row), Applied(twin)]
    assert engine.get(table, [text]) == {text: row}
    assert engine.get(table, [text, twin["key"]]) == {text: row, twin["key"]: twin}
    page = engine.page(table, text, limit=10).rows
    assert sorted(page, key=lambda each: len(each["key"])) == [on_page(engine, row), on_page(engine, twin)]
    assert engine.count(table, text) == 2
    assert {each["key"] for each in engine.scan(table, text)} == {text, twin["key"]}
    same = (Clause("same", (Comparison("data", "=", text),)), Clause("lock", (Comparison("lock", "in", ("y", text)),)))
    writes = [
        Write("update", key, same, set={"notes": text}, copy={"worker": "data"}, add={SET: text + "z"})
        for key in (text, twin["key"])
    ]
    after = {**row, "notes": text, "worker": text, "late_results": frozenset((text, "x", text + "z"))}
    assert engine.apply(table, writes) == [Applied(after), Refused(twin)]
    assert one(engine, table, writes[0]) == Applied(after)
    assert one(engine, table, Write("delete", text, same, kind="delete")) == Applied({})
    assert stored(engine, table, text) is None
    assert stored(engine, table, twin["key"]) == twin


def test_texts_that_look_alike_are_different_keys(engine: Engine, table: str) -> None:
    keys = ["a", "A", "a ", " a", "á", "a\u0301", "a\n", "1", "01", "1.0", "a\x00", "a\x00b"]
    rows = {key: row_of(key, data=repr(key)) for key in keys}
    assert engine.apply(table, [create(row) for row in rows.values()]) == [Applied(row) for row in rows.values()]
    assert engine.get(table, keys) == rows


def test_a_key_may_be_as_long_as_the_limit(engine: Engine, table: str) -> None:
    for key in ("k" * KEY_BYTES, "é" * (KEY_BYTES // 2), "😀" * (KEY_BYTES // 4)):
        row = row_of(key, value=key)
        assert one(engine, table, create(row)) == Applied(row)
        assert stored(engine, table, key) == row
        assert engine.page(table, key, limit=5).rows == [on_page(engine, row)]


@pytest.mark.parametrize("name", ["retry", "lease_until", "expire_at"])
def test_integers_come_back_as_integers(engine: Engine, table: str, name: str) -> None:
    rows = {f"task {number}": row_of(f"task {number}", **{name: number}) for number in INTEGERS}
    put(engine, table, *rows.values())
    read = engine.get(table, list(rows))
    assert read == rows
    assert {type(row[name]) for row in read.values()} == {int}
    writes = [
        Write("update", key, clause(name, "=", row[name]), set={name: row[name] - 1}, increment={"attempt": row[name]})
        for key, row in rows.items()
    ]
    wanted = [{**row, name: row[name] - 1, "attempt": row[name]} for row in rows.values()]
    assert engine.apply(table, writes) == [Applied(row) for row in wanted]


def test_neighbouring_large_integers_are_told_apart(engine: Engine, table: str) -> None:
    put(engine, table, row_of("a", lease_until=2**53 - 1))
    assert isinstance(one(engine, table, Write("update", "a", clause("lease_until", "=", 2**53))), Refused)
    assert isinstance(one(engine, table, Write("update", "a", clause("lease_until", ">", 2**53 - 2))), Applied)
    counted = one(engine, table, Write("update", "a", clause("lease_until", "<", 2**53), increment={"lease_until": 1}))
    assert counted == Applied(row_of("a", lease_until=2**53))


@pytest.mark.parametrize(
    "letter", ["x", "é", "😀", '"', "\n"], ids=["ascii", "two bytes", "four bytes", "quote", "line"]
)
def test_data_may_be_as_large_as_the_limit(engine: Engine, table: str, letter: str) -> None:
    data = letter * (DATA_BYTES // len(letter.encode()))
    row = row_of("a", data=data)
    assert one(engine, table, create(row)) == Applied(row)
    assert stored(engine, table, "a") == row
    assert engine.apply(table, [create({**row, "key": key}) for key in "bc"]) == [
        Applied({**row, "key": key}) for key in "bc"
    ]
    smaller = data[:-1]
    writes = [Write("update", key, clause("data", "=", data), set={"data": smaller}) for key in "abc"]
    assert engine.apply(table, writes) == [Applied({**row, "key": key, "data": smaller}) for key in "abc"]
    assert {each["data"] for each in engine.scan(table)} == {smaller}


def test_many_large_rows_are_read_at_once(engine: Engine, table: str) -> None:
    rows = {f"task {n}": row_of(f"task {n}", data=str(n % 10) * 350_000) for n in range(50)}
    put(engine, table, *rows.values())
    assert engine.get(table, list(rows)) == rows
    assert {row["key"] for row in engine.scan(table)} == set(rows)
    assert sum(len(row["key"]) for row in engine.scan(table, attributes=("status",))) == sum(map(len, rows))

"""A success and the user's own writes in one transaction: all or nothing."""

from __future__ import annotations

import uuid

import pytest

from statustrack.core.errors import ConfigError
from statustrack.core.writes import Write
from statustrack.engines.protocol import Applied, Engine, Extra, ExtraFailed, Refused, Rejected
from tests.engines.contract.places import Place
from tests.engines.contract.rows import PRESENT, clause, one, put, row_of, stored


class Held:
    """A task that is being worked on. Its lock token is its own, as always: DynamoDB knows a transaction that it has
    carried out by its content, for ten minutes."""

    def __init__(self) -> None:
        self.token = uuid.uuid4().hex
        self.row = row_of("a", lock=self.token, attempt=3, data="{}")
        done = {"lock": "free", "data": '{"done":1}', "claimed_from": self.row["value"], "retry": 1}
        self.done = {**self.row, **done, "late_results": frozenset("x")}

    def succeed(self, key: str = "a", token: str | None = None) -> Write:
        """What the holder of that token (this task's, unless told otherwise) records."""
        return Write(
            "succeed",
            key,
            clause("lock", "=", token or self.token),
            set={"lock": "free", "data": '{"done":1}'},
            remove=("lease_until",),
            copy={"claimed_from": "value"},
            increment={"retry": 1},
            add={"late_results": "x"},
            mine=lambda current: current.get("data") == '{"done":1}',
        )


@pytest.fixture
def held(engine: Engine, table: str) -> Held:
    """A task that is being worked on, in the table."""
    task = Held()
    put(engine, table, task.row)
    return task


def test_both_parts_are_done(engine: Engine, table: str, held: Held, place: Place) -> None:
    outcome = engine.apply_together(table, held.succeed(), place.insert("invoice 1", "invoice 2"))
    assert outcome == Applied(held.done)
    assert stored(engine, table, "a") == held.done
    assert place.names() == ["invoice 1", "invoice 2"]


def test_when_the_user_s_part_fails_nothing_is_done(engine: Engine, table: str, held: Held, place: Place) -> None:
    engine.apply_together(table, held.succeed(), place.insert("invoice 1"))
    put(engine, table, held.row)
    outcome = engine.apply_together(table, held.succeed(), place.insert("invoice 0", "invoice 1"))
    assert isinstance(outcome, ExtraFailed)
    assert isinstance(outcome.error, Exception)
    assert str(outcome.error)
    assert stored(engine, table, "a") == held.row
    assert place.names() == ["invoice 1"]
    assert isinstance(one(engine, table, held.succeed()), Applied)  # nothing is left half done


def test_when_the_task_is_no_longer_mine_the_user_s_part_is_not_done(
    engine: Engine, table: str, held: Held, place: Place
) -> None:
    outcome = engine.apply_together(table, held.succeed(token="another"), place.insert("invoice 1"))
    assert outcome == Refused(held.row)
    assert stored(engine, table, "a") == held.row
    assert place.names() == []


def test_a_lost_task_comes_before_a_failing_part(engine: Engine, table: str, held: Held, place: Place) -> None:
    engine.apply_together(table, held.succeed(), place.insert("invoice 1"))
    put(engine, table, held.row)
    outcome = engine.apply_together(table, held.succeed(token="another"), place.insert("invoice 1"))
    assert outcome == Refused(held.row)


def test_for_a_task_that_is_not_there_nothing_is_done(engine: Engine, table: str, held: Held, place: Place) -> None:
    assert engine.apply_together(table, held.succeed("ghost"), place.insert("invoice 1")) == Refused(None)
    assert stored(engine, table, "ghost") is None
    assert place.names() == []


def test_the_same_transaction_sent_twice_is_carried_out_once(
    engine: Engine, table: str, held: Held, place: Place
) -> None:
    write, extra = held.succeed(), place.insert("invoice 1")
    assert [engine.apply_together(table, write, extra) for _ in range(2)] == [Applied(held.done)] * 2
    assert stored(engine, table, "a") == held.done
    assert place.names() == ["invoice 1"]


def test_a_success_that_has_landed_before_takes_no_other_part_with_it(
    engine: Engine, table: str, held: Held, place: Place
) -> None:
    assert one(engine, table, held.succeed()) == Applied(held.done)
    assert engine.apply_together(table, held.succeed(), place.insert("invoice 1")) == Applied(held.done)
    assert place.names() == []


def test_the_task_s_own_row_is_not_the_user_s(engine: Engine, table: str, held: Held, place: Place) -> None:
    with pytest.raises(ConfigError):
        engine.apply_together(table, held.succeed(), place.touching(table, "a"))
    assert stored(engine, table, "a") == held.row
    assert isinstance(one(engine, table, held.succeed()), Applied)


def test_what_belongs_to_another_engine_is_refused(engine: Engine, table: str, held: Held, place: Place) -> None:
    with pytest.raises(ConfigError, match=r"transact=|sql="):
        engine.apply_together(table, held.succeed(), place.of_another_kind())
    assert stored(engine, table, "a") == held.row


def test_each_engine_takes_its_own_part(engine: Engine, table: str, held: Held, place: Place) -> None:
    own, other = place.insert("invoice 1"), place.of_another_kind()
    both = Extra(transact=own.transact or other.transact, sql=own.sql or other.sql)
    assert engine.apply_together(table, held.succeed(), both) == Applied(held.done)
    assert place.names() == ["invoice 1"]


def test_without_a_user_s_part_it_is_a_plain_write(engine: Engine, table: str, held: Held) -> None:
    assert engine.apply_together(table, held.succeed(), Extra()) == Applied(held.done)
    assert engine.apply_together(table, held.succeed(token="another"), Extra()) == Applied(
        held.done
    )  # recognised: it is mine
    assert engine.apply_together(table, held.succeed("ghost"), Extra()) == Refused(None)


def test_puts_and_deletes_can_have_company_too(engine: Engine, table: str, held: Held, place: Place) -> None:
    save = Write("save", "a", PRESENT, set=row_of("a", retry=5), kind="put")
    assert engine.apply_together(table, save, place.insert("invoice 1")) == Applied(row_of("a", retry=5))
    delete = Write("delete", "a", PRESENT, kind="delete")
    assert engine.apply_together(table, delete, place.insert("invoice 2")) == Applied({})
    assert stored(engine, table, "a") is None
    assert place.names() == ["invoice 1", "invoice 2"]


def test_too_large_a_row_is_told_from_a_failing_part(engine: Engine, table: str, held: Held, place: Place) -> None:
    huge = "x" * 600_000
    grow = Write("succeed", "a", PRESENT, set={"data": huge})
    outcome = engine.apply_together(table, grow, place.insert("invoice 1"))
    if isinstance(outcome, Rejected):
        assert stored(engine, table, "a") == held.row
        assert place.names() == []
    else:
        assert outcome == Applied({**held.row, "data": huge})
        assert place.names() == ["invoice 1"]


def test_there_is_time_enough_within_the_time_given(engine: Engine, table: str, held: Held, place: Place) -> None:
    assert engine.apply_together(table, held.succeed(), place.insert("invoice 1"), timeout_seconds=10.0) == Applied(
        held.done
    )

"""Backoff: how long a failed task waits before it can be claimed again."""

import pytest

import statustrack as st
from tests.tracking.support import fail, lose, step


@pytest.fixture
def draw(monkeypatch):
    """What the dice show: a number in [0, 1)."""
    from statustrack.tracking import ending

    class Dice:
        shows = 0.999999

        def random(self):
            return self.shows

    dice = Dice()
    monkeypatch.setattr(ending, "random", dice)
    return dice


def wait_of(task):
    return 0.0 if task.ready_at is None else (task.ready_at - task.update_time).total_seconds()


def test_by_default_a_failed_task_can_be_started_at_once(local):
    local.create("t")
    task = fail(local, "t")
    assert task.ready_at is None
    with local.start("t"):
        pass


def test_the_wait_doubles_with_every_failure_in_a_row_up_to_its_cap(sqlite, table_name, clock, draw):
    task = step(table_name, retry_delay_seconds=10, retry_max_delay_seconds=60, max_retry=10)
    task.create_table()
    task.create("t")
    waits = []
    for _ in range(5):
        waits.append(wait_of(fail(task, "t")))
        clock.advance(61)
    assert waits == pytest.approx([10, 20, 40, 60, 60], abs=0.01)
    with task.start("t"):
        pass
    with pytest.raises(ValueError), task.start("t", more_pending_status=40):
        raise ValueError
    assert wait_of(task.get("t")) == pytest.approx(10, abs=0.01), "a success starts anew"


@pytest.mark.parametrize(("shows", "wait"), [(0.0, 0.0), (0.25, 2.5), (0.5, 5.0), (0.999999, 10.0)])
def test_the_wait_has_full_jitter(sqlite, table_name, draw, shows, wait):
    draw.shows = shows
    task = step(table_name, retry_delay_seconds=10)
    task.create_table()
    task.create("t")
    assert wait_of(fail(task, "t")) == pytest.approx(wait, abs=0.01)


def test_a_task_in_backoff_is_refused_with_the_time_when_it_is_free(store, table_name, clock, draw):
    task = step(table_name, retry_delay_seconds=10)
    task.create_table(wait=True)
    task.create("t")
    failed = fail(task, "t")
    for detailed in (False, True):
        with pytest.raises(st.TaskIsNotReadyToStartError) as refused, task.start("t", detailed_error=detailed):
            pytest.fail("entered")
        assert type(refused.value) is st.TaskIsNotReadyToStartError
        assert refused.value.reason == "not_ready"
        assert refused.value.retry_at == failed.ready_at
    assert "backoff" in str(refused.value)
    assert task.query_for_unfinished().all() == []
    assert [each.task_id for each in task.query_by_status("failed")] == ["t"]
    clock.advance(10)
    assert [each.task_id for each in task.query_for_unfinished()] == ["t"]
    with task.start("t"):
        pass
    assert task.get("t").ready_at is None


def test_the_last_failure_ignores_the_task_without_a_wait(sqlite, table_name, draw):
    task = step(table_name, retry_delay_seconds=10, max_retry=1)
    task.create_table()
    task.create("t")
    assert fail(task, "t").is_ignored() and task.get("t").ready_at is None


def test_a_take_over_waits_for_nothing_but_the_lease(sqlite, table_name, clock):
    task = step(table_name, retry_delay_seconds=10_000)
    task.create_table()
    task.create("t")
    lose(task, "t", clock)
    with task.start("t"):
        pass
    assert task.get("t").is_succeeded()


def test_the_backoff_of_a_hundred_failures_is_still_a_number(sqlite, table_name, clock, draw):
    task = step(table_name, retry_delay_seconds=1, retry_backoff=1000, max_retry=1000)
    task.create_table()
    made = task.make("t", retry=900)
    made.save()
    assert wait_of(fail(task, "t")) == pytest.approx(300, abs=0.01)

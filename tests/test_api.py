"""What the package exports, under both of its names, and what may be sent to another process."""

import copy
import pickle
from datetime import datetime, timezone

import pytest

import statustrack as st
import statustrack.api as pm
from statustrack import testing
from statustrack.tracking.identity import worker_name


class Step(st.BaseTask):
    class Meta:
        table_name = "tasks"

    config = st.TrackerConfig.make("job", 10, 20, 30, 40, 50)


@pytest.fixture
def engine(tmp_path):
    with testing.engine(Step, folder=str(tmp_path)) as made:
        yield made


def test_every_exported_name_is_there():
    for name in st.__all__:
        assert getattr(st, name) is not None
    assert len(set(st.__all__)) == len(st.__all__)


def test_the_names_of_the_original_lead_to_the_same_things():
    tracker = pm.patterns.status_tracker
    assert tracker is st
    for name in (
        "BaseStatusEnum",
        "StatusNameEnum",
        "TrackerConfig",
        "BaseTask",
        "StatusAndUpdateTimeIndex",
        "ExecutionContext",
        "TaskExecutionError",
        "TaskIsNotInitializedError",
        "TaskIsNotReadyToStartError",
        "TaskLockedError",
        "TaskAlreadySucceedError",
        "TaskIgnoredError",
    ):
        assert hasattr(tracker, name), name
    assert pm.constants.PAY_PER_REQUEST_BILLING_MODE == "PAY_PER_REQUEST"
    assert pm.constants.PROVISIONED_BILLING_MODE == "PROVISIONED"
    assert pm.__version__ == st.__version__


def test_a_name_that_is_not_there_is_missed_and_the_others_are_listed():
    with pytest.raises(AttributeError, match="Wroker"):
        st.Wroker  # noqa: B018
    assert set(st.__all__) <= set(dir(st))


def error_classes():
    found = []

    def walk(cls):
        for child in cls.__subclasses__():
            if child.__module__.startswith("statustrack."):
                found.append(child)
                walk(child)

    walk(st.StatusTrackError)
    return sorted(set(found), key=lambda cls: cls.__name__)


@pytest.mark.parametrize("cls", error_classes(), ids=lambda cls: cls.__name__)
def test_every_error_is_of_one_tree_and_pickles_with_its_fields(cls):
    error = cls(5, "later") if issubclass(cls, st.Snooze) else cls("what happened")
    error.extra_field = {"n": 1}
    if isinstance(error, st.TaskExecutionError):
        error.task = Step._from_row({"key": "job____t", "status": 30, "data": '{"n":1}'}, None, "")
    if isinstance(error, st.TaskIsNotReadyToStartError):
        error.reason, error.retry_at = "locked", datetime(2024, 5, 23, tzinfo=timezone.utc)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is cls and isinstance(again, st.StatusTrackError)
        assert again.args == error.args and again.__dict__ == error.__dict__
        assert str(again) == str(error)


def test_errors_of_the_configuration_are_value_errors_and_unready_tasks_one_family():
    assert issubclass(st.ConfigError, ValueError) and issubclass(st.InvalidDataError, ValueError)
    for cls in (st.TaskIsNotInitializedError, st.TaskLockedError, st.TaskAlreadySucceedError, st.TaskIgnoredError):
        assert issubclass(cls, st.TaskIsNotReadyToStartError)
    assert not issubclass(st.TaskLeaseLostError, st.TaskIsNotReadyToStartError)
    assert not issubclass(st.StorageError, st.TaskExecutionError)


def test_a_refusal_of_a_real_start_pickles_with_its_task(engine):
    Step.create("t", {"n": 1})
    with Step.start("t"), pytest.raises(st.TaskIsNotReadyToStartError) as refused, Step.start("t"):
        pytest.fail("entered")
    again = pickle.loads(pickle.dumps(refused.value))
    assert again.reason == "locked" and again.retry_at == refused.value.retry_at
    assert again.task == refused.value.task and again.task.data == {"n": 1}


def test_a_task_pickles_as_a_value_and_can_be_used_where_it_arrives(engine):
    task = Step.create("t", {"n": 1})
    task.data["n"] = 2
    again = pickle.loads(pickle.dumps(task))
    assert again == task and again.data == {"n": 2} and again is not task
    again.save()
    assert Step.get("t").data == {"n": 2}
    assert copy.deepcopy(task) == task


def test_a_context_refuses_to_be_pickled_and_says_what_to_send_instead(engine):
    Step.create("t")
    with Step.start("t") as ctx, pytest.raises(TypeError, match=r"ctx\.task"):
        pickle.dumps(ctx)


def test_an_engine_refuses_to_be_pickled(engine):
    with pytest.raises(TypeError, match="url"):
        pickle.dumps(engine)


def test_run_of_the_testing_module_records_what_the_handler_does(engine):
    def good(ctx):
        return {"words": len(ctx.data["text"].split())}

    task = testing.run(Step, good, data={"text": "a b c"})
    assert task.is_succeeded() and task.data == {"text": "a b c", "words": 3}

    def bad(ctx):
        raise ValueError("boom")

    task = testing.run(Step, bad)
    assert task.is_failed() and "boom" in task.error_summary

    def later(ctx):
        raise st.Snooze(5)

    assert testing.run(Step, later, task_id="named").is_pending()


def test_the_clock_of_the_testing_module_decides_what_time_it_is(tmp_path):
    clock = testing.MovableClock()
    with testing.engine(Step, clock=clock, folder=str(tmp_path)):
        Step.create("t")
        with Step.start("t"):
            raise st.Snooze(3600)
        with pytest.raises(st.TaskIsNotReadyToStartError):
            Step.start("t").__enter__()
        clock.advance(3601)
        with Step.start("t"):
            pass


def test_a_worker_name_has_host_pid_and_a_mark_of_this_process():
    host, pid, mark = worker_name().rsplit(":", 2)
    assert host and pid.isdecimal() and len(mark) == 8
    assert worker_name() == worker_name()

"""What each operation costs on DynamoDB: requests, and the write units that DynamoDB Local reports."""

from contextlib import contextmanager

import pytest

import statustrack as st
from statustrack.core.payload import size_of
from statustrack.engines.clock import MovableClock
from statustrack.engines.registry import open_engine
from statustrack.tracking.heartbeat import renew
from tests import dynamodb_local
from tests.tracking.support import FIRST, SECOND, lose, run_child, step


@pytest.fixture
def dynamo(dynamodb_endpoint, aws_environment, clock):
    engine = open_engine(dynamodb_local.endpoint_url(dynamodb_endpoint), clock=clock)
    with st.use_engine(engine):
        yield engine
    engine.close()


@pytest.fixture
def task(dynamo, table_name):
    """A step whose first write is behind it: the directory knows it, this process knows the directory."""
    made = step(table_name, FIRST, "invoice")
    made.create_table(wait=True)
    made.create("first")
    return made


class Cost:
    requests = 0
    write_units = 0.0
    read_units = 0.0


@contextmanager
def cost_of(engine):
    meter, cost = engine.meter, Cost()
    before = (meter.requests, meter.write_units, meter.read_units)
    yield cost
    cost.requests = meter.requests - before[0]
    cost.write_units = meter.write_units - before[1]
    cost.read_units = meter.read_units - before[2]


def test_from_start_to_success_takes_two_requests(dynamo, task):
    task.create("t")
    with cost_of(dynamo) as cost, task.start("t") as ctx:
        ctx.set_data({"pages": 3})
    assert cost.requests == 2
    assert cost.write_units == 6 and cost.read_units == 0


def test_the_first_start_of_a_process_takes_at_most_two_requests_more(dynamo, task, table_name, dynamodb_endpoint):
    task.create("t")
    fresh = open_engine(dynamodb_local.endpoint_url(dynamodb_endpoint), clock=MovableClock())
    with st.use_engine(fresh):
        again = step(table_name, FIRST, "invoice", "Step10")
        with again.start("t"):
            pass
    assert fresh.meter.requests <= 4
    fresh.close()


def test_the_first_start_in_real_time_takes_at_most_two_requests_more(dynamo, task, table_name, dynamodb_endpoint):
    task.create("t")
    code = """
        Step = step(sys.argv[1], use_case="invoice")
        with Step.start("t"):
            pass
        print(Step._engine_and_table()[0].meter.requests)
    """
    assert int(run_child(code, dynamodb_local.endpoint_url(dynamodb_endpoint), table_name)) <= 4


def test_a_failure_takes_two_requests_too(dynamo, task):
    task.create("t")
    with cost_of(dynamo) as cost, pytest.raises(ValueError), task.start("t"):
        raise ValueError("boom")
    assert cost.requests == 2


def test_a_refused_start_takes_one_request(dynamo, task):
    held = task.start("first")
    held.__enter__()
    with cost_of(dynamo) as cost, pytest.raises(st.TaskIsNotReadyToStartError), task.start("first"):
        pytest.fail("entered")
    assert cost.requests == 1
    held.__exit__(None, None, None)
    with cost_of(dynamo) as cost, pytest.raises(st.TaskIsNotInitializedError), task.start("absent"):
        pytest.fail("entered")
    assert cost.requests == 1


def test_a_take_over_takes_three_requests_from_start_to_success(dynamo, task, clock):
    lose(task, "first", clock)
    with cost_of(dynamo) as cost, task.start("first"):
        pass
    assert cost.requests == 3


def test_a_heartbeat_takes_one_request_and_one_write_unit(dynamo, task):
    with task.start("first") as ctx:
        with cost_of(dynamo) as cost:
            renew([ctx._hold])
        assert (cost.requests, cost.write_units) == (1, 1)


def test_25_heartbeats_take_one_request(dynamo, task):
    task.create_many(f"t-{n}" for n in range(25))
    contexts = [task.start(f"t-{n}").__enter__() for n in range(25)]
    with cost_of(dynamo) as cost:
        renew([ctx._hold for ctx in contexts])
    assert cost.requests == 1
    assert not any(ctx.lease_lost for ctx in contexts)


def test_the_write_units_of_a_small_task_are_2_to_create_3_to_claim_3_to_finish(dynamo, task):
    with cost_of(dynamo) as cost:
        task.create("t", {"file": "invoice-0001.pdf"})
    assert (cost.requests, cost.write_units) == (1, 2)
    start = task.start("t")
    with cost_of(dynamo) as cost:
        start.__enter__().set_data({"file": "invoice-0001.pdf", "pages": 2})
    assert (cost.requests, cost.write_units) == (1, 3)
    with cost_of(dynamo) as cost:
        start.__exit__(None, None, None)
    assert (cost.requests, cost.write_units) == (1, 3)


def test_a_read_by_id_takes_one_request(dynamo, task):
    with cost_of(dynamo) as cost:
        task.get_one_or_none("first")
    assert (cost.requests, cost.read_units) == (1, 0.5)
    with cost_of(dynamo) as cost:
        task.get("first")
    assert (cost.requests, cost.read_units) == (1, 1)


def test_a_task_of_two_steps_without_errors_stays_below_one_kilobyte_beside_its_data(store, table_name):
    first = step(table_name, FIRST, "invoice")
    second = step(table_name, SECOND, "invoice")
    first.create_table(wait=True)
    data = {"file": "invoice-0001.pdf"}
    first.create("invoice-0001.pdf", data)
    for each in (first, second):
        with each.start("invoice-0001.pdf"):
            pass
    row = second.get("invoice-0001.pdf")._row
    size = sum(len(name) + (size_of(value) if isinstance(value, str) else 12) for name, value in row.items())
    assert size - size_of(row["data"]) < 1024
    assert len(second.get("invoice-0001.pdf").attempts) == 2


def test_create_many_and_claim_many_go_in_batches_of_25(dynamo, task):
    with cost_of(dynamo) as cost:
        task.create_many(f"t-{n:02}" for n in range(50))
    assert cost.requests <= 4  # two batches, and once per process a question whether batches can be trusted
    with cost_of(dynamo) as cost:
        for ctx in task.claim_many(limit=50):
            with ctx:
                pass
    assert cost.requests <= 2 + 50 + 8  # claims, finishes one by one, and the listing

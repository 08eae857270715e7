"""A test of your own handler: an engine of its own, time under your control, no sleeping, no table left behind."""

import statustrack as st
from examples.steps import Extract
from statustrack import testing


def handler(ctx: st.ExecutionContext[Extract]) -> dict[str, str]:
    if not ctx.data["path"].endswith(".pdf"):
        raise st.GiveUp("not a PDF")
    return {"text": f"the text of {ctx.data['path']}"}


def test_the_text_is_stored() -> None:
    with testing.engine(Extract):
        task = testing.run(Extract, handler, data={"path": "a.pdf"})
        assert task.is_succeeded()
        assert task.data == {"path": "a.pdf", "text": "the text of a.pdf"}


def test_other_files_are_given_up() -> None:
    with testing.engine(Extract):
        task = testing.run(Extract, handler, data={"path": "a.mp4"})
        assert task.is_ignored() and "not a PDF" in str(task.error_summary)


def test_a_crashed_worker_is_replaced_when_its_lease_is_over() -> None:
    clock = testing.MovableClock()
    with testing.engine(Extract, clock=clock):
        Extract.create("t-1")
        Extract.start("t-1").__enter__()  # a worker that dies in its block
        clock.advance(61)
        with Extract.start("t-1") as ctx:
            assert ctx.attempt == 2

"""A training job of many hours on a spot instance: its lease renews itself, SIGTERM gives the task back.

Data loaders that are forked inside the block do not end it: the task belongs to the process that claimed it.
"""

import multiprocessing
import sys
import time

import statustrack as st
from examples.steps import Extract


def load(batch: int) -> int:
    return batch * 2


def main(task_id: str, epochs: int = 100, seconds: float = 1.0) -> None:
    st.release_on_sigterm()
    with Extract.start(task_id) as ctx:
        fork = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
        with multiprocessing.get_context(fork).Pool(2) as loaders:
            for epoch in range(ctx.data.get("epoch", 0), epochs):
                ctx.check()  # stop at once if somebody else has taken over (a suspended machine, say)
                loaders.map(load, range(8))
                time.sleep(seconds)  # your own training
                ctx.set_data({**ctx.data, "epoch": epoch + 1})
                ctx.update()  # the checkpoint: it stays whatever happens now
                ctx.progress((epoch + 1) / epochs, f"epoch {epoch + 1}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))

"""A script that cron starts every few minutes: it does what is unfinished, whoever left it so.

Two of them at once, or one that was killed last night, do no harm: each task is claimed by one.
"""

import logging

import statustrack as st
from examples.steps import Extract


def extract(path: str) -> str:
    return f"the text of {path}"  # your own code


def main() -> None:
    for task in Extract.query_for_unfinished():  # pending, failed and not in backoff, or left by a crashed worker
        try:
            with Extract.start(task.task_id) as ctx:
                ctx.set_data({**ctx.data, "text": extract(ctx.data["path"])})
        except st.TaskIsNotReadyToStartError:
            continue  # another run was quicker
        except st.StorageError:
            raise  # the storage, not the document: let cron tell somebody
        except Exception:
            logging.exception("%s failed; it is tried again next time", task.task_id)


if __name__ == "__main__":
    main()

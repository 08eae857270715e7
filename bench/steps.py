"""The step that the benchmarks track."""

import statustrack as st


class Status(st.BaseStatusEnum):
    pending = 10
    in_progress = 20
    failed = 30
    succeeded = 40
    ignored = 50


class Step(st.BaseTask):
    class Meta:
        table_name = "bench"

    config = st.TrackerConfig.make("bench", status=Status, lock_expire_seconds=60)

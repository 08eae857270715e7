"""The two steps that the other examples use: documents whose text is extracted, and then summarised."""

import statustrack as st


class ExtractStatus(st.BaseStatusEnum):
    pending = 10
    in_progress = 20
    failed = 30
    succeeded = 40
    ignored = 50


class SummariseStatus(st.BaseStatusEnum):
    pending = 40  # what extraction has succeeded with waits for the summary
    in_progress = 70
    failed = 80
    succeeded = 90
    ignored = 100


class Extract(st.BaseTask):
    class Meta:
        table_name = "documents"

    config = st.TrackerConfig.make("document", status=ExtractStatus, lock_expire_seconds=60)


class Summarise(st.BaseTask):
    class Meta:
        table_name = "documents"

    config = st.TrackerConfig.make("document", status=SummariseStatus, lock_expire_seconds=60)

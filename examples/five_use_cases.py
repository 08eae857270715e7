"""Five use cases in one table: each has its own codes, retries and leases, and none sees the tasks of another."""

from typing import Any

import statustrack as st


class Shared(st.BaseTask):
    class Meta:
        table_name = "everything"


def use_case(name: str, **options: Any) -> type[Shared]:
    codes = (0, 3, 6, 9, 10)  # pending, in progress, failed, succeeded, ignored: the same in each is no conflict
    return type(name.title(), (Shared,), {"config": st.TrackerConfig.make(name, *codes, **options)})


CASES = [
    use_case("invoice", max_retry=5),
    use_case("payment", retry_delay_seconds=60),
    use_case("email"),
    use_case("report", n_succeeded_shard=4),
    use_case("inv"),  # is not the beginning of "invoice"
]


def main() -> None:
    Shared.create_table(wait=True)
    for case in CASES:
        case.create_many(f"{n}" for n in range(10))
    for case in CASES:
        print(case.config.use_case_id, case.count_by_status()["pending"])


if __name__ == "__main__":
    main()

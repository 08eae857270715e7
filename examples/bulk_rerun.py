"""After a bug fix: find the failures of one kind, see how many there are, run a few, and then all of them again."""

from collections import Counter

from examples.steps import Extract


def main(why: str = "the parser was mended") -> None:
    failures = Extract.query_by_status(["failed", "ignored"], auto_refresh=True).all()
    groups = Counter((task.error_group, task.error_summary) for task in failures)
    for (group, summary), count in groups.most_common():
        print(f"{count:6d}  {group}  {summary}")
    if not groups:
        return
    worst = groups.most_common(1)[0][0][0]

    would = Extract.redrive(group=worst, dry_run=True)
    print(f"{would.matched} tasks would be redriven")
    first = Extract.redrive(group=worst, limit=5, why=why)  # a few to begin with ...
    print(f"{first.redriven} redriven: watch them, then go on")
    rest = Extract.redrive(group=worst, why=why, redrive_id=first.redrive_id)  # ... those are not redriven twice
    print(f"{rest.redriven} more redriven")


if __name__ == "__main__":
    main()

# create some test data
Step1.delete_all()
with Step1.batch_write() as batch:
    for ith, status_enum in enumerate(Step1StatusEnum, start=1):
        step1 = Step1.make(
            task_id=f"t-{ith}",
            _status=status_enum.value,
            data={"status_code": status_enum.value},
        )
        batch.save(step1)
        rprint(step1)

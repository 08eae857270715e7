for step1 in Step1.status_and_update_time_index.query(
    hash_key=Step1.make_value(
        status=Step1StatusEnum.succeeded.value,
        _shard_id=4,
    ),
):
    step1.refresh()
    rprint(f"{step1.to_dict()}")

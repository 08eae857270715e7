task_id = "t-2"

# create a new task
step1 = Step1.make_and_save(task_id=task_id, data={"version": 0})

print("worker 1 is trying to start the execution")
with Step1.start(task_id, debug=True) as exec_ctx:
    # another worker is trying to start the same task
    print("worker 2 is trying to start the execution")
    try:
        with Step1.start(
            task_id,
            detailed_error=True,
            debug=True,
        ) as exec_ctx_1:
            pass
    # gracefully just leave when it's locked
    except st.TaskLockedError:
        pass
    # the task is processed by worker 1 at this moment
    # let's exam the status of the task
    step1 = Step1.get_one_or_none(task_id=task_id)
    rprint(step1.to_dict())
    print(f"{step1.status_name = }")
    print(f"{step1.is_locked() = }")

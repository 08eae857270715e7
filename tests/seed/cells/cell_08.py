exec_ctx: st.ExecutionContext
# by default, it won't print any trace log, you can set debug=True to enable that
with Step1.start(task_id, debug=True) as exec_ctx:
    print(f"{exec_ctx.task.status_name = }") # in progress
    print(f"{exec_ctx.task.is_locked() = }") # is locked
    # --- put your business logic here, start of business logic
    print("do some work ...")
    # you can use exec_ctx.set_data() method to update the data attribute
    # you should not manually update other attributes like
    # create_time, update_time, status, etc.
    exec_ctx.set_data({"version": 1})
    # --- end of business logic

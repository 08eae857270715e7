with Step1.start(task_id, debug=False) as exec_ctx:
    pass

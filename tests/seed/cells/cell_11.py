with Step1.start(task_id, detailed_error=True, debug=False) as exec_ctx:
    pass

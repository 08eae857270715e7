with Step1.start(task_id=task_id, debug=True):
    raise UserError()

with Step1.start(task_id=task_id, detailed_error=True, debug=True):
    raise UserError()

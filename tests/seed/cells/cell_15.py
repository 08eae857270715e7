with Step2.start(task_id, debug=True) as exec_ctx:
    exec_ctx.set_data({"version": 2})
    exec_ctx.update()
    raise UserError("something is wrong!")

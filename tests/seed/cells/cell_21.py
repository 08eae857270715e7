task_id = "t-3"

# create a new task
step1 = Step1.make_and_save(task_id=task_id)

print("at the 0th attempt, the task is:")
rprint(step1.to_dict())

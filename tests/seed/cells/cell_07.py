from rich import print as rprint

task_id = "t-1"

# create a new task
step1 = Step1.make_and_save(task_id=task_id, data={"version": 1})

rprint(step1.to_dict())
print(f"{step1.status_name = }")
print(f"{step1.is_locked() = }")

"""The API that people write against: tasks, executions, queries."""

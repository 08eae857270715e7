import pynamodb_mate.api as pm

print(f"{pm.__version__ = }")

# make the status_tracker submodule name space shorter
st = pm.patterns.status_tracker

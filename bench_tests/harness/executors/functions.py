"""Functions that a process of its own calls: each ends in its own way."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from greenbench.errors import UserError
from greenbench.execute.progress import Progress


def prepare():
    """Import what the functions need, and let numpy draw its seed."""
    np.random.random()


def add(left, right, progress):
    progress(Progress(1, 1, "added"))
    return left + right


def number(_progress):
    return os.getpid()


def crash(_progress):
    print("before the crash", flush=True)
    ctypes.string_at(0)


def abort(_progress):
    os.abort()


def kill(_progress):
    os.kill(os.getpid(), signal.SIGKILL)


def leave(_progress):
    os._exit(0)


def stop(_progress):
    sys.exit(3)


def interrupt(_progress):
    raise KeyboardInterrupt


def refuse(_progress):
    raise UserError("the value is 7", "give 8")


def fail(_progress):
    raise ValueError("seven")


def give_what_cannot_be_pickled(_progress):
    return lambda: None


def sleep(_progress):
    time.sleep(600)


def leave_a_program(_progress):
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid


def say(text, _progress):
    print(text)
    print(text, file=sys.stderr)


def path(_progress):
    return sys.path


def pollute(_progress):
    os.environ["POLLUTED"] = "1"
    np.random.seed(7)
    sys.path.insert(0, "/polluted")


def state(_progress):
    return os.environ.get("POLLUTED"), "/polluted" in sys.path, np.random.random()


def own_gpu(_progress):
    return os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES")


def worker():
    """Return the process that the server of this one was started by."""
    return int(Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1])


def wait_for(go, mark, _progress):
    """Say which worker this is on, and return that when there is a file `go`."""
    Path(mark).write_text(str(worker()))
    while not Path(go).exists():
        time.sleep(0.05)
    return worker()

"""What is decided before torch is loaded."""

import os
import subprocess
import sys

import pytest

from sam_diffsr_cli.process import OWN_SETTINGS, choose_wait_policy, quiet_children


def clean() -> dict[str, str]:
    """Return the environment without the settings at hand."""
    return {name: value for name, value in os.environ.items() if name not in OWN_SETTINGS}


@pytest.mark.parametrize(
    ("load", "cores", "expected"),
    [
        (0.0, 2, {}),
        (0.4, 2, {}),
        (0.5, 2, {"OMP_WAIT_POLICY": "PASSIVE"}),
        (3.0, 16, {}),
        (4.0, 16, {"OMP_WAIT_POLICY": "PASSIVE"}),
        (None, 2, {}),
    ],
)
def test_threads_sleep_while_they_wait_where_the_machine_is_busy(
    load: float | None, cores: int, expected: dict[str, str]
) -> None:
    environ: dict[str, str] = {}
    choose_wait_policy(environ, load, cores)
    assert environ == expected


@pytest.mark.parametrize("name", OWN_SETTINGS)
def test_what_the_user_set_stays(name: str) -> None:
    environ = {name: "1"}
    choose_wait_policy(environ, 9.0, 1)
    assert environ == {name: "1"}


def test_workers_are_told_to_sleep_while_they_wait_and_this_process_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in OWN_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    with quiet_children():
        assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    assert "OMP_WAIT_POLICY" not in os.environ


def test_workers_keep_what_the_user_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OWN_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    with quiet_children():
        assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other OpenMP libraries")
@pytest.mark.parametrize(("load", "expected"), [(99.0, True), (0.0, False)], ids=["busy", "idle"])
def test_the_command_decides_it_before_openmp_is_loaded(load: float, *, expected: bool) -> None:
    """The library itself is asked, which prints its settings as it is loaded."""
    code = (
        "import os, sys\n"
        f"os.getloadavg = lambda: ({load}, 0, 0)\n"
        "sys.argv = ['samsr', 'models', 'info', 'default']\n"
        "from sam_diffsr_cli.cli import app\n"
        "app.app = lambda: None\n"
        "app.main()\n"
        "import torch\n"
    )
    told = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code],
        env=clean() | {"OMP_DISPLAY_ENV": "VERBOSE"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "GOMP_SPINCOUNT = " in told.stderr
    assert ("GOMP_SPINCOUNT = '0'" in told.stderr) == expected


END = """
import sys
from sam_diffsr_cli.process import ending_at_once

class Left:
    def __del__(self):
        sys.__stdout__.write("taken apart ")

with ending_at_once():
    import atexit, threading
    left = Left()
    atexit.register(print, "at exit")
    threading.Timer(0.2, print, ["thread"]).start()
    print("body", end=" ")
    {end}
"""


@pytest.mark.parametrize(
    ("end", "code"),
    [("pass", 0), ("sys.exit()", 0), ("sys.exit(3)", 3), ("sys.exit(-1)", 255)],
)
def test_the_end_comes_at_once_but_after_all_that_is_registered(end: str, code: int) -> None:
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", END.format(end=end)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "body thread\nat exit\n", "")


@pytest.mark.parametrize(
    ("end", "told"), [("raise KeyError", "KeyError"), ("sys.exit('words')", "words")]
)
def test_an_error_ends_the_process_in_the_usual_way(end: str, told: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", END.format(end=end)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == "body thread\nat exit\ntaken apart "
    assert told in done.stderr


def test_output_that_cannot_be_written_is_told_at_the_end() -> None:
    """Python ends with 120 then."""
    code = "from sam_diffsr_cli.process import ending_at_once\nwith ending_at_once(): print('body')"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code],
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert done.returncode == 120
    assert "BrokenPipeError" in done.stderr


LEAVE_OUT = """
import sys
from sam_diffsr_cli.process import leave_out
{before}
leave_out("wave")
try:
    import wave
    print("there")
except ImportError:
    print("missing")
"""


@pytest.mark.parametrize(("before", "told"), [("", "missing"), ("import wave", "there")])
def test_a_module_that_is_left_out_passes_for_missing_unless_it_is_there(
    before: str, told: str
) -> None:
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", LEAVE_OUT.format(before=before)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{told}\n"

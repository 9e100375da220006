"""Lock files: who is kept out, who waits, and what is left of a process that was killed."""

import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from sam_diffsr_cli.locks import LockedError, locked

HOLDER = """
import sys, time
from pathlib import Path
from sam_diffsr_cli.locks import locked
with locked(Path(sys.argv[1]), waits=True):
    print("inside", flush=True)
    time.sleep(600)
"""


def test_another_process_is_kept_out_until_the_first_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:  # noqa: S603 - ours
        assert holder.stdout is not None
        assert holder.stdout.readline() == "inside\n"
        with pytest.raises(LockedError), locked(path, waits=False):
            pass
        holder.kill()
    with locked(path, waits=False):
        pass


def test_whoever_waits_comes_in_when_the_other_has_left(tmp_path: Path) -> None:
    path, is_inside = tmp_path / "lock", threading.Event()

    def enter() -> None:
        with locked(path, waits=True):
            is_inside.set()

    with locked(path, waits=False):
        waiting = threading.Thread(target=enter, daemon=True)
        waiting.start()
        assert not is_inside.wait(0.3)
    assert is_inside.wait(60)


def test_a_lock_file_that_was_left_keeps_nobody_out(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    with locked(tmp_path / "lock", waits=False):
        pass


def test_a_lock_file_is_removed_only_where_it_is_to_be(tmp_path: Path) -> None:
    for name, removes in (("kept", False), ("removed", True)):
        with locked(tmp_path / name, waits=True, removes=removes):
            assert (tmp_path / name).is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX locks")
def test_a_lock_that_was_removed_while_waited_for_keeps_nobody_out(tmp_path: Path) -> None:
    import fcntl

    lock, is_inside = tmp_path / "lock", threading.Event()

    def enter() -> None:
        with locked(lock, waits=True):
            is_inside.set()

    with ExitStack() as first, ExitStack() as second:
        fcntl.flock(first.enter_context(lock.open("w")), fcntl.LOCK_EX)
        waiting = threading.Thread(target=enter, daemon=True)
        waiting.start()
        assert not is_inside.wait(0.3)
        lock.unlink()
        fcntl.flock(second.enter_context(lock.open("w")), fcntl.LOCK_EX)
        first.close()
        assert not is_inside.wait(0.3)
    assert is_inside.wait(10)

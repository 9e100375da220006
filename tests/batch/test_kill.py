"""A batch that is killed or interrupted leaves whole files only, and can be finished."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.workshop.tools import kill_batch as tool

PICTURES = 12

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tool.make_place(tmp_path_factory.mktemp("kill"), PICTURES)


@pytest.fixture(scope="module")
def whole(place: Any) -> dict[str, bytes | None]:
    """Return what an unbroken run writes."""
    out = place.root / "whole"
    assert tool.finish(place, out) == 0
    assert len(tool.outputs(out)) == PICTURES
    found: dict[str, bytes | None] = tool.content(out)
    return found


@pytest.mark.parametrize(("count", "event"), [(2, "os.rename"), (7, "open")])
def test_a_killed_run_is_finished_to_the_same_bytes(
    count: int, event: tool.Event, place: Any, whole: dict[str, bytes | None], tmp_path: Path
) -> None:
    assert tool.kill_at(place, tmp_path, count, event=event)
    left = {name: data for name, data in tool.content(tmp_path).items() if data is not None}
    ours = {name: data for name, data in left.items() if not Path(name).name.startswith(".")}
    assert count <= len(ours) < PICTURES
    assert all(whole[name] == data for name, data in ours.items())
    assert tool.finish(place, tmp_path, "--on-exists", "skip") == 0
    assert tool.content(tmp_path) == whole


@dataclass
class Interrupted:
    """A run that got Ctrl-C: its exit code, its streams, and what it left."""

    code: int
    document: dict[str, Any]
    stderr: str
    out: Path
    content: dict[str, bytes | None]


@pytest.fixture(scope="module")
def interrupted(place: Any) -> Interrupted:
    out = place.root / "interrupted"
    code, stdout, stderr = tool.interrupt_at(place, out, 3, "--json")
    return Interrupted(code, json.loads(stdout), stderr, out, tool.content(out))


def test_ctrl_c_is_exit_code_130(interrupted: Interrupted) -> None:
    assert interrupted.code == 130


def test_ctrl_c_leaves_whole_files_only(
    interrupted: Interrupted, whole: dict[str, bytes | None]
) -> None:
    files = {name: data for name, data in interrupted.content.items() if data is not None}
    assert 3 <= len(files) < PICTURES
    assert all(whole.get(name) == data for name, data in files.items())


def test_ctrl_c_ends_with_a_summary_and_no_traceback(interrupted: Interrupted) -> None:
    done = len(tool.outputs(interrupted.out))
    words = " ".join(interrupted.stderr.split())
    assert f"interrupted; {done} of {PICTURES} pictures done" in words
    assert "Traceback" not in words


def test_the_document_of_an_interrupted_run_lists_every_file_it_left(
    interrupted: Interrupted,
) -> None:
    document = interrupted.document
    assert (document["status"], document["exit_code"]) == ("interrupted", 130)
    assert document["error"]["exit_code"] == 130
    told = {Path(each["target"]) for each in document["files"] if each["status"] == "done"}
    assert told == set(tool.outputs(interrupted.out))

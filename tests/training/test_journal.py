"""The journal of a run: whole lines, read back as written, cut back to where a run goes on."""

import contextlib
import errno
import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sam_diffsr_cli.errors import DiskFullError, InputError
from sam_diffsr_cli.recipes.records import Stage
from sam_diffsr_cli.training.journal import (
    JOURNAL_NAME,
    Entry,
    EventEntry,
    Journal,
    StepEntry,
    ValidationEntry,
    read_journal,
)

FULL = Path("/dev/full")


def step_entry(step: int, stage: Stage = "encoder", **fields: Any) -> StepEntry:
    values = {
        "loss": 0.5,
        "mean_loss": 0.25,
        "learning_rate": 1e-4,
        "gradient_norm": 2.0,
        "images_per_s": 10.0,
        "wait_share": 0.125,
        "memory_mib": None,
        "skipped": 0,
        "elapsed_s": 3.5,
    } | fields
    return StepEntry(stage=stage, step=step, **values)


def validation(step: int, stage: Stage = "encoder", **fields: Any) -> ValidationEntry:
    values = {"psnr_y": 27.5, "loss": None, "seconds": 1.5, "is_best": True, "sample": ""} | fields
    return ValidationEntry(stage=stage, step=step, **values)


def changed(entry: Entry, name: str, value: float | None) -> Entry:
    changes: dict[str, Any] = {name: value}
    return replace(entry, **changes)


def write_all(folder: Path, *entries: Entry) -> Path:
    with Journal(folder, tensorboard=False) as journal:
        for entry in entries:
            journal.write(entry)
    return folder / JOURNAL_NAME


def steps_in(path: Path) -> list[tuple[str, int]]:
    return [(entry.stage, entry.step) for entry in read_journal(path)]


@pytest.mark.parametrize(
    "entry",
    [
        step_entry(7),
        validation(7, sample="samples/encoder-00000007.png"),
        EventEntry("diffusion", 0, "started: \u00e9\n\udcff"),
    ],
    ids=lambda entry: entry.kind,
)
def test_an_entry_is_read_as_it_was_written(tmp_path: Path, entry: Entry) -> None:
    assert read_journal(write_all(tmp_path, entry)) == [entry]


def test_a_line_is_a_json_object_with_sorted_keys(tmp_path: Path) -> None:
    line = write_all(tmp_path, validation(3)).read_text(encoding="ascii")
    assert line == (
        '{"is_best": true, "kind": "validation", "loss": null, "psnr_y": 27.5, "sample": "", '
        '"seconds": 1.5, "stage": "encoder", "step": 3}\n'
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["loss", "mean_loss", "gradient_norm"])
def test_a_number_that_is_not_finite_is_null(tmp_path: Path, name: str, value: float) -> None:
    path = write_all(tmp_path, changed(step_entry(1), name, value))
    assert json.loads(path.read_text())[name] is None
    assert read_journal(path) == [changed(step_entry(1), name, None)]


@pytest.mark.parametrize("skipped", [False, True])
def test_skipped_steps_may_be_counted_by_a_bool(tmp_path: Path, skipped: bool) -> None:
    entry = read_journal(write_all(tmp_path, step_entry(1, skipped=skipped)))[0]
    assert isinstance(entry, StepEntry)
    assert type(entry.skipped) is int
    assert entry.skipped == skipped


def test_the_time_of_an_event_is_that_of_a_clock_in_utc() -> None:
    time = EventEntry("encoder", 0, "started").time
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", time)


def test_an_entry_is_in_the_file_before_the_journal_is_closed(tmp_path: Path) -> None:
    with Journal(tmp_path, tensorboard=False) as journal:
        journal.write(step_entry(1))
        assert steps_in(tmp_path / JOURNAL_NAME) == [("encoder", 1)]


def test_a_second_session_appends(tmp_path: Path) -> None:
    write_all(tmp_path, step_entry(1))
    assert steps_in(write_all(tmp_path, step_entry(2))) == [("encoder", 1), ("encoder", 2)]


@pytest.mark.parametrize("torn", ["x", '{"kind": "st', "\0" * 200_000], ids=["x", "half", "nulls"])
def test_a_torn_last_line_is_cut_off_on_opening(tmp_path: Path, torn: str) -> None:
    path = write_all(tmp_path, step_entry(1))
    whole = path.read_bytes()
    path.write_bytes(whole + torn.encode())
    write_all(tmp_path)
    assert path.read_bytes() == whole


def test_a_file_of_one_torn_line_becomes_empty(tmp_path: Path) -> None:
    path = tmp_path / JOURNAL_NAME
    path.write_text('{"kind"')
    write_all(tmp_path)
    assert path.read_bytes() == b""


def test_reading_passes_over_a_torn_last_line(tmp_path: Path) -> None:
    path = write_all(tmp_path, step_entry(1), step_entry(2))
    path.write_bytes(path.read_bytes()[:-5])
    assert steps_in(path) == [("encoder", 1)]


def test_a_journal_is_whole_after_a_kill(tmp_path: Path) -> None:
    code = (
        "import itertools, sys; from pathlib import Path\n"
        "from sam_diffsr_cli.training.journal import EventEntry, Journal\n"
        "with Journal(Path(sys.argv[1]), tensorboard=False) as journal:\n"
        "    for step in itertools.count():\n"
        "        journal.write(EventEntry('encoder', step, 'x' * 3000))\n"
        "        print(step, flush=True)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        last = [int(process.stdout.readline()) for _ in range(50)][-1]
        process.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        process.stdout.read()
    steps = [step for _, step in steps_in(tmp_path / JOURNAL_NAME)]
    assert steps == list(range(len(steps)))
    assert len(steps) > last


def edited(**changes: object) -> bytes:
    """A line of a journal with other fields; a field that is ... is left out."""
    record = {"kind": "event", "stage": "encoder", "step": 1, "text": "t", "time": ""} | changes
    kept = {name: value for name, value in record.items() if value is not ...}
    return json.dumps(kept).encode()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting"),
        (b"\xff", "decode"),
        (b"[]", "no entry of a known kind"),
        (edited(kind="other"), "no entry of a known kind"),
        (edited(kind=["event"]), "no entry of a known kind"),
        (edited(kind=...), "no entry of a known kind"),
        (edited(text=...), r"an entry of kind event: .* missing keys \['text'\]"),
        (edited(more=1), r"an entry of kind event: unknown keys \['more'\]"),
        (edited(stage="decoder"), "stage is 'decoder'"),
        (edited(stage=1), "stage is 1"),
        (edited(step="1"), "step is '1'"),
        (edited(step=True), "step is True"),
        (edited(step=1.0), "step is 1.0"),
        (edited(step=-1), "step is below 0"),
        (edited(text=None), "text is None"),
        (edited(step=math.nan), "NaN is not JSON"),
        (b"[" * 100_000, "recursion"),
    ],
)
def test_a_damaged_line_is_an_error_that_names_it(tmp_path: Path, line: bytes, reason: str) -> None:
    path = write_all(tmp_path, step_entry(1))
    path.write_bytes(path.read_bytes() + line + b"\n" + edited() + b"\n")
    with pytest.raises(InputError, match=rf"metrics\.jsonl: line 2 is damaged \(.*{reason}"):
        read_journal(path)


@pytest.mark.parametrize("name", ["loss", "psnr_y", "seconds"])
def test_a_number_may_be_whole(tmp_path: Path, name: str) -> None:
    path = write_all(tmp_path, changed(validation(1), name, 27))
    assert getattr(read_journal(path)[0], name) == 27


def test_a_missing_journal_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"metrics\.jsonl: cannot be read"):
        read_journal(tmp_path / JOURNAL_NAME)


def test_a_missing_folder_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"gone.metrics\.jsonl: cannot be written"),
        Journal(tmp_path / "gone", tensorboard=False),
    ):
        pass


def run_of_two_stages(folder: Path) -> Path:
    return write_all(
        folder,
        EventEntry("encoder", 0, "started"),
        step_entry(10),
        validation(10),
        step_entry(20),
        EventEntry("encoder", 20, "finished"),
        step_entry(10, "diffusion"),
        step_entry(20, "diffusion"),
        validation(20, "diffusion"),
    )


def rewind(folder: Path, stage: Stage, step: int, *later: Stage) -> list[tuple[str, int]]:
    with Journal(folder, tensorboard=False) as journal:
        journal.rewind(stage, step, later)
    return steps_in(folder / JOURNAL_NAME)


def test_rewinding_takes_out_what_came_after_the_step(tmp_path: Path) -> None:
    run_of_two_stages(tmp_path)
    encoder = [("encoder", step) for step in (0, 10, 10, 20, 20)]
    assert rewind(tmp_path, "diffusion", 10) == [*encoder, ("diffusion", 10)]


def test_rewinding_takes_out_later_stages(tmp_path: Path) -> None:
    run_of_two_stages(tmp_path)
    kept = [("encoder", step) for step in (0, 10, 10)]
    assert rewind(tmp_path, "encoder", 10, "diffusion") == kept


def test_rewinding_to_the_end_changes_no_byte(tmp_path: Path) -> None:
    path = run_of_two_stages(tmp_path)
    before = path.stat()
    text = path.read_bytes()
    rewind(tmp_path, "diffusion", 20)
    assert path.read_bytes() == text
    assert path.stat().st_ino == before.st_ino


def test_a_resumed_journal_is_that_of_an_unbroken_run(tmp_path: Path) -> None:
    for name in ("unbroken", "resumed"):
        (tmp_path / name).mkdir()
    entries = [step_entry(step, loss=1 / step) for step in range(1, 9)]
    unbroken = write_all(tmp_path / "unbroken", *entries)
    resumed = write_all(tmp_path / "resumed", *entries[:6])
    with Journal(tmp_path / "resumed", tensorboard=False) as journal:
        journal.rewind("encoder", 4, ("diffusion",))
        for entry in entries[4:]:
            journal.write(entry)
    assert resumed.read_bytes() == unbroken.read_bytes()


def test_rewinding_a_damaged_journal_leaves_it_alone(tmp_path: Path) -> None:
    path = tmp_path / JOURNAL_NAME
    path.write_bytes(b"damaged\n" + edited(step=9) + b"\n")
    with (
        Journal(tmp_path, tensorboard=False) as journal,
        pytest.raises(InputError, match="line 1 is damaged"),
    ):
        journal.rewind("encoder", 1, ())
    assert path.read_bytes() == b"damaged\n" + edited(step=9) + b"\n"


def test_a_rewinding_that_fails_leaves_a_journal_that_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = run_of_two_stages(tmp_path)
    before = path.read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", refuse)
    with Journal(tmp_path, tensorboard=False) as journal:
        with pytest.raises(DiskFullError):
            journal.rewind("encoder", 10, ())
        assert path.read_bytes() == before
        journal.write(step_entry(30))
    assert steps_in(path)[-1] == ("encoder", 30)


@pytest.mark.skipif(not FULL.exists(), reason="needs the device that is always full")
def test_a_full_disk_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_NAME).symlink_to(FULL)
    with (
        Journal(tmp_path, tensorboard=False) as journal,
        pytest.raises(DiskFullError, match=r"metrics\.jsonl: no space left"),
    ):
        journal.write(step_entry(1))


@contextlib.contextmanager
def file_limit(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_line_that_does_not_fit_leaves_nothing_of_itself(tmp_path: Path) -> None:
    path = write_all(tmp_path, step_entry(1))
    whole = path.read_bytes()
    with Journal(tmp_path, tensorboard=False) as journal:
        with (
            file_limit(len(whole) + 10),
            pytest.raises(InputError, match=r"metrics\.jsonl: .*large"),
        ):
            journal.write(step_entry(2))
        assert path.read_bytes() == whole
        journal.write(step_entry(3))
    assert steps_in(path) == [("encoder", 1), ("encoder", 3)]

"""TensorBoard's files, read back by TensorBoard."""

import errno
import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sam_diffsr_cli.errors import ConfigError, DiskFullError
from sam_diffsr_cli.training.board import Boards
from sam_diffsr_cli.training.journal import (
    JOURNAL_NAME,
    EventEntry,
    Journal,
    StepEntry,
    ValidationEntry,
    read_journal,
)


@pytest.fixture(autouse=True)
def _ordered_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorBoard reads files by name: second, host, process, and a number without zeros.

    The tests of one process write many in one second, so the number starts anew in each.
    """
    writer: Any = importlib.import_module("tensorboard.summary.writer.event_file_writer")
    monkeypatch.setattr(writer, "_global_uid", writer.AtomicCounter(0))


def read(folder: Path) -> Any:
    name = "tensorboard.backend.event_processing.plugin_event_accumulator"
    module: Any = importlib.import_module(name)
    return module.EventAccumulator(str(folder)).Reload()


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    """What TensorBoard shows of a tag: steps and values."""
    tensor_util: Any = importlib.import_module("tensorboard.util.tensor_util")
    events = read(folder).Tensors(tag)
    return [(e.step, float(tensor_util.make_ndarray(e.tensor_proto))) for e in events]


def write_steps(folder: Path, stage: str, *steps: int, offset: float = 0.0) -> None:
    boards = Boards(folder)
    for step in steps:
        boards.write(stage, step, {"loss": step + offset}, None)
    boards.close()


def test_numbers_are_shown_under_their_stage(tmp_path: Path) -> None:
    write_steps(tmp_path, "encoder", 1, 2, 3)
    assert scalars(tmp_path / "encoder", "encoder/loss") == [(1, 1.0), (2, 2.0), (3, 3.0)]


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_what_is_no_number_is_left_out(tmp_path: Path, value: float | None) -> None:
    boards = Boards(tmp_path)
    boards.write("encoder", 1, {"loss": value, "norm": 2.0}, None)
    boards.close()
    assert read(tmp_path / "encoder").Tags()["tensors"] == ["encoder/norm"]


def test_a_sample_is_shown_with_its_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "s.png")
    boards = Boards(tmp_path)
    boards.write("encoder", 4, {}, tmp_path / "s.png")
    boards.close()
    (event,) = read(tmp_path / "encoder").Tensors("encoder/sample")
    width, height, png = event.tensor_proto.string_val
    assert (event.step, width, height) == (4, b"7", b"5")
    (tmp_path / "back.png").write_bytes(png)
    with Image.open(tmp_path / "back.png") as image:
        assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("content", [None, b"", b"\x89PNG\r\n\x1a\n damaged"])
def test_a_sample_that_cannot_be_read_is_left_out(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "s.png").write_bytes(content)
    boards = Boards(tmp_path)
    boards.write("encoder", 4, {"psnr_y": 2.0}, tmp_path / "s.png")
    boards.close()
    assert read(tmp_path / "encoder").Tags()["tensors"] == ["encoder/psnr_y"]


def test_a_resumed_run_hides_what_it_does_again(tmp_path: Path) -> None:
    write_steps(tmp_path, "encoder", 1, 2, 3, 4, 5)
    boards = Boards(tmp_path)
    boards.rewind("encoder", 3, ())
    boards.write("encoder", 4, {"loss": 40.0}, None)
    boards.close()
    shown = scalars(tmp_path / "encoder", "encoder/loss")
    assert shown == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 40.0)]


def test_a_resumed_run_hides_it_before_its_first_step(tmp_path: Path) -> None:
    write_steps(tmp_path, "encoder", 1, 2, 3)
    boards = Boards(tmp_path)
    boards.rewind("encoder", 1, ())
    boards.close()
    assert scalars(tmp_path / "encoder", "encoder/loss") == [(1, 1.0)]


def test_rewinding_removes_later_stages_and_nothing_else(tmp_path: Path) -> None:
    write_steps(tmp_path, "encoder", 1)
    write_steps(tmp_path, "diffusion", 1, 2)
    (tmp_path / "diffusion" / "notes.txt").write_text("mine")
    boards = Boards(tmp_path)
    boards.rewind("encoder", 1, ("diffusion",))
    boards.close()
    assert [path.name for path in (tmp_path / "diffusion").iterdir()] == ["notes.txt"]
    assert scalars(tmp_path / "encoder", "encoder/loss") == [(1, 1.0)]


def test_a_session_that_goes_on_without_rewinding_hides_nothing(tmp_path: Path) -> None:
    write_steps(tmp_path, "encoder", 1, 2)
    write_steps(tmp_path, "encoder", 3)
    assert [step for step, _ in scalars(tmp_path / "encoder", "encoder/loss")] == [1, 2, 3]


def test_a_missing_tensorboard_is_told_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match="tensorboard cannot be imported") as caught:
        Journal(tmp_path, tensorboard=True)
    assert "pip install tensorboard" in (caught.value.hint or "")


def test_without_tensorboard_nothing_of_it_is_imported_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with Journal(tmp_path, tensorboard=False) as journal:
        journal.write(VALIDATION)
    assert [path.name for path in tmp_path.iterdir()] == [JOURNAL_NAME]


STEP = StepEntry("diffusion", 5, float("nan"), 0.25, 1e-4, 2.0, 10.0, 0.5, None, 1, 3.0)
VALIDATION = ValidationEntry("diffusion", 5, 27.5, 0.125, 1.0, is_best=True, sample="s.png")


def test_a_journal_shows_the_numbers_of_its_entries(tmp_path: Path) -> None:
    Image.new("RGB", (4, 3)).save(tmp_path / "s.png")
    with Journal(tmp_path, tensorboard=True) as journal:
        journal.write(EventEntry("encoder", 0, "started"))
        journal.write(STEP)
        journal.write(VALIDATION)
    folder = tmp_path / "tensorboard"
    assert [path.name for path in folder.iterdir()] == ["diffusion"]
    found = read(folder / "diffusion")
    assert sorted(found.Tags()["tensors"]) == [
        "diffusion/gradient_norm",
        "diffusion/images_per_s",
        "diffusion/learning_rate",
        "diffusion/mean_loss",
        "diffusion/psnr_y",
        "diffusion/sample",
        "diffusion/validation_loss",
        "diffusion/wait_share",
    ]
    assert scalars(folder / "diffusion", "diffusion/psnr_y") == [(5, 27.5)]


def test_a_rewound_journal_rewinds_tensorboard(tmp_path: Path) -> None:
    with Journal(tmp_path, tensorboard=True) as journal:
        journal.write(STEP)
    with Journal(tmp_path, tensorboard=True) as journal:
        journal.rewind("diffusion", 4, ())
    assert read_journal(tmp_path / JOURNAL_NAME) == []
    assert scalars(tmp_path / "tensorboard" / "diffusion", "diffusion/mean_loss") == []


class FullBoard:
    """A writer of TensorBoard on a full disk."""

    def __init__(self, folder: str, *, purge_step: int) -> None: ...

    def add_scalar(self, *_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    def close(self) -> None:
        raise OSError(errno.ENOSPC, "full")


@pytest.fixture
def _full_board(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter", FullBoard)


@pytest.mark.usefixtures("_full_board")
def test_a_full_disk_is_an_error_of_its_own(tmp_path: Path) -> None:
    journal = Journal(tmp_path, tensorboard=True)
    with pytest.raises(DiskFullError, match="no space left"), journal:
        journal.write(STEP)


@pytest.mark.usefixtures("_full_board")
def test_closing_does_not_hide_the_error_that_ended_the_run(tmp_path: Path) -> None:
    def end_early() -> None:
        with Journal(tmp_path, tensorboard=True) as journal:
            journal.rewind("encoder", 0, ())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        end_early()


@pytest.mark.usefixtures("_full_board")
def test_a_disk_full_at_the_end_is_told(tmp_path: Path) -> None:
    journal = Journal(tmp_path, tensorboard=True)
    with pytest.raises(DiskFullError), journal:
        journal.rewind("encoder", 0, ())

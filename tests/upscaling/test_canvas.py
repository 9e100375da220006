"""Large results live in an unnamed file whose space is taken beforehand."""

import os
from pathlib import Path

import numpy as np
import pytest

from sam_diffsr_cli.errors import ResourceError
from sam_diffsr_cli.upscaling import canvas
from sam_diffsr_cli.upscaling.canvas import new_canvas


@pytest.mark.parametrize("limit", [0, 1 << 20], ids=["mapped", "memory"])
def test_a_canvas_holds_what_is_written(
    limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canvas, "MAPPED_BYTES", limit)
    room = new_canvas((5, 7, 3), np.dtype(np.uint16), tmp_path)
    values = np.arange(105, dtype=np.uint16).reshape(5, 7, 3)
    room[...] = values
    np.testing.assert_array_equal(room, values)
    assert isinstance(room, np.memmap) == (limit == 0)
    assert list(tmp_path.iterdir()) == []


def test_space_is_taken_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canvas, "MAPPED_BYTES", 0)
    taken: list[int] = []
    monkeypatch.setattr(
        os, "posix_fallocate", lambda _handle, _offset, size: taken.append(size), raising=False
    )
    monkeypatch.setattr(np, "memmap", lambda *_args, **_options: np.empty(1))
    new_canvas((10, 10, 3), np.dtype(np.uint8), tmp_path)
    assert taken == [300]


def test_no_space_is_an_error_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canvas, "MAPPED_BYTES", 0)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    with pytest.raises(ResourceError, match="no space") as caught:
        new_canvas((10, 10, 3), np.dtype(np.uint8), tmp_path)
    assert caught.value.hint == "free some disk space"

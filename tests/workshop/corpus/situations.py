"""What a picture meets besides its own bytes: folders, permissions, disks, names that clash.

Each situation runs ``samsr upscale`` in a folder of its own and says what was wrong with the
outcome; ``NotHereError`` when this machine cannot bring it about.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from sam_diffsr_cli.upscaling import canvas
from tests.helpers import Ran, samsr
from tests.workshop.corpus import pictures as p
from tests.workshop.corpus.running import look

__all__ = ["SITUATIONS", "NotHereError", "Situation"]

NOBODY = 65534
DISK_KIB = 200
SIZE = (4 * p.WIDTH, 4 * p.HEIGHT)

Tried = tuple[Ran, list[str]]


class NotHereError(Exception):
    """The situation cannot be brought about on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Situation:
    """``attempt`` gets an empty folder and a weights file."""

    name: str
    exit_code: int
    says: str
    attempt: Callable[[Path, Path], Tried]


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(p.rgb()).save(path)
    return path


def large_photo(path: Path) -> Path:
    """A picture whose result does not fit on the small disk in any lossless format."""
    noise = np.random.default_rng(0).integers(0, 256, (120, 120, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def enlarge(weights: Path, *arguments: object) -> Ran:
    return samsr("upscale", *arguments, "--weights", weights, "--steps", 0)


def differences(folder: Path, *expected: str) -> list[str]:
    """Compare the files below ``folder`` with those expected, each a whole enlarged picture."""
    there = sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if not f.is_dir())
    wrong = [] if there == sorted(expected) else [f"files are {there}, not {sorted(expected)}"]
    return wrong + [f"{name} is not whole" for name in there if look(folder / name).size != SIZE]


def empty_folder_named_png(folder: Path, weights: Path) -> Tried:
    (folder / "x.png").mkdir()
    ran = enlarge(weights, folder / "x.png", folder / "out")
    return ran, ["OUT was made"] if (folder / "out").exists() else []


def full_folder_named_png(folder: Path, weights: Path) -> Tried:
    photo(folder / "x.png" / "inside.png")
    ran = enlarge(weights, folder / "x.png", folder / "out")
    return ran, differences(folder / "out", "inside.png")


def folder_named_png_as_out(folder: Path, weights: Path) -> Tried:
    (folder / "x.png").mkdir()
    ran = enlarge(weights, photo(folder / "a.png"), folder / "x.png")
    return ran, differences(folder / "x.png", "a.png")


def folder_where_the_result_goes(folder: Path, weights: Path) -> Tried:
    (folder / "out" / "a.png").mkdir(parents=True)
    source = photo(folder / "a.png")
    ran = enlarge(weights, source, folder / "out", "--on-exists", "overwrite")
    return ran, differences(folder / "out")


def leading_dash(folder: Path, weights: Path) -> Tried:
    photo(folder / "--scale.png")
    with contextlib.chdir(folder):
        ran = samsr("upscale", "--weights", weights, "--steps", 0, "--", "--scale.png", "out")
    return ran, differences(folder / "out", "--scale.png")


def one_name_for_two(folder: Path, weights: Path) -> Tried:
    photo(folder / "in" / "a.jpg")
    photo(folder / "in" / "a.png")
    ran = enlarge(weights, folder / "in", folder / "out", "--format", "png")
    return ran, differences(folder / "out", "a.jpg.png", "a.png")


def name_too_long_for_out(folder: Path, weights: Path) -> Tried:
    ran = enlarge(weights, photo(folder / "a.png"), folder / "out" / f"{'n' * 300}.png")
    return ran, differences(folder / "out")


def name_too_long_for_in(folder: Path, weights: Path) -> Tried:
    ran = enlarge(weights, folder / f"{'n' * 300}.png", folder / "out")
    return ran, ["OUT was made"] if (folder / "out").exists() else []


@contextlib.contextmanager
def unprivileged(weights: Path) -> Iterator[tuple[Path, Path]]:
    """Give a folder and the weights, as a user whom permissions bind.

    Root is not bound, so it becomes somebody else for the while. What is only imported on the way
    is imported before, since the somebody may not read it.
    """
    if sys.platform == "win32":
        raise NotHereError("Windows has other permissions")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        shutil.copy(weights, folder / "tiny.safetensors")
        (folder / "tiny.safetensors").chmod(0o644)
        (folder / "warm").mkdir()
        (folder / "warm" / "bad.png").write_bytes(b"no picture")
        photo(folder / "warm" / "good.png")
        enlarge(weights, folder / "warm", folder / "warm-out")
        is_root = os.geteuid() == 0
        try:
            if is_root:
                os.seteuid(NOBODY)
            yield folder, folder / "tiny.safetensors"
        finally:
            if is_root:
                os.seteuid(0)


def unreadable_file(_: Path, weights: Path) -> Tried:
    with unprivileged(weights) as (folder, readable):
        photo(folder / "in" / "a.png").chmod(0)
        ran = enlarge(readable, folder / "in" / "a.png", folder / "out")
        return ran, ["OUT was made"] if (folder / "out").exists() else []


def unreadable_among_others(_: Path, weights: Path) -> Tried:
    with unprivileged(weights) as (folder, readable):
        photo(folder / "in" / "a.png").chmod(0)
        photo(folder / "in" / "b.png")
        ran = enlarge(readable, folder / "in", folder / "out")
        return ran, differences(folder / "out", "b.png")


def unreadable_folder(_: Path, weights: Path) -> Tried:
    with unprivileged(weights) as (folder, readable):
        photo(folder / "in" / "a.png")
        (folder / "in").chmod(0)
        try:
            ran = enlarge(readable, folder / "in", folder / "out")
        finally:
            (folder / "in").chmod(0o700)
        return ran, ["OUT was made"] if (folder / "out").exists() else []


def read_only_output(_: Path, weights: Path) -> Tried:
    with unprivileged(weights) as (folder, readable):
        (folder / "out").mkdir(mode=0o555)
        ran = enlarge(readable, photo(folder / "a.png"), folder / "out")
        wrong = differences(folder / "out")
        (folder / "out").chmod(0o755)
        return ran, wrong


def closed_output(_: Path, weights: Path) -> Tried:
    with unprivileged(weights) as (folder, readable):
        (folder / "out").mkdir(mode=0)
        ran = enlarge(readable, photo(folder / "a.png"), folder / "out")
        (folder / "out").chmod(0o755)
        return ran, differences(folder / "out")


def output_in_a_read_only_folder(_: Path, weights: Path) -> Tried:
    with unprivileged(weights) as (folder, readable):
        source = photo(folder / "a.png")
        (folder / "shut").mkdir(mode=0o555)
        ran = enlarge(readable, source, folder / "shut" / "new" / "a.png")
        return ran, differences(folder / "shut")


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a disk of ``DISK_KIB`` in memory."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise NotHereError("only root on Linux can mount a small disk")
    disk = folder / "disk"
    disk.mkdir()
    size = f"size={DISK_KIB}k"
    mount = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)  # noqa: S603 - our own words
    except OSError as error:
        raise NotHereError(f"mount cannot be run ({error.strerror})") from error
    if done.returncode:
        raise NotHereError("mount is not allowed here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)  # noqa: S603, S607 - our own words


def full_disk(folder: Path, weights: Path) -> Tried:
    with small_disk(folder) as disk:
        ran = enlarge(weights, large_photo(folder / "a.png"), disk)
        return ran, differences(disk)


def full_disk_in_a_batch(folder: Path, weights: Path) -> Tried:
    photo(folder / "in" / "a.png")
    large_photo(folder / "in" / "b.png")
    large_photo(folder / "in" / "c.png")
    with small_disk(folder) as disk:
        ran = enlarge(weights, folder / "in", disk)
        wrong = differences(disk, "a.png")
    if "c.png" in ran.stderr:
        wrong.append("the run went on")
    return ran, wrong


def full_disk_for_a_mapped_result(folder: Path, weights: Path) -> Tried:
    with small_disk(folder) as disk, mock.patch.object(canvas, "MAPPED_BYTES", 1000):
        ran = enlarge(weights, large_photo(folder / "a.png"), disk)
        return ran, differences(disk)


def mapped_result(folder: Path, weights: Path) -> Tried:
    with mock.patch.object(canvas, "MAPPED_BYTES", 1000):
        ran = enlarge(weights, photo(folder / "a.png"), folder / "out")
    return ran, differences(folder / "out", "a.png")


SITUATIONS: tuple[Situation, ...] = (
    Situation("folder-x.png-empty", 3, "no pictures in this folder", empty_folder_named_png),
    Situation("folder-x.png-full", 0, "", full_folder_named_png),
    Situation("folder-x.png-as-out", 0, "", folder_named_png_as_out),
    Situation("folder-in-the-way", 3, "is a folder", folder_where_the_result_goes),
    Situation("leading-dash", 0, "", leading_dash),
    Situation("a.jpg-and-a.png-to-png", 0, "", one_name_for_two),
    Situation("name-too-long-for-out", 3, "File name too long", name_too_long_for_out),
    Situation("name-too-long-for-in", 3, "File name too long", name_too_long_for_in),
    Situation("unreadable-file", 3, "Permission denied", unreadable_file),
    Situation("unreadable-among-others", 6, "1 of 2 pictures failed", unreadable_among_others),
    Situation("unreadable-folder", 3, "cannot be read (Permission denied)", unreadable_folder),
    Situation("read-only-output", 3, "Permission denied", read_only_output),
    Situation("closed-output", 3, "Permission denied", closed_output),
    Situation("read-only-parent", 3, "Permission denied", output_in_a_read_only_folder),
    Situation("full-disk", 5, "no space left", full_disk),
    Situation("full-disk-in-a-batch", 5, "1 of 3 pictures done", full_disk_in_a_batch),
    Situation("full-disk-mapped", 5, "no space", full_disk_for_a_mapped_result),
    Situation("mapped-result", 0, "", mapped_result),
)

"""Decoded photos on disk come back whole, are mapped and not read, or are told to be damaged."""

import errno
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from sam_diffsr_cli.data.cache import (
    CachedPhotos,
    CacheEntry,
    label_values,
    read_entry,
    read_photo,
    write_photo,
)
from sam_diffsr_cli.data.crops import Regions, TrainingPhoto
from sam_diffsr_cli.errors import DiskFullError, InputError

ROOT = Path(__file__).resolve().parents[2]
HEIGHT, WIDTH = 20, 27
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def pixels_of(seed: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Tensor:
    draws = torch.Generator().manual_seed(seed)
    return torch.randint(256, (3, *size), generator=draws, dtype=torch.uint8)


def encoding_of(regions: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Tensor:
    """``(H, W)`` float32 of so many values."""
    values = torch.randn(regions, generator=torch.Generator().manual_seed(regions))
    return values[torch.arange(size[0] * size[1]) % regions].reshape(size)


PLAIN = TrainingPhoto("plain.png", pixels_of(1))
MASKED = TrainingPhoto("sub/masked.png", pixels_of(2), label_values(encoding_of(5)))
by_photo = pytest.mark.parametrize("photo", [PLAIN, MASKED], ids=["plain", "masked"])


def assert_same(found: TrainingPhoto, expected: TrainingPhoto) -> None:
    assert found.name == expected.name
    assert torch.equal(found.pixels, expected.pixels)
    assert (found.regions is None) == (expected.regions is None)
    if found.regions is not None and expected.regions is not None:
        assert torch.equal(found.regions.labels, expected.regions.labels)
        assert torch.equal(found.regions.values, expected.regions.values)


def below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ab" / "photo.safetensors"


# ----------------------------------------------------------------------------- what comes back


@by_photo
def test_a_photo_comes_back(path: Path, photo: TrainingPhoto) -> None:
    write_photo(path, photo)
    assert_same(read_photo(path), photo)


@pytest.mark.parametrize("name", ["a.png", "sub/b c.png", "Stra\u00dfe \u2603.png", '"{}\\.png'])
def test_a_name_comes_back(path: Path, name: str) -> None:
    write_photo(path, TrainingPhoto(name, pixels_of(1)))
    assert read_photo(path).name == name
    entry = read_entry(path)
    assert entry is not None
    assert entry.name == name


def test_pixels_that_are_not_laid_out_in_order_come_back(path: Path) -> None:
    turned = pixels_of(1).permute(0, 2, 1)
    write_photo(path, TrainingPhoto("a", turned))
    assert torch.equal(read_photo(path).pixels, turned)


@by_photo
def test_the_head_tells_name_size_and_masks(path: Path, photo: TrainingPhoto) -> None:
    write_photo(path, photo)
    entry = read_entry(path)
    assert entry is not None
    label_bytes = 0 if photo.regions is None else 1
    assert entry == CacheEntry(photo.name, path, (HEIGHT, WIDTH), label_bytes, entry.digest)
    assert entry.has_masks == (photo.regions is not None)


def digest_of(path: Path, photo: TrainingPhoto) -> str:
    write_photo(path, photo)
    entry = read_entry(path)
    assert entry is not None
    return entry.digest


def test_a_digest_tells_pixels_and_encodings_apart_but_not_names(path: Path) -> None:
    same = TrainingPhoto("another", pixels_of(1).clone())
    other_pixel = pixels_of(1)
    other_pixel[2, 3, 4] ^= 1
    other_value = label_values(encoding_of(5))
    other_value.values[0] += 1
    digests = [
        digest_of(path, PLAIN),
        digest_of(path, TrainingPhoto("plain.png", other_pixel)),
        digest_of(path, TrainingPhoto("plain.png", pixels_of(1).flip(1))),
        digest_of(path, TrainingPhoto("plain.png", pixels_of(1), label_values(encoding_of(5)))),
        digest_of(path, TrainingPhoto("plain.png", pixels_of(1), label_values(encoding_of(6)))),
        digest_of(path, TrainingPhoto("plain.png", pixels_of(1), other_value)),
    ]
    assert digest_of(path, same) == digests[0]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(("regions", "label_bytes"), [(1, 1), (256, 1), (257, 2), (32769, 4)])
def test_the_head_tells_how_large_the_labels_are(
    path: Path, regions: int, label_bytes: int
) -> None:
    size = (200, 200)
    encoding = (torch.arange(200 * 200) % regions).float().reshape(size)
    write_photo(path, TrainingPhoto("a", pixels_of(1, size), label_values(encoding)))
    entry = read_entry(path)
    assert entry is not None
    assert entry.label_bytes == label_bytes


def test_the_file_holds_the_pixels_as_any_reader_of_safetensors_sees_them(path: Path) -> None:
    write_photo(path, PLAIN)
    (pixels,) = load_file(path).values()
    assert torch.equal(pixels, PLAIN.pixels)


def test_a_written_photo_replaces_the_old_one(path: Path) -> None:
    write_photo(path, MASKED)
    write_photo(path, PLAIN)
    assert_same(read_photo(path), PLAIN)
    assert below(path.parent) == [path.name]


def test_writing_leaves_the_photo_as_it_was(path: Path) -> None:
    regions = label_values(encoding_of(5))
    photo = TrainingPhoto("sub/masked.png", pixels_of(2), regions)
    write_photo(path, photo)
    assert_same(photo, MASKED)


# ------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize("regions", [1, 2, 256, 257, 500, 540])
def test_labels_and_values_stand_for_the_encoding(regions: int) -> None:
    encoding = encoding_of(regions)
    found = label_values(encoding)
    assert found.labels.shape == (1, HEIGHT, WIDTH)
    assert torch.equal(found.values[found.labels.long()][0], encoding)


@pytest.mark.parametrize(("regions", "bytes_each"), [(1, 1), (256, 1), (257, 2)])
def test_a_label_is_a_byte_where_that_is_enough(regions: int, bytes_each: int) -> None:
    assert label_values(encoding_of(regions)).labels.element_size() == bytes_each


def test_more_labels_than_a_byte_holds_come_back(path: Path) -> None:
    photo = TrainingPhoto("a", pixels_of(1), label_values(encoding_of(500)))
    write_photo(path, photo)
    assert_same(read_photo(path), photo)


def test_an_encoding_is_not_changed() -> None:
    encoding = encoding_of(5)
    label_values(encoding)
    assert torch.equal(encoding, encoding_of(5))


# ------------------------------------------------------------------------------------- mapped


@on_linux
def test_a_photo_is_mapped_from_its_file(path: Path) -> None:
    write_photo(path, MASKED)
    photo = read_photo(path)
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    assert str(path) in maps
    assert_same(photo, MASKED)


@on_linux
def test_pixels_are_read_from_the_disk_when_they_are_used(path: Path) -> None:
    write_photo(path, PLAIN)
    photo = read_photo(path)
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(bytes([255 - int(PLAIN.pixels[-1, -1, -1])]))
    assert int(photo.pixels[-1, -1, -1]) == 255 - int(PLAIN.pixels[-1, -1, -1])


@pytest.fixture
def entries(tmp_path: Path) -> list[CacheEntry]:
    found = []
    for number in range(3):
        path = tmp_path / f"{number}.safetensors"
        write_photo(path, TrainingPhoto(f"{number}.png", pixels_of(number)))
        entry = read_entry(path)
        assert entry is not None
        found.append(entry)
    return found


def test_photos_come_in_the_order_of_their_entries(entries: list[CacheEntry]) -> None:
    photos = CachedPhotos(entries[::-1])
    assert len(photos) == 3
    assert [photo.name for photo in photos] == ["2.png", "1.png", "0.png"]
    assert torch.equal(photos[-1].pixels, pixels_of(0))
    assert [photo.name for photo in photos[1:]] == ["1.png", "0.png"]


def test_nothing_is_opened_before_it_is_asked_for(entries: list[CacheEntry]) -> None:
    entries[1].path.unlink()
    photos = CachedPhotos(entries)
    assert len(photos) == 3
    assert photos[2].name == "2.png"
    with pytest.raises(InputError, match=r"1\.safetensors: damaged"):
        photos[1]


def test_a_photo_is_opened_once(entries: list[CacheEntry]) -> None:
    photos = CachedPhotos(entries)
    assert photos[0] is photos[0]


@on_linux
def test_photos_beyond_the_most_that_may_be_open_are_closed(
    entries: list[CacheEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sam_diffsr_cli.data.cache.MOST_OPEN", 2)
    photos = CachedPhotos(entries)
    assert [photo.name for photo in photos] == ["0.png", "1.png", "2.png"]
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    assert [str(entry.path) in maps for entry in entries] == [False, True, True]


# ------------------------------------------------------------------------------------ damaged


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.9999], ids="kept={}".format)
@by_photo
def test_a_file_that_was_cut_off_is_not_taken(
    path: Path, photo: TrainingPhoto, share: float
) -> None:
    write_photo(path, photo)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert read_entry(path) is None
    with pytest.raises(InputError, match=r"photo\.safetensors: damaged") as caught:
        read_photo(path)
    assert caught.value.hint is not None
    assert "made again" in caught.value.hint


def test_a_file_with_something_behind_it_is_not_taken(path: Path) -> None:
    write_photo(path, PLAIN)
    path.write_bytes(path.read_bytes() + b"x")
    assert read_entry(path) is None
    with pytest.raises(InputError, match="damaged"):
        read_photo(path)


def with_head(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Write a file again with another head, which ``change`` edits or returns."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    head = json.loads(content[8:end])
    other = change(head)
    text = json.dumps(head if other is None else other).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[end:])


def replaced(*keys: str, value: object) -> Callable[[dict[str, Any]], object]:
    def change(head: dict[str, Any]) -> None:
        for key in keys[:-1]:
            head = head[key]
        head[keys[-1]] = value

    return change


def removed(key: str) -> Callable[[dict[str, Any]], object]:
    def change(head: dict[str, Any]) -> None:
        del head[key]

    return change


HEADS: dict[str, Callable[[dict[str, Any]], object]] = {
    "list": lambda _: [],
    "number": lambda _: 3,
    "text": lambda _: "pixels",
    "empty": lambda _: {},
    "no-metadata": removed("__metadata__"),
    "no-name": replaced("__metadata__", value={}),
    "no-pixels": removed("pixels"),
    "null-pixels": replaced("pixels", value=None),
    "list-for-pixels": replaced("pixels", value=[1]),
    "null-shape": replaced("pixels", "shape", value=None),
    "short-shape": replaced("pixels", "shape", value=[3]),
    "null-in-shape": replaced("pixels", "shape", value=[3, None, 27]),
    "null-offsets": replaced("pixels", "data_offsets", value=None),
    "text-offsets": replaced("pixels", "data_offsets", value=["a", "b"]),
    "huge-offsets": replaced("pixels", "data_offsets", value=[0, 10**30]),
    "number-for-tensor": replaced("extra", value=3),
    "empty-name": replaced("", value={}),
}


@pytest.mark.parametrize("change", HEADS.values(), ids=HEADS)
def test_a_file_with_another_head_is_not_taken(
    path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    write_photo(path, PLAIN)
    with_head(path, change)
    assert read_entry(path) is None
    with pytest.raises(InputError, match="damaged"):
        read_photo(path)


def test_an_encoding_without_its_values_is_damaged(path: Path) -> None:
    regions = Regions(torch.zeros(1, HEIGHT, WIDTH, dtype=torch.uint8), torch.zeros(0))
    write_photo(path, TrainingPhoto("a", pixels_of(1), regions))
    with_head(path, removed("values"))
    with pytest.raises(InputError, match="damaged"):
        read_photo(path)


@pytest.mark.parametrize("length", [0, 2**30, 2**62, 2**64 - 1])
def test_a_length_of_the_head_out_of_proportion_is_not_taken(path: Path, length: int) -> None:
    write_photo(path, PLAIN)
    path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
    assert read_entry(path) is None
    with pytest.raises(InputError, match="damaged"):
        read_photo(path)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000], ids=["lists", "objects"])
def test_a_deeply_nested_head_is_not_taken(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_bytes(len(text).to_bytes(8, "little") + text.encode())
    assert read_entry(path) is None
    with pytest.raises(InputError, match="damaged"):
        read_photo(path)


@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_changed_byte_is_noticed_or_harmless(path: Path, place: int, value: int) -> None:
    """Every byte of the head, and some of the pixels: never any other exception."""
    if not path.exists():
        write_photo(path, MASKED)
    whole = path.read_bytes()
    content = bytearray(whole)
    content[place % len(whole)] = value
    path.write_bytes(content)
    try:
        entry = read_entry(path)
        assert entry is None or min(entry.size) >= 0
        photo = read_photo(path)
        assert photo.pixels.dim() == 3
    except InputError as error:
        assert "damaged" in str(error)  # noqa: PT017 - either outcome is right
    finally:
        path.write_bytes(whole)


def test_a_file_that_is_not_there_is_not_taken(path: Path) -> None:
    assert read_entry(path) is None
    with pytest.raises(InputError, match=r"photo\.safetensors: damaged"):
        read_photo(path)


def test_a_folder_is_not_taken(tmp_path: Path) -> None:
    assert read_entry(tmp_path) is None
    with pytest.raises(InputError, match="damaged"):
        read_photo(tmp_path)


# ------------------------------------------------------------------------------------ writing


def fill_disk(monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    """Let a method of ``Path`` fail as on a full disk, after half of the work."""

    def fail(path: Path, *arguments: Any, **_: Any) -> int:
        if arguments and isinstance(arguments[0], bytes):
            with path.open("wb") as file:
                file.write(arguments[0][: len(arguments[0]) // 2])
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(Path, name, fail)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT], ids=["disk", "quota"])
def test_a_full_disk_is_told_and_leaves_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    path.parent.mkdir()
    fill_disk(monkeypatch, "write_bytes", code)
    with pytest.raises(DiskFullError, match=r"photo\.safetensors: no space left"):
        write_photo(path, PLAIN)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT], ids=["disk", "quota"])
def test_a_disk_too_full_for_a_folder_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    fill_disk(monkeypatch, "mkdir", code)
    with pytest.raises(DiskFullError, match="ab: no space left"):
        write_photo(path, PLAIN)


def test_a_full_disk_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photo(path, PLAIN)
    with monkeypatch.context() as patched:
        fill_disk(patched, "write_bytes", errno.ENOSPC)
        with pytest.raises(DiskFullError):
            write_photo(path, MASKED)
    assert_same(read_photo(path), PLAIN)
    assert below(path.parent) == [path.name]


def test_a_file_in_the_place_of_a_folder_is_told(path: Path) -> None:
    path.parent.touch()
    with pytest.raises(InputError, match="ab: cannot be made"):
        write_photo(path, PLAIN)


def test_threads_that_write_the_same_photo_leave_one_whole_file(path: Path) -> None:
    photo = TrainingPhoto("a", pixels_of(1, (300, 200)))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: write_photo(path, photo), range(40)))
    assert_same(read_photo(path), photo)
    assert below(path.parent) == [path.name]


@pytest.mark.slow
def test_what_another_process_writes_is_whole_whenever_it_is_read(path: Path) -> None:
    code = textwrap.dedent(f"""
        import itertools, torch
        from pathlib import Path
        from sam_diffsr_cli.data.cache import write_photo
        from sam_diffsr_cli.data.crops import TrainingPhoto

        for number in itertools.count():
            level = number % 2 * 255
            pixels = torch.full((3, 90, 80), level, dtype=torch.uint8)
            write_photo(Path({str(path)!r}), TrainingPhoto("other", pixels))
            print(number, flush=True)
    """)
    command = [sys.executable, "-c", code]
    own = TrainingPhoto("own", torch.full((3, 90, 80), 7, dtype=torch.uint8))
    levels: set[int] = set()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:  # noqa: S603 - our own code
        try:
            assert writer.stdout is not None
            writer.stdout.readline()
            for turn in range(5000):
                if turn % 8 == 0:
                    write_photo(path, own)
                assert read_entry(path) is not None
                found = read_photo(path).pixels
                levels.add(int(found[0, 0, 0]))
                assert bool((found == found[0, 0, 0]).all())
                if turn >= 80 and levels >= {0, 255}:
                    break
        finally:
            writer.kill()
    assert levels >= {0, 255}

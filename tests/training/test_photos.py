"""Photos are decoded once, with their masks; what cannot be used is left out with a reason."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from torch import Tensor
from typer.testing import CliRunner

from sam_diffsr_cli.choices import MaskNorm
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.data.cache import CachedPhotos, CacheEntry, read_photo
from sam_diffsr_cli.data.crops import Batch, CropPlan, TrainingPhoto, cut
from sam_diffsr_cli.errors import DiskFullError, InputError
from sam_diffsr_cli.masks.position import structural_position_encoding
from sam_diffsr_cli.masks.rle import encode_mask
from sam_diffsr_cli.masks.store import write_records
from sam_diffsr_cli.training.photos import (
    DEVICE_SHARE,
    FoundPhoto,
    PhotoRequest,
    Prepared,
    find_photos,
    identify,
    place_photos,
    prepare,
    split,
)
from tests.pictures import samples

ROOT = Path(__file__).resolve().parents[2]
HEIGHT, WIDTH = 20, 24


@dataclass(frozen=True)
class Place:
    """A folder with photos, masks and the cache, and what is asked of them."""

    root: Path

    @property
    def photos(self) -> Path:
        return self.root / "photos"

    @property
    def masks(self) -> Path:
        return self.root / "masks"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    def request(self, *, with_masks: bool = False, norm: MaskNorm = "image") -> PhotoRequest:
        masks = self.masks if with_masks else None
        return PhotoRequest(masks=masks, mask_norm=norm, least_side=16, cache=self.cache)

    def prepare(self, *, with_masks: bool = False, norm: MaskNorm = "image") -> list[Prepared]:
        request = self.request(with_masks=with_masks, norm=norm)
        return list(prepare(find_photos([self.photos]), request))

    def save(self, name: str, height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> Path:
        path = self.photos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(levels(height, width, seed)).save(path)
        return path

    def save_masks(
        self, name: str, height: int = HEIGHT, width: int = WIDTH, rows: int = 5
    ) -> Path:
        """One mask of the top rows, as run lengths down the columns, background first."""
        runs = [0] + [rows, height - rows] * width
        record = {"segmentation": {"size": [height, width], "counts": runs}}
        path = self.masks / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([record]))
        return path

    def cached(self) -> dict[Path, tuple[int, int]]:
        """Identity and time of every file of the cache."""
        found = {path: path.stat() for path in self.cache.rglob("*") if path.is_file()}
        return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in found.items()}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.photos.mkdir()
    made.masks.mkdir()
    return made


def levels(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def entry_of(prepared: Prepared) -> CacheEntry:
    assert prepared.entry is not None, prepared.reason
    return prepared.entry


def only(prepared: list[Prepared]) -> TrainingPhoto:
    (record,) = prepared
    return read_photo(entry_of(record).path)


def encoding_of(photo: TrainingPhoto) -> Tensor:
    assert photo.regions is not None
    return photo.regions.values[photo.regions.labels.long()]


def test_colours_of_a_photo_are_those_that_upscale_gives_the_network(place: Place) -> None:
    icc, pixels = samples.p3_profile(), samples.smooth(HEIGHT, WIDTH) // 2 + 60
    (place.photos / "a.png").write_bytes(samples.saved(pixels, "PNG", icc_profile=icc))
    cached = only(place.prepare()).pixels.permute(1, 2, 0).numpy()
    shown = ImageCms.profileToProfile(
        Image.fromarray(pixels),
        ImageCms.ImageCmsProfile(io.BytesIO(icc)),
        ImageCms.createProfile("sRGB"),
        flags=ImageCms.Flags.NOOPTIMIZE,
    )
    assert shown is not None
    assert np.abs(cached.astype(int) - np.asarray(shown)).max() <= 1


# ------------------------------------------------------------------------------------ finding


def names(found: Sequence[FoundPhoto]) -> list[str]:
    return [photo.name for photo in found]


def test_photos_of_subfolders_come_in_the_order_of_their_paths(place: Place) -> None:
    for name in ("b.png", "a.png", "sub/a.png", ".hidden.png", "sub/.hidden/c.png"):
        place.save(name)
    assert names(find_photos([place.photos])) == ["a.png", "b.png", "sub/a.png"]


def test_several_folders_come_one_after_the_other(place: Place) -> None:
    for name in ("z/a.png", "y/b.png", "y/a.png"):
        place.save(name)
    folders = [place.photos / "z", place.photos / "y"]
    found = find_photos(folders)
    assert names(found) == ["a.png", "a.png", "b.png"]
    assert [photo.folder for photo in found] == [folders[0], folders[1], folders[1]]


def test_photos_to_validate_with_are_not_trained_on(place: Place) -> None:
    for name in ("a.png", "val/b.png", "valley/c.png"):
        place.save(name)
    leave_out = place.photos / "val"
    assert names(find_photos([place.photos], leave_out)) == ["a.png", "valley/c.png"]
    # However the folder is called: here by way of a link and of its parent.
    (place.root / "link").symlink_to(leave_out)
    roundabout = place.photos / "valley" / ".." / "val"
    for other in (place.root / "link", roundabout):
        assert names(find_photos([place.photos], other)) == ["a.png", "valley/c.png"]


def test_nothing_to_train_on_but_what_to_validate_with_is_refused(place: Place) -> None:
    place.save("a.png")
    with pytest.raises(InputError, match=r"photos: no pictures but those in .*photos"):
        find_photos([place.photos], place.photos)


def test_folders_without_any_picture_are_refused(place: Place) -> None:
    (place.photos / "notes.txt").touch()
    with pytest.raises(InputError, match="photos: no pictures"):
        find_photos([place.photos])


def test_one_folder_without_pictures_beside_another_is_fine(place: Place) -> None:
    place.save("a.png")
    (place.photos / "empty").mkdir()
    assert len(find_photos([place.photos / "empty", place.photos])) == 1


def test_a_folder_that_is_not_there_is_refused(place: Place) -> None:
    with pytest.raises(InputError, match="gone: not a folder"):
        find_photos([place.photos, place.root / "gone"])


def test_a_mask_folder_that_is_not_there_is_refused(place: Place) -> None:
    place.save("a.png")
    place.masks.rmdir()
    with pytest.raises(InputError, match="masks: not a folder"):
        place.prepare(with_masks=True)


# ------------------------------------------------------------------------------------ decoding


def test_a_photo_is_prepared_with_its_name_size_and_pixels(place: Place) -> None:
    place.save("sub/a.png")
    (record,) = place.prepare()
    entry = entry_of(record)
    assert (entry.name, entry.size, entry.has_masks) == ("sub/a.png", (HEIGHT, WIDTH), False)
    pixels = read_photo(entry.path).pixels
    assert pixels.dtype == torch.uint8
    assert torch.equal(pixels, torch.from_numpy(levels(HEIGHT, WIDTH)).permute(2, 0, 1))


def test_pixels_are_laid_out_for_cutting(place: Place) -> None:
    place.save("a.png")
    assert only(place.prepare()).pixels.is_contiguous()


def test_photos_come_in_order_with_what_they_were_found_as(place: Place) -> None:
    for number in reversed(range(60)):
        place.save(f"{number:02}.png", seed=number)
    found = find_photos([place.photos])
    prepared = list(prepare(found, place.request()))
    assert [record.photo for record in prepared] == found
    for number, record in enumerate(prepared):
        pixels = read_photo(entry_of(record).path).pixels
        assert torch.equal(pixels.permute(1, 2, 0), torch.from_numpy(levels(20, 24, number)))


def test_an_unreadable_file_is_left_out_with_the_reason(place: Place) -> None:
    place.save("good.png")
    (place.photos / "bad.png").write_text("not a picture")
    bad, good = place.prepare()
    assert bad.entry is None
    assert str(place.photos / "bad.png") in bad.reason
    assert good.entry is not None
    assert good.reason == ""


@pytest.mark.slow
def test_one_damaged_picture_in_a_thousand_is_left_out_and_the_others_are_kept(
    place: Place,
) -> None:
    content = place.save("0000.png", 16, 16).read_bytes()
    for number in range(1, 1000):
        (place.photos / f"{number:04}.png").write_bytes(content)
    (place.photos / "0500.png").write_bytes(content[: len(content) // 2])
    prepared = place.prepare()
    left_out = [record for record in prepared if record.entry is None]
    assert names([record.photo for record in left_out]) == ["0500.png"]
    assert "0500.png" in left_out[0].reason
    kept = [record.entry for record in prepared if record.entry is not None]
    assert len({entry.path for entry in kept}) == 999
    assert all(photo.pixels.shape == (3, 16, 16) for photo in CachedPhotos(kept))


def test_a_photo_that_is_gone_meanwhile_is_left_out(place: Place) -> None:
    place.save("a.png")
    found = find_photos([place.photos])
    found[0].path.unlink()
    (record,) = prepare(found, place.request())
    assert record.entry is None
    assert "a.png: cannot be read" in record.reason


@pytest.mark.parametrize(("height", "width"), [(15, 40), (40, 15)], ids=["low", "narrow"])
@pytest.mark.parametrize("times", [1, 2], ids=["first", "again"])
def test_a_photo_that_is_too_small_is_left_out_with_its_size_and_what_is_needed(
    place: Place, height: int, width: int, times: int
) -> None:
    place.save("small.png", height, width)
    for _ in range(times):
        (record,) = place.prepare()
        assert record.entry is None
        assert f"small.png: {width}x{height}, less than the 16 pixels" in record.reason


def test_a_cached_photo_that_is_too_small_for_another_patch_is_left_out(place: Place) -> None:
    place.save("a.png")
    place.prepare()
    larger = replace(place.request(), least_side=21)
    (record,) = prepare(find_photos([place.photos]), larger)
    assert record.entry is None
    assert f"a.png: {WIDTH}x{HEIGHT}, less than the 21 pixels" in record.reason


def test_a_photo_of_just_the_least_side_is_used(place: Place) -> None:
    place.save("a.png", 16, 16)
    assert only(place.prepare()).pixels.shape == (3, 16, 16)


# --------------------------------------------------------------------------------------- masks


def test_without_masks_there_is_no_encoding(place: Place) -> None:
    place.save("a.png")
    assert only(place.prepare()).regions is None


def test_a_photo_without_a_mask_file_has_no_encoding(place: Place) -> None:
    place.save("a.png")
    place.save_masks("b.json")
    (record,) = place.prepare(with_masks=True)
    assert not entry_of(record).has_masks
    assert only([record]).regions is None


@pytest.mark.parametrize("norm", ["image", "region"])
def test_masks_become_the_encoding_of_their_photo(place: Place, norm: MaskNorm) -> None:
    place.save("a.png")
    place.save_masks("a.json")
    mask = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.bool)
    mask[:, :5] = True
    (record,) = place.prepare(with_masks=True, norm=norm)
    assert entry_of(record).has_masks
    encoding = encoding_of(only([record]))[0]
    assert torch.equal(encoding, structural_position_encoding(mask, norm))
    assert bool((encoding[:5] != 0).all())


def test_masks_of_another_size_leave_the_photo_out_with_the_reason(place: Place) -> None:
    place.save("a.png", 20, 24)
    place.save_masks("a.json", 24, 20)
    (record,) = place.prepare(with_masks=True)
    assert record.entry is None
    assert "a.json: masks are (24, 20), the photo is (20, 24)" in record.reason


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}', "[3]", '[{"segmentation": 5}]'], ids=repr)
def test_damaged_masks_leave_the_photo_out_with_the_reason(place: Place, text: str) -> None:
    place.save("a.png")
    (place.masks / "a.json").write_text(text)
    (record,) = place.prepare(with_masks=True)
    assert record.entry is None
    assert "a.json: not a list of COCO run-length masks" in record.reason


@pytest.mark.skipif(os.name == "nt", reason="names are as long as Linux has them")
def test_a_photo_with_the_longest_name_there_is_has_no_masks(place: Place) -> None:
    # The name of its mask file would be longer.
    place.save("a" * 251 + ".png")
    (record,) = place.prepare(with_masks=True)
    assert not entry_of(record).has_masks


# --------------------------------------------------------------------------------------- cache


def test_an_unchanged_photo_is_not_decoded_again(place: Place) -> None:
    place.save("a.png")
    place.save("b.png")
    place.save_masks("a.json")
    first = place.prepare(with_masks=True)
    before = place.cached()
    assert len(before) == 2
    assert place.prepare(with_masks=True) == first
    assert place.cached() == before


def test_an_unchanged_photo_is_not_even_opened(place: Place) -> None:
    path = place.save("a.png")
    first = place.prepare()
    stat = path.stat()
    path.write_bytes(bytes(stat.st_size))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert place.prepare() == first


@pytest.mark.parametrize("is_resized", [False, True], ids=["same-size", "other-size"])
def test_a_changed_photo_is_decoded_anew(place: Place, is_resized: bool) -> None:
    path = place.save("a.bmp", seed=1)
    stat = path.stat()
    first = only(place.prepare()).pixels.clone()
    place.save("a.bmp", HEIGHT + 4 * is_resized, seed=2)
    # One of time and size tells, whichever changed.
    later = stat.st_mtime_ns + (0 if is_resized else 1_000_000_000)
    os.utime(path, ns=(stat.st_atime_ns, later))
    again = only(place.prepare()).pixels
    expected = levels(HEIGHT + 4 * is_resized, WIDTH, 2)
    assert torch.equal(again.permute(1, 2, 0), torch.from_numpy(expected))
    assert again.shape != first.shape or not torch.equal(again, first)


def test_a_changed_mask_file_is_read_anew_and_the_others_are_not(place: Place) -> None:
    for name in ("a", "b"):
        place.save(f"{name}.png")
        place.save_masks(f"{name}.json", rows=5)
    first, other = place.prepare(with_masks=True)
    before = place.cached()
    path = place.save_masks("a.json", rows=9)
    os.utime(path, ns=(0, 0))
    changed, same = place.prepare(with_masks=True)
    assert same == other
    assert entry_of(changed).path != entry_of(first).path
    assert int((encoding_of(only([changed])) != 0).sum()) == 9 * WIDTH
    assert {path: place.cached()[path] for path in before} == before


def test_masks_that_come_later_are_found(place: Place) -> None:
    place.save("a.png")
    assert not entry_of(place.prepare(with_masks=True)[0]).has_masks
    place.save_masks("a.json")
    assert entry_of(place.prepare(with_masks=True)[0]).has_masks


def test_another_norm_has_a_file_of_its_own(place: Place) -> None:
    place.save("a.png")
    place.save_masks("a.json")
    one = encoding_of(only(place.prepare(with_masks=True, norm="image")))
    other = encoding_of(only(place.prepare(with_masks=True, norm="region")))
    assert not torch.equal(one, other)
    assert torch.equal(one, encoding_of(only(place.prepare(with_masks=True, norm="image"))))


def test_without_masks_the_norm_does_not_matter(place: Place) -> None:
    place.save("a.png")
    assert place.prepare(norm="image") == place.prepare(norm="region")


def test_photos_of_one_name_in_two_folders_have_files_of_their_own(place: Place) -> None:
    for number, folder in enumerate(("x", "y")):
        place.save(f"{folder}/a.png", seed=number)
    folders = [place.photos / "x", place.photos / "y"]
    prepared = list(prepare(find_photos(folders), place.request()))
    photos = CachedPhotos([entry_of(record) for record in prepared])
    assert [photo.name for photo in photos] == ["a.png", "a.png"]
    for number, photo in enumerate(photos):
        expected = torch.from_numpy(levels(HEIGHT, WIDTH, number))
        assert torch.equal(photo.pixels.permute(1, 2, 0), expected)


def test_a_photo_has_the_name_that_it_was_found_by(place: Place) -> None:
    place.save("sub/a.png")
    (below,) = prepare(find_photos([place.photos]), place.request())
    (inside,) = prepare(find_photos([place.photos / "sub"]), place.request())
    assert (entry_of(below).name, entry_of(inside).name) == ("sub/a.png", "a.png")
    assert entry_of(below).path == entry_of(inside).path


def test_a_damaged_file_of_the_cache_is_made_again(place: Place) -> None:
    place.save("a.png")
    path = entry_of(place.prepare()[0]).path
    path.write_bytes(path.read_bytes()[:-1])
    assert only(place.prepare()).pixels.shape == (3, HEIGHT, WIDTH)


def test_a_photo_that_is_left_out_leaves_nothing_in_the_cache(place: Place) -> None:
    place.save("small.png", 8, 8)
    (place.photos / "bad.png").write_text("not a picture")
    place.prepare()
    assert place.cached() == {}


def test_photos_are_not_changed(place: Place) -> None:
    path = place.save("a.png")
    masks = place.save_masks("a.json")
    before = [(p.read_bytes(), p.stat().st_mtime_ns) for p in (path, masks)]
    place.prepare(with_masks=True)
    assert [(p.read_bytes(), p.stat().st_mtime_ns) for p in (path, masks)] == before
    assert sorted(p.name for p in place.photos.iterdir()) == ["a.png"]


def test_a_cache_that_cannot_be_written_ends_the_work(place: Place) -> None:
    place.save("a.png")
    place.cache.touch()
    with pytest.raises(InputError, match="cache"):
        place.prepare()


def test_a_full_disk_ends_the_work_and_what_is_prepared_is_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        place.save(f"{number:02}.png", seed=number)
    write, counted = Path.write_bytes, iter(range(1000))

    def write_few(path: Path, data: bytes) -> int:
        if next(counted) >= 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", write_few)
        with pytest.raises(DiskFullError, match="no space left"):
            place.prepare()
    kept = place.cached()
    assert len(kept) == 10
    assert all(read_photo(path).pixels.shape == (3, HEIGHT, WIDTH) for path in kept)
    assert len(place.prepare()) == 40
    assert {path: place.cached()[path] for path in kept} == kept


def test_stopping_early_leaves_no_thread(place: Place) -> None:
    for number in range(40):
        place.save(f"{number:02}.png", seed=number)
    before = threading.active_count()
    prepared = prepare(find_photos([place.photos]), place.request())
    next(prepared)
    assert threading.active_count() > before
    del prepared
    assert threading.active_count() == before


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_run_is_gone_on_with(place: Place) -> None:
    for number in range(60):
        place.save(f"{number:02}.png", 60, 60, seed=number)
    code = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from sam_diffsr_cli.training.photos import PhotoRequest, find_photos, prepare

        request = PhotoRequest(
            masks=None, mask_norm="image", least_side=16, cache=Path({str(place.cache)!r})
        )
        for number, _ in enumerate(prepare(find_photos([Path({str(place.photos)!r})]), request)):
            if number == 5:
                os.kill(os.getpid(), signal.SIGKILL)
    """)
    died = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT)  # noqa: S603 - ours
    assert died.returncode == -signal.SIGKILL
    whole = {path: seen for path, seen in place.cached().items() if not path.name.startswith(".")}
    assert 6 <= len(whole) <= 60
    prepared = place.prepare()
    after = place.cached()
    assert {path: after[path] for path in whole} == whole
    assert sorted(after) == sorted(entry_of(record).path for record in prepared)
    for number, photo in enumerate(CachedPhotos([entry_of(record) for record in prepared])):
        expected = torch.from_numpy(levels(60, 60, number))
        assert torch.equal(photo.pixels.permute(1, 2, 0), expected)


def test_what_a_killed_run_left_half_written_is_removed(place: Place) -> None:
    place.save("a.png")
    entry = entry_of(place.prepare()[0])
    left = entry.path.with_name(".samsr-abc.part.safetensors")
    left.write_bytes(entry.path.read_bytes()[:100])
    assert entry_of(place.prepare()[0]) == entry
    assert list(place.cached()) == [entry.path]


# ------------------------------------------------------------------------- holding out, identity


def entries_of(*all_names: str) -> list[CacheEntry]:
    return [CacheEntry(name, Path(f"/cache/{name}"), (30, 40), 0, "0" * 32) for name in all_names]


def numbered(number: int) -> list[CacheEntry]:
    return entries_of(*(f"{n:04}.png" for n in range(number)))


@given(number=st.integers(0, 200), wanted=st.integers(0, 50))
def test_a_tenth_at_most_is_held_out(number: int, wanted: int) -> None:
    entries = numbered(number)
    train, held = split(entries, wanted)
    assert len(held) == min(wanted, number // 10)
    assert sorted(train + held) == entries


def test_photos_keep_their_order_on_both_sides() -> None:
    train, held = split(numbered(100), 8)
    assert train == sorted(train)
    assert held == sorted(held)


@given(shuffled=st.permutations(numbered(100)))
def test_the_same_photos_are_held_out_in_whatever_order_they_come(
    shuffled: list[CacheEntry],
) -> None:
    entries = numbered(100)
    assert set(split(shuffled, 8)[1]) == set(split(entries, 8)[1])


def test_the_name_alone_decides_what_is_held_out() -> None:
    entries = numbered(100)
    others = [
        CacheEntry(e.name, Path("/elsewhere") / f"{n}", (n + 20, 50), 1, f"{n:032x}")
        for n, e in enumerate(entries)
    ]
    assert [e.name for e in split(others, 8)[1]] == [e.name for e in split(entries, 8)[1]]


def test_what_is_held_out_is_not_the_first_or_the_last() -> None:
    entries = numbered(1000)
    held = {entries.index(entry) for entry in split(entries, 100)[1]}
    tenths = {number // 100 for number in held}
    assert len(tenths) >= 8


def test_more_photos_to_hold_out_include_the_fewer() -> None:
    entries = numbered(100)
    assert set(split(entries, 4)[1]) < set(split(entries, 8)[1])


def test_a_photo_that_comes_twice_is_not_on_both_sides() -> None:
    entries = numbered(100)
    train, held = split(entries + entries, 8)
    assert not set(train) & set(held)


BASE = entries_of("a.png", "b.png", "c.png")
OTHERS = {
    "name": [BASE[0]._replace(name="x.png"), *BASE[1:]],
    "pixels-or-masks": [BASE[0]._replace(digest="1" * 32), *BASE[1:]],
    "order": BASE[::-1],
    "fewer": BASE[:2],
    "more": [*BASE, BASE[0]],
    "joined-names": entries_of("a.png', 'b.png", "c.png"),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_another_list_of_photos_is_another_one(other: list[CacheEntry]) -> None:
    assert identify(other) != identify(BASE)


def test_the_same_photos_elsewhere_are_the_same_list() -> None:
    moved = [entry._replace(path=Path("/else") / entry.name) for entry in BASE]
    assert identify(moved) == identify(BASE)


def test_a_list_of_photos_is_told_the_same_by_every_version() -> None:
    # It is in the states of runs, which could not be gone on with otherwise.
    assert identify(BASE) == "83c70d170fd48306af72d607a892c0ba"


def test_a_name_that_is_not_text_is_identified_and_held_out() -> None:
    entries = entries_of(*(f"caf\udce9{number}.png" for number in range(20)))
    assert len(split(entries, 8)[1]) == 2
    assert identify(entries) != identify(entries[::-1])


# ------------------------------------------------------------------------------------- placing


def test_on_the_cpu_photos_are_mapped_from_their_files(place: Place) -> None:
    place.save("a.png")
    entries = [entry_of(record) for record in place.prepare()]
    photos = place_photos(entries, torch.device("cpu"))
    assert isinstance(photos, CachedPhotos)
    assert torch.equal(photos[0].pixels, read_photo(entries[0].path).pixels)


@pytest.mark.parametrize("label_bytes", [0, 1, 2, 4])
def test_photos_that_do_not_fit_beside_the_training_are_mapped(
    monkeypatch: pytest.MonkeyPatch, label_bytes: int
) -> None:
    entries = [entry._replace(label_bytes=label_bytes) for entry in BASE]
    needed = 3 * 30 * 40 * (3 + label_bytes)
    free = int(needed / DEVICE_SHARE) - 1
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 10**12))
    photos = place_photos(entries, torch.device("cuda"))
    assert isinstance(photos, CachedPhotos)
    assert photos.entries == entries


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_photos_that_fit_are_on_the_gpu_as_they_are_in_their_files(place: Place) -> None:
    place.save("a.png")
    place.save("b.png")
    place.save_masks("a.json")
    entries = [entry_of(record) for record in place.prepare(with_masks=True)]
    photos = place_photos(entries, torch.device("cuda"))
    for photo, expected in zip(photos, CachedPhotos(entries), strict=True):
        assert photo.name == expected.name
        assert photo.pixels.device.type == "cuda"
        assert torch.equal(photo.pixels.cpu(), expected.pixels)
    assert torch.equal(encoding_of(photos[0]).cpu(), encoding_of(CachedPhotos(entries)[0]))
    assert photos[1].regions is None


# ------------------------------------------------------------------- from the file to the crop

BRIGHT = (slice(9, 41), slice(70, 117))
"""An off-centre rectangle of the marked photo, without any symmetry."""

DRAWN = 400


def save_marked(place: Place) -> None:
    """A photo that is white just where its mask lies, and says in its levels which way is up."""
    height, width = 84, 150
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[..., 0] = np.arange(height)[:, None]
    pixels[..., 1] = np.arange(width)
    pixels[BRIGHT] = 255
    mask = np.zeros((height, width), dtype=bool)
    mask[BRIGHT] = True
    Image.fromarray(pixels).save(place.photos / "a.png")
    write_records(place.masks / "a.json", [{"segmentation": encode_mask(mask)}])


def draw(prepared: list[Prepared], batch: int) -> Batch:
    """Crops of 32 pixels for x4, cut from the cache as training cuts them."""
    entries = [entry_of(record) for record in prepared]
    plan = CropPlan([entry.size for entry in entries], 32, 4)
    crops = plan.draw(batch, torch.Generator().manual_seed(0))
    return cut(place_photos(entries, torch.device("cpu")), crops, plan)


def steps_along(crop: Tensor) -> tuple[int, ...]:
    """How red and green step along the first row and the first column."""
    return tuple(
        int(crop[channel, y, x] - crop[channel, 0, 0])
        for channel in (0, 1)
        for y, x in ((0, 1), (1, 0))
    )


@pytest.mark.parametrize("norm", ["image", "region"])
def test_a_mask_lands_on_its_pixels_after_crop_flip_and_turn(place: Place, norm: MaskNorm) -> None:
    save_marked(place)
    batch = draw(place.prepare(with_masks=True, norm=norm), DRAWN)
    is_bright = (batch.hr == 1).all(dim=1)
    assert torch.equal(batch.spe[:, 0] != 0, is_bright)
    # Of the crops many have an edge of the rectangle, in every orientation.
    has_edge = is_bright.flatten(1).any(dim=1) & ~is_bright.flatten(1).all(dim=1)
    starts_dark = ~is_bright[:, :2, :2].flatten(1).any(dim=1)
    telling = ((batch.hr + 1) * 127.5).round()[has_edge & starts_dark]
    assert len(telling) > DRAWN / 5
    assert len({steps_along(crop) for crop in telling}) == 8


def test_photos_without_masks_have_a_zero_encoding_beside_those_with(place: Place) -> None:
    save_marked(place)
    place.save("plain.png", 84, 150)
    prepared = place.prepare(with_masks=True)
    assert [entry_of(record).has_masks for record in prepared] == [True, False]
    batch = draw(prepared, 100)
    # Blue is black or white in the marked photo only.
    is_plain = (batch.hr[:, 2].abs() != 1).flatten(1).any(dim=1)
    has_encoding = (batch.spe != 0).flatten(1).any(dim=1)
    assert 0 < int(is_plain.sum()) < 100
    assert not has_encoding[is_plain].any()
    assert has_encoding[~is_plain].any()


# ---------------------------------------------------------------------------- told by the command


def train_arguments(place: Place, *more: str) -> list[str]:
    places = ["--data", place.photos, "--masks", place.masks, "--out", place.root / "run"]
    return ["train", *map(str, places), "--patch", "64", "--device", "cpu", *more]


def test_training_counts_the_photos_with_masks(place: Place) -> None:
    for name in ("a", "b", "c"):
        place.save(f"{name}.png", 100, 110)
    place.save_masks("b.json", 100, 110, 40)
    steps = ["--stage", "encoder", "--encoder-steps", "1", "--batch", "1"]
    result = CliRunner().invoke(app, train_arguments(place, *steps))
    assert result.exit_code == 0, result.stderr
    assert "3 photos, 0.0 megapixels, 1 with masks" in result.stderr


def test_masks_of_other_photos_only_are_refused(place: Place) -> None:
    place.save("a.png", 100, 110)
    place.save_masks("b.json", 100, 110, 40)
    result = CliRunner().invoke(app, train_arguments(place))
    assert result.exit_code == 3
    assert "no masks of these photos" in result.stderr

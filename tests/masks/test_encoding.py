"""The encoding that training reads: made from mask files, kept, and never kept too long."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

from sam_diffsr_cli.choices import MaskNorm
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.masks.encoding import read_encoding
from sam_diffsr_cli.masks.packing import pack_encoding, unpack_encoding
from sam_diffsr_cli.masks.position import structural_position_encoding
from sam_diffsr_cli.masks.rle import encode_mask
from sam_diffsr_cli.masks.store import find_mask_file, write_records

VECTORS = Path(__file__).resolve().parents[1] / "conformance" / "vectors"
RECORDED = sorted(VECTORS.rglob("structural_position_encoding.npz"))
ENCODING_ATOL = 1e-6

SIZE = (12, 17)
NORMS: list[MaskNorm] = ["image", "region"]
by_norm = pytest.mark.parametrize("norm", NORMS)


def rectangles() -> np.ndarray:
    """Two that overlap and one apart."""
    masks = np.zeros((3, *SIZE), dtype=bool)
    masks[0, 1:9, 2:11] = True
    masks[1, 5:11, 7:16] = True
    masks[2, 0, 0] = True
    return masks


def save(path: Path, masks: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_records(path, [{"segmentation": encode_mask(mask)} for mask in masks])
    return path


def kept_at(folder: Path, norm: MaskNorm = "image") -> Path:
    return folder / ".encodings" / norm / "a.npz"


def save_encoding(path: Path, encoding: np.ndarray, source: str = "elsewhere") -> Path:
    path.write_bytes(pack_encoding(encoding, source))
    return path


# ------------------------------------------------------------------------------- from the masks


@by_norm
def test_encoding_is_that_of_the_masks(tmp_path: Path, norm: MaskNorm) -> None:
    path = save(tmp_path / "a.json", rectangles())
    expected = structural_position_encoding(torch.from_numpy(rectangles()), norm)
    assert torch.equal(read_encoding(path, tmp_path, SIZE, norm), expected)


@by_norm
def test_encoding_from_a_list_of_runs_is_the_same(tmp_path: Path, norm: MaskNorm) -> None:
    # One mask of the two left columns.
    record = {"segmentation": {"size": [4, 6], "counts": [0, 8, 16]}}
    (tmp_path / "a.json").write_text(json.dumps([record]), encoding="utf-8")
    mask = torch.zeros(1, 4, 6, dtype=torch.bool)
    mask[..., :2] = True
    found = read_encoding(tmp_path / "a.json", tmp_path, (4, 6), norm)
    assert torch.equal(found, structural_position_encoding(mask, norm))


@by_norm
def test_a_later_mask_lies_over_an_earlier_one(tmp_path: Path, norm: MaskNorm) -> None:
    below, above = rectangles()[:2]
    both = read_encoding(save(tmp_path / "a.json", rectangles()[:2]), tmp_path, SIZE, norm)
    alone = read_encoding(save(tmp_path / "b.json", above[None]), tmp_path, SIZE, norm)
    assert (below & above).any()
    assert torch.equal(both[above], alone[above])


@pytest.mark.parametrize("archive", RECORDED, ids=lambda p: p.parent.name)
def test_recorded_encodings_come_out_of_mask_files(archive: Path, tmp_path: Path) -> None:
    with np.load(archive) as arrays:
        numbers = [name.removeprefix("masks_") for name in arrays if name.startswith("masks_")]
        assert numbers
        for number in numbers:
            masks, expected = arrays[f"masks_{number}"].astype(bool), arrays[f"spe_{number}"]
            save(tmp_path / f"masks/sub/{number}.json", masks)
            photo = tmp_path / f"photos/sub/{number}.png"
            path = find_mask_file(photo, tmp_path / "photos", tmp_path / "masks")
            assert path is not None
            # Once made, once kept.
            for _ in range(2):
                found = read_encoding(path, tmp_path / "masks", expected.shape, "image")
                np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=ENCODING_ATOL)


def test_there_are_recorded_encodings() -> None:
    assert VECTORS / "structural_position_encoding.npz" in RECORDED


def test_another_size_is_an_input_error(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", rectangles())
    with pytest.raises(InputError, match=r"a\.json: masks are \(12, 17\), the photo is \(17, 12\)"):
        read_encoding(path, tmp_path, (17, 12), "image")


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.json: cannot read masks"):
        read_encoding(tmp_path / "a.json", tmp_path, SIZE, "image")


# ------------------------------------------------------------------------------------- keeping


def read(path: Path, norm: MaskNorm = "image", size: tuple[int, int] = SIZE) -> Tensor:
    return read_encoding(path, path.parent, size, norm)


def forge(path: Path, norm: MaskNorm = "image") -> np.ndarray:
    """Put other values into the kept encoding, so that using it shows."""
    _, source = unpack_encoding(kept_at(path.parent, norm).read_bytes())
    forged = np.full(SIZE, 0.5, dtype=np.float32)
    save_encoding(kept_at(path.parent, norm), forged, source)
    return forged


@by_norm
def test_a_kept_encoding_equals_the_made_one(tmp_path: Path, norm: MaskNorm) -> None:
    path = save(tmp_path / "a.json", rectangles())
    made = read(path, norm)
    assert kept_at(tmp_path, norm).is_file()
    assert torch.equal(read(path, norm), made)


def test_a_kept_encoding_is_used(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", rectangles())
    read(path)
    forged = forge(path)
    assert np.array_equal(read(path).numpy(), forged)


def test_norms_are_kept_apart(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", rectangles())
    made = read(path, "region")
    read(path, "image")
    forge(path, "image")
    assert torch.equal(read(path, "region"), made)


def test_photos_that_share_a_stem_are_kept_apart(tmp_path: Path) -> None:
    first = save(tmp_path / "a.jpg.json", rectangles()[:1])
    second = save(tmp_path / "a.png.json", rectangles()[1:])
    made = read(first)
    read(second)
    assert torch.equal(read(first), made)


def test_a_kept_encoding_of_other_masks_is_not_used(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", rectangles())
    read(path)
    save(path, rectangles()[:1])
    expected = structural_position_encoding(torch.from_numpy(rectangles()[:1]), "image")
    assert torch.equal(read(path), expected)
    # Nor is it kept any longer.
    assert np.array_equal(unpack_encoding(kept_at(tmp_path).read_bytes())[0], expected.numpy())


def test_a_kept_encoding_does_not_hide_that_the_photo_has_another_size(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", rectangles())
    read(path)
    with pytest.raises(InputError, match=r"the photo is \(17, 12\)"):
        read(path, size=(17, 12))


def test_a_kept_encoding_of_another_size_is_made_again(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", rectangles())
    made = read(path)
    _, source = unpack_encoding(kept_at(tmp_path).read_bytes())
    save_encoding(kept_at(tmp_path), np.zeros((17, 12), dtype=np.float32), source)
    assert torch.equal(read(path), made)


@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "flipped", "folder"])
def test_a_damaged_kept_encoding_is_made_again(tmp_path: Path, damage: str) -> None:
    path = save(tmp_path / "a.json", rectangles())
    made, kept = read(path), kept_at(tmp_path)
    data = kept.read_bytes()
    kept.unlink()
    if damage == "folder":
        kept.mkdir()
    else:
        middle = len(data) // 4
        flipped = data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]
        damaged = {"cut": data[:-40], "empty": b"", "noise": b"\xff" * 99, "flipped": flipped}
        kept.write_bytes(damaged[damage])
    assert torch.equal(read(path), made)


@pytest.mark.parametrize(
    "arrays",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"labels": np.zeros(SIZE, dtype=np.uint8)}, id="no-values"),
        pytest.param(
            {"labels": np.ones(SIZE, dtype=np.uint8), "values": np.zeros(1, dtype=np.float32)},
            id="label-without-value",
        ),
        pytest.param(
            {"labels": np.zeros(SIZE), "values": np.zeros(1, dtype=np.float32)}, id="real-labels"
        ),
        pytest.param(
            {"labels": np.zeros(SIZE, dtype=np.uint8), "values": np.zeros(1)}, id="double-values"
        ),
        pytest.param(
            {"labels": np.zeros(4, dtype=np.uint8), "values": np.zeros(1, dtype=np.float32)},
            id="one-dimension",
        ),
    ],
)
def test_other_arrays_are_no_kept_encoding(tmp_path: Path, arrays: dict[str, Any]) -> None:
    np.savez(tmp_path / "a.npz", source=np.array("x"), **arrays)
    with pytest.raises(ValueError, match="not a kept encoding"):
        unpack_encoding((tmp_path / "a.npz").read_bytes())


def test_where_nothing_can_be_kept_the_encoding_is_made_each_time(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", rectangles())
    (tmp_path / ".encodings").write_text("in the way")
    expected = structural_position_encoding(torch.from_numpy(rectangles()), "image")
    assert torch.equal(read(path), expected)
    assert torch.equal(read(path), expected)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".encodings", "a.json"]


def test_a_read_only_folder_of_masks_serves(tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    path = save(folder / "a.json", rectangles())
    folder.chmod(0o555)
    try:
        found = read(path)
    finally:
        folder.chmod(0o755)
    expected = structural_position_encoding(torch.from_numpy(rectangles()), "image")
    assert torch.equal(found, expected)


# ------------------------------------------------------------------------------------- packing


@settings(deadline=None)
@given(
    encoding=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=30),
        elements=st.floats(-2, 2, width=32),
    )
)
def test_packing_is_exact(encoding: np.ndarray) -> None:
    found, source = unpack_encoding(pack_encoding(encoding, "somewhere"))
    assert source == "somewhere"
    assert found.dtype == np.float32
    assert found.shape == encoding.shape
    assert np.array_equal(found, encoding)


@pytest.mark.parametrize("count", [256, 257, 65536, 65537])
def test_packing_many_values_is_exact(count: int) -> None:
    values = np.random.default_rng(0).permutation(count).astype(np.float32)
    encoding = np.resize(values, (257, 256))
    assert np.array_equal(unpack_encoding(pack_encoding(encoding, ""))[0], encoding)


def test_a_photo_of_few_regions_packs_into_little() -> None:
    encoding = np.zeros((1000, 1000), dtype=np.float32)
    encoding[300:700, 200:900] = 0.123
    assert len(pack_encoding(encoding, "0" * 64)) < encoding.nbytes / 500


# ---------------------------------------------------------------------------------- ready-made


def smooth() -> np.ndarray:
    return np.linspace(-1, 1, SIZE[0] * SIZE[1], dtype=np.float32).reshape(SIZE)


def test_a_ready_made_encoding_is_taken_as_it_is(tmp_path: Path) -> None:
    path = save_encoding(tmp_path / "a.npz", smooth())
    assert np.array_equal(read(path).numpy(), smooth())
    assert not (tmp_path / ".encodings").exists()


def test_a_ready_made_encoding_has_no_region_norm(tmp_path: Path) -> None:
    path = save_encoding(tmp_path / "a.npz", smooth())
    with pytest.raises(InputError, match=r"a\.npz: .*image norm only") as caught:
        read(path, "region")
    assert caught.value.hint == "--mask-norm image"


def test_a_ready_made_encoding_of_another_size_is_an_input_error(tmp_path: Path) -> None:
    path = save_encoding(tmp_path / "a.npz", smooth())
    with pytest.raises(InputError, match=r"\(12, 17\), the photo is \(17, 12\)"):
        read(path, size=(17, 12))


def test_a_damaged_ready_made_encoding_is_an_input_error(tmp_path: Path) -> None:
    path = save_encoding(tmp_path / "a.npz", smooth())
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match=r"a\.npz: not a kept encoding"):
        read(path)

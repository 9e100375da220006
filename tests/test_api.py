"""The public face: what it takes and gives, what it refuses, and that its examples run."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sam_diffsr_cli
from sam_diffsr_cli import (
    BatchOptions,
    EvaluateOptions,
    MaskOptions,
    SamplingOptions,
    Size,
    TrainOptions,
    load,
    upscale,
    upscale_files,
)
from sam_diffsr_cli.batch.request import plan_batch
from sam_diffsr_cli.errors import InputError, InterruptedRun, ShapeError, WeightsError
from sam_diffsr_cli.masks.sam import SamOptions
from sam_diffsr_cli.masks.segmenters import Felzenszwalb
from sam_diffsr_cli.pictures.colour import srgb_profile
from sam_diffsr_cli.upscaling.model import Upscaler
from tests.helpers import write_weights

PAGE = Path(sam_diffsr_cli.__file__).parent / "docs" / "python.md"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_weights(tmp_path / "tiny.safetensors")


@pytest.fixture
def model(weights: Path) -> Upscaler:
    return load(weights, "cpu")


def levels(*shape: int, dtype: Any = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(0)
    drawn: np.ndarray = rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    return drawn


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("rest", [(), (1,), (2,), (3,), (4,)])
def test_an_array_comes_back_with_its_axes_channels_and_bits(
    model: Upscaler, rest: tuple[int, ...], dtype: Any
) -> None:
    large = upscale(levels(6, 9, *rest, dtype=dtype), 2.5, model=model)
    assert (large.shape, large.dtype) == ((15, 23, *rest), dtype)


@pytest.mark.parametrize(
    ("mode", "result"),
    [
        ("1", "L"),
        ("L", "L"),
        ("LA", "LA"),
        ("P", "RGB"),
        ("RGB", "RGB"),
        ("RGBA", "RGBA"),
        ("CMYK", "RGB"),
        ("I;16", "I;16"),
    ],
)
def test_an_image_of_any_mode_comes_back_as_an_image(
    model: Upscaler, mode: str, result: str
) -> None:
    small = Image.new(mode, (9, 6), 1 if mode in {"1", "P"} else None)
    large = upscale(small, 4, model=model)
    assert (large.mode, large.size) == (result, (36, 24))


def test_an_image_and_its_array_become_the_same_pixels(model: Upscaler) -> None:
    pixels = levels(6, 9, 3)
    large = upscale(Image.fromarray(pixels), model=model, seed=3)
    np.testing.assert_array_equal(np.asarray(large), upscale(pixels, model=model, seed=3))


def test_a_file_becomes_the_pixels_that_the_command_writes(
    model: Upscaler, weights: Path, tmp_path: Path
) -> None:
    pixels = levels(6, 9, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    options = BatchOptions(model=weights, device="cpu", sampling=SamplingOptions(seed=3))
    (outcome,) = upscale_files(tmp_path / "a.png", tmp_path / "large.png", options)
    assert (outcome.status, outcome.error) == ("done", None)
    with Image.open(tmp_path / "large.png") as written:
        np.testing.assert_array_equal(np.asarray(written), upscale(pixels, model=model, seed=3))


def test_the_argument_is_not_changed(model: Upscaler) -> None:
    pixels = levels(6, 9, 4)
    before = pixels.copy()
    upscale(pixels, model=model)
    np.testing.assert_array_equal(pixels, before)


def test_an_image_keeps_its_profile(model: Upscaler) -> None:
    small = Image.fromarray(levels(6, 9, 3))
    small.info["icc_profile"] = srgb_profile()
    assert upscale(small, model=model).info == {"icc_profile": srgb_profile()}


def test_another_seed_is_another_picture(model: Upscaler) -> None:
    pixels = levels(6, 9, 3)
    one, other = (upscale(pixels, model=model, seed=seed) for seed in (1, 2))
    assert (one != other).any()


def test_the_share_done_rises_to_one(model: Upscaler) -> None:
    shares: list[float] = []
    upscale(levels(6, 9, 3), model=model, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (np.zeros((4, 4, 3), dtype=np.float32), ShapeError),
        (np.zeros((4, 4, 5), dtype=np.uint8), ShapeError),
        (np.zeros((0, 4), dtype=np.uint8), ShapeError),
        (np.zeros(4, dtype=np.uint8), ShapeError),
        (Image.new("F", (4, 4)), InputError),
        ("a.png", InputError),
    ],
    ids=["floats", "five channels", "nothing", "one axis", "an image of floats", "a name"],
)
def test_what_is_no_image_of_8_or_16_bits_is_refused(
    model: Upscaler, image: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        upscale(image, model=model)


@pytest.mark.parametrize(
    "options",
    [
        {"scale": 99},
        {"scale": float("nan")},
        {"quality": "great"},
        {"steps": 11},
        {"steps": -1},
        {"seed": -1},
        {"tile": 3},
        {"ensemble": 3},
        {"sampler": "none"},
    ],
    ids=str,
)
def test_values_out_of_range_are_refused(model: Upscaler, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf"^(--)?{next(iter(options))} "):
        upscale(levels(6, 9, 3), model=model, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"scale": "4"},
        {"scale": [4]},
        {"size": "600x600"},
        {"size": (600, 600)},
        {"quality": None},
        {"steps": "2"},
        {"steps": 2.0},
        {"sampler": 3},
        {"seed": None},
        {"seed": 1.5},
        {"tile": 64.0},
        {"ensemble": 2.0},
        {"clean": 2.5},
        {"clean": True},
        {"detail": "50"},
        {"wrap": "no"},
        {"progress": None},
    ],
    ids=str,
)
def test_values_of_another_kind_are_refused(model: Upscaler, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf"^{next(iter(options))} is "):
        upscale(levels(6, 9, 3), model=model, **options)


def test_a_model_of_another_kind_is_refused() -> None:
    with pytest.raises(InputError, match=r"^model is 3, "):
        upscale(levels(6, 9, 3), model=3)  # type: ignore[arg-type]


def test_clean_may_be_said_as_in_the_command(model: Upscaler) -> None:
    photo = levels(6, 9, 3)
    for text, value in (("off", 0), ("auto", None), ("0", 0)):
        same = upscale(photo, model=model, clean=value)
        assert (upscale(photo, model=model, clean=text) == same).all()
    with pytest.raises(InputError, match="--clean much: allowed are auto, off, and 0 to 100"):
        upscale(photo, model=model, clean="much")


def test_numbers_of_numpy_are_numbers(model: Upscaler) -> None:
    photo, two = levels(6, 9, 3), np.int64(2)
    same = upscale(photo, 2, model=model, steps=2, seed=2, clean=0)
    large = upscale(photo, np.float32(2), model=model, steps=two, seed=two, clean=np.int64(0))  # type: ignore[arg-type]
    assert (large == same).all()


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (BatchOptions, {"workers": "2"}, "workers is '2', allowed: a whole number or None"),
        (BatchOptions, {"sampling": "a"}, "sampling is 'a', allowed: a SamplingOptions"),
        (BatchOptions, {"on_exists": "ask"}, "on_exists is 'ask', allowed: skip, overwrite"),
        (EvaluateOptions, {"data": "Set5"}, "data is 'Set5', allowed: a list, each text"),
        (TrainOptions, {"settings": [1]}, "settings is .1., allowed: a list, each text"),
        (TrainOptions, {"degrade": "x"}, "degrade is 'x', allowed: none, photo, second-order"),
        (MaskOptions, {"data": "a", "out": None}, "out is None, allowed: a path"),
        (Size, {"fit": (1, 2, 3)}, "fit is .1, 2, 3., allowed: a list of 2, each a whole number"),
    ],
)
def test_records_take_nothing_of_another_kind(
    kind: Any, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        kind(**given)


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (BatchOptions, {"workers": 0}, "--workers 0: allowed are 1 to 10000"),
        (BatchOptions, {"workers": 10**8}, "--workers 100000000: allowed"),
        (BatchOptions, {"file_quality": 0}, "--file-quality 0: allowed are 1 to 100"),
        (BatchOptions, {"max_megapixels": 0}, "--max-megapixels 0.0: allowed are numbers above 0"),
        (BatchOptions, {"max_megapixels": float("nan")}, "--max-megapixels nan"),
        (BatchOptions, {"max_megapixels": 10**400}, "max_megapixels is 10000"),
        (EvaluateOptions, {"data": ()}, "--data"),
        (EvaluateOptions, {"data": ("a",), "methods": ()}, "--method"),
        (EvaluateOptions, {"data": ("a",), "seeds": 0}, "--seeds 0"),
        (EvaluateOptions, {"data": ("a",), "shave": -1}, "--shave -1"),
        (EvaluateOptions, {"data": ("a",), "clean": 1000}, "--clean 1000: allowed are 0 to 100"),
        (TrainOptions, {"keep": 0}, "--keep 0: allowed are 1 and more"),
        (TrainOptions, {"save_every": -1}, "--save-every -1"),
        (TrainOptions, {"save_minutes": float("nan")}, "--save-minutes nan"),
        (TrainOptions, {"save_minutes": float("inf")}, "--save-minutes inf"),
        (TrainOptions, {"patch": 15}, "--patch 15: allowed are 16 and more"),
        (TrainOptions, {"init": ""}, "--init"),
        (MaskOptions, {"data": "a", "out": "b", "workers": -1}, "--workers -1"),
        (MaskOptions, {"data": "a", "out": "\0"}, "out is '.x00', allowed: a path"),
        (Felzenszwalb, {"sigma": -1}, "--sigma -1.0: allowed are 0 and more"),
        (SamOptions, {"box_nms_thresh": 2}, "--box-nms-thresh 2.0: allowed are 0 to 1"),
    ],
)
def test_records_take_nothing_out_of_range(kind: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        kind(**given)


@pytest.mark.parametrize("sources", [5, None, b"a.png", ["a.png", 5], []], ids=str)
def test_what_names_no_pictures_is_refused(sources: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"5|None|a\.png|no pictures"):
        upscale_files(sources, tmp_path)


class Flat(np.ndarray):
    """An array whose slices have an axis more than those of others."""

    def __getitem__(self, key: Any) -> Any:
        return np.asarray(super().__getitem__(key))[None]


def test_an_out_that_no_system_can_have_is_refused(tmp_path: Path) -> None:
    Image.fromarray(levels(6, 9, 3)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"^OUT "):
        upscale_files(tmp_path / "a.png", "\0")


def test_a_subclass_of_arrays_is_an_array(model: Upscaler) -> None:
    photo = levels(6, 9)
    large = upscale(photo.view(Flat), 2, model=model)
    assert type(large) is np.ndarray
    assert (large == upscale(photo, 2, model=model)).all()


def test_no_more_workers_are_planned_than_there_are_pictures(weights: Path, tmp_path: Path) -> None:
    names = [str(tmp_path / f"{name}.png") for name in "abc"]
    for name in names:
        Image.fromarray(levels(6, 9, 3)).save(name)
    options = BatchOptions(model=weights, device="cpu", workers=9000)
    plan = plan_batch(names, str(tmp_path / "out"), options)
    assert plan.workers is not None
    assert plan.workers.devices == ("cpu",) * 3
    assert plan_batch(names[:1], str(tmp_path / "out"), options).workers is None


def test_records_take_what_stands_for_a_value() -> None:
    options = EvaluateOptions(data=["a", "b"], out="results", model="org/name")  # type: ignore[arg-type]
    assert (options.data, options.out, options.model) == (("a", "b"), Path("results"), "org/name")
    assert BatchOptions(model=Path("a"), scale=2).model == Path("a")
    assert MaskOptions(data="s3://bucket/a", out=Path()).data == "s3://bucket/a"


def test_a_model_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"a\.safetensors"):
        load(tmp_path / "a.safetensors", "cpu")


def test_a_picture_that_fails_is_an_outcome(weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "bad.png").write_bytes(b"nothing")
    Image.fromarray(levels(6, 9, 3)).save(folder / "good.png")
    outcomes = upscale_files(folder, tmp_path / "out", BatchOptions(model=weights, device="cpu"))
    assert [outcome.status for outcome in outcomes] == ["failed", "done"]


def test_files_are_refused_before_anything_is_iterated(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="xyz"):
        upscale_files(tmp_path, tmp_path / "out", BatchOptions(image_format="xyz"))


def test_a_training_yields_its_events_and_stops_when_asked(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(levels(96, 96, 3)).save(photos / "a.png")
    tiny = ("model.encoder.num_feat=8", "model.encoder.num_block=2", "model.unet.widths=[8,8]")
    options = sam_diffsr_cli.TrainOptions(
        data=(str(photos),), out=tmp_path / "run", settings=tiny, device="cpu", patch=32, batch=1
    )
    seen: list[str] = []

    def follow() -> None:
        for event in sam_diffsr_cli.train(options, stop=lambda: True):
            seen.append(type(event).__name__)  # noqa: PERF401 - it is raised from among them

    with pytest.raises(InterruptedRun):
        follow()
    assert seen[0] == "RunOpened"
    assert seen[-2:] == ["StageBegun", "TrainStep"]
    with pytest.raises(InputError, match="a run is already there"):
        next(iter(sam_diffsr_cli.train(options)))


def test_every_name_of_the_face_can_be_had() -> None:
    for name in sam_diffsr_cli.__all__:
        assert getattr(sam_diffsr_cli, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = sam_diffsr_cli.nothing


def test_the_package_alone_loads_no_torch_and_is_quick() -> None:
    code = (
        "import sys, time\n"
        "began = time.process_time()\n"
        "import sam_diffsr_cli\n"
        "took = time.process_time() - began\n"
        "print(took, {'torch', 'numpy', 'PIL', 'typer'} & set(sys.modules))\n"
    )
    result = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    took, _, loaded = result.stdout.partition(" ")
    assert loaded.strip() == "set()"
    assert float(took) < 0.05


@pytest.mark.slow
def test_the_examples_of_the_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = PAGE.read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(examples) == 4
    (tmp_path / "photos").mkdir()
    blocks = levels(12, 12, 3).repeat(8, axis=0).repeat(8, axis=1)
    Image.fromarray(blocks).save(tmp_path / "photos" / "cat.png")
    monkeypatch.chdir(tmp_path)
    for example in examples:
        exec(compile(example, "python.md", "exec"), {"__name__": "__main__"})  # noqa: S102 - ours
    with Image.open("cat-large.png") as large:
        assert large.size == (240, 240)
    shown = capsys.readouterr()
    promised = re.findall(r"  # (.*[0-9])$", examples[1], re.MULTILINE)
    assert promised
    assert all(f"{line}\n" in shown.out for line in promised)
    assert Path("run/model.safetensors").is_file()
    assert Path("masks/cat.json").is_file()

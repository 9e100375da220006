"""``samsr upscale`` over the corpus: every case alone, all of them in one run, and colours."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from tests.helpers import Ran, samsr, write_weights
from tests.workshop.corpus import pictures as p
from tests.workshop.corpus.make_corpus import CASES, Case, make_corpus
from tests.workshop.corpus.profiles import p3_profile
from tests.workshop.corpus.running import look, problems, run_case
from tests.workshop.corpus.situations import SITUATIONS, NotHereError, Situation

pytestmark = pytest.mark.slow

FAST: tuple[object, ...] = ("--steps", 0)
BUNDLED = {"no-steps": FAST, "default": ()}
"""With the bundled model."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_becomes_what_the_table_says(case: Case, weights: Path, tmp_path: Path) -> None:
    ran, content = run_case(case, tmp_path, weights)
    assert ran.exit_code == case.exit_code, ran.stderr
    assert case.says in ran.stderr
    if case.is_good:
        assert problems(case, tmp_path, weights, content) == []
    else:
        assert " ".join(Path(case.file).stem.split()) in ran.stderr
        assert files_below(tmp_path / "out") == set()


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_a_situation_ends_as_it_should(situation: Situation, weights: Path, tmp_path: Path) -> None:
    try:
        ran, wrong = situation.attempt(tmp_path, weights)
    except NotHereError as reason:
        pytest.skip(str(reason))
    assert ran.exit_code == situation.exit_code, ran.stderr
    assert situation.says in ran.stderr
    assert wrong == []


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def digests(folder: Path) -> dict[str, str]:
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in files_below(folder)
    }


@dataclass(frozen=True, slots=True)
class WholeRun:
    """The corpus enlarged by one command; ``before`` and ``after`` are digests of the sources."""

    ran: Ran
    folder: Path
    contents: dict[str, p.Content]
    before: dict[str, str]
    after: dict[str, str]


@pytest.fixture(scope="module")
def whole_run(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> WholeRun:
    folder = tmp_path_factory.mktemp("whole")
    source = folder / "in"
    contents = make_corpus(source)
    before = digests(source)
    ran = samsr("upscale", source, folder / "out", "--recursive", "--weights", weights, *FAST)
    return WholeRun(ran, folder, contents, before, digests(source))


TOGETHER = tuple(case for case in CASES if not case.options)


def test_the_whole_corpus_fails_in_part(whole_run: WholeRun) -> None:
    bad = sum(not case.is_good for case in TOGETHER)
    assert whole_run.ran.exit_code == 6
    assert f"{bad} of {len(TOGETHER)} pictures failed" in whole_run.ran.stderr


@pytest.mark.parametrize(
    "case", [case for case in TOGETHER if case.is_good], ids=lambda case: case.name
)
def test_a_good_file_is_right_among_all_others(
    case: Case, whole_run: WholeRun, weights: Path
) -> None:
    assert problems(case, whole_run.folder, weights, whole_run.contents[case.name]) == []


@pytest.mark.parametrize(
    "case", [case for case in TOGETHER if not case.is_good], ids=lambda case: case.name
)
def test_a_bad_file_is_told_among_all_others(case: Case, whole_run: WholeRun) -> None:
    name = " ".join(str(whole_run.folder / "in" / case.file).split())
    told = whole_run.ran.stderr.partition(f"error: {name}: ")[2]
    assert told
    assert case.says in told.partition("error:")[0]


def test_nothing_but_the_good_results_is_written(whole_run: WholeRun) -> None:
    good = {case.target for case in TOGETHER if case.is_good}
    assert files_below(whole_run.folder / "out") == good
    assert {path.name for path in whole_run.folder.iterdir()} == {"in", "out"}


def test_the_corpus_itself_is_left_as_it_was(whole_run: WholeRun) -> None:
    assert whole_run.after == whole_run.before


def test_the_record_holds_the_options_that_were_given(weights: Path, tmp_path: Path) -> None:
    Image.fromarray(p.rgb()).save(tmp_path / "a.png")
    options = ("--weights", weights, "--steps", 1, "--seed", 7, "--scale", 3.5)
    assert samsr("upscale", tmp_path / "a.png", tmp_path / "b.png", *options).exit_code == 0
    record = look(tmp_path / "b.png").record
    assert record is not None
    assert (record["steps"], record["seed"], record["scale"]) == (1, 7, 3.5)
    assert record["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()


def enlarge(source: Path, *options: object) -> p.Levels:
    """Enlarge to PNG and return its levels."""
    target = source.with_name("large.png")
    ran = samsr("upscale", source, target, *options)
    assert ran.exit_code == 0, ran.stderr
    return np.asarray(imagecodecs.png_decode(target.read_bytes()))


SIDE = 24
RED, HIDDEN_GREEN = (255, 0, 0), (0, 255, 0)


@pytest.fixture(scope="module", params=BUNDLED)
def disc(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> p.Shown:
    """A red opaque disc on clear pixels that are green underneath, enlarged: RGBA in [0, 1]."""
    path = tmp_path_factory.mktemp("disc") / "disc.png"
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    inside = (x**2 + y**2 < 8**2)[..., None]
    levels = np.where(inside, (*RED, 255), (*HIDDEN_GREEN, 0)).astype(np.uint8)
    Image.fromarray(levels).save(path)
    return p.shown(enlarge(path, *BUNDLED[request.param]))


@pytest.mark.parametrize("ground", [0.0, 1.0], ids=["black", "white"])
def test_no_hidden_colour_leaks_out(disc: p.Shown, ground: float) -> None:
    alpha = disc[..., 3:]
    seen = disc[..., :3] * alpha + ground * (1 - alpha)
    # Red over white or black has as much green as blue; what leaked would be green alone.
    assert (seen[..., 1] - seen[..., 2]).max() < 8 / 255
    assert (seen[..., 1] - ground * (1 - alpha[..., 0])).max() < 12 / 255


def test_opaque_stays_opaque_and_clear_stays_clear(disc: p.Shown) -> None:
    y, x = np.mgrid[: 4 * SIDE, : 4 * SIDE] - (4 * SIDE - 1) / 2
    away = np.sqrt(x**2 + y**2)
    # Two source pixels on either side of the edge may mix.
    assert (disc[away < 4 * (8 - 2), 3] == 1).all()
    assert (disc[away > 4 * (8 + 2), 3] == 0).all()


@pytest.mark.parametrize("options", BUNDLED.values(), ids=BUNDLED)
def test_a_colour_outside_srgb_keeps_its_levels(
    options: tuple[object, ...], tmp_path: Path
) -> None:
    green = np.array([0, 255, 0], dtype=np.uint8)
    Image.fromarray(np.tile(green, (16, 16, 1))).save(tmp_path / "p3.png", icc_profile=p3_profile())
    levels = enlarge(tmp_path / "p3.png", *options)
    assert look(tmp_path / "large.png").icc == p3_profile()
    # Sampling alone strays by 12 levels here and there, in sRGB as well.
    assert np.percentile(np.abs(levels.astype(int) - green), 99) <= 7


@pytest.mark.parametrize("options", BUNDLED.values(), ids=BUNDLED)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_16_bit_gradient_keeps_more_than_8_bits(
    suffix: str, options: tuple[object, ...], tmp_path: Path
) -> None:
    ramp = np.linspace(9000, 56_000, 32).round().astype(np.uint16)
    levels = np.stack(
        [np.tile(ramp, (24, 1)), np.tile(ramp[::-1], (24, 1)), np.tile(ramp, (24, 1))]
    )
    pixels = np.ascontiguousarray(np.moveaxis(levels, 0, 2))
    codec = imagecodecs.png_encode if suffix == "png" else imagecodecs.tiff_encode
    (tmp_path / f"ramp.{suffix}").write_bytes(codec(pixels))
    large = enlarge(tmp_path / f"ramp.{suffix}", *options)
    assert large.dtype == np.uint16
    counts = [len(np.unique(large[..., channel])) for channel in range(3)]
    assert min(counts) > 256

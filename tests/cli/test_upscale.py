"""``samsr upscale`` as a person meets it: files, folders, errors and exit codes."""

import hashlib
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from sam_diffsr_cli import __version__
from sam_diffsr_cli.checkpoints.store import save_weights
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.pictures import png
from sam_diffsr_cli.pictures.xmp import record_of
from tests.helpers import TINY, TINY_DISTILLED, draw_photos, samsr, write_weights


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_weights(tmp_path / "tiny.safetensors")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return draw_photos(tmp_path / "photos", ("a.png", "b.jpg", "c.webp"))


def test_a_folder_is_done_under_the_same_names(photos: Path, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "deep"
    code, stdout, _ = samsr("upscale", photos, out, "--scale", 4, "--weights", weights)
    assert code == 0
    assert stdout.split() == [str(out / name) for name in ("a.png", "b.jpg", "c.webp")]
    for name in ("a.png", "b.jpg", "c.webp"):
        with Image.open(out / name) as picture:
            assert picture.size == (36, 24)


def test_one_picture_becomes_the_named_file(photos: Path, weights: Path, tmp_path: Path) -> None:
    target = tmp_path / "big.webp"
    code, _, _ = samsr("upscale", photos / "a.png", target, "--weights", weights)
    assert code == 0
    with Image.open(target) as picture:
        assert (picture.format, picture.size) == ("WEBP", (36, 24))


def test_the_same_seed_writes_the_same_bytes(photos: Path, weights: Path, tmp_path: Path) -> None:
    written = []
    for name, seed in (("one.png", 7), ("two.png", 7), ("three.png", 8)):
        target = tmp_path / name
        samsr("upscale", photos / "a.png", target, "--weights", weights, "--seed", seed)
        written.append(target.read_bytes())
    assert written[0] == written[1]
    assert written[0] != written[2]


def test_steps_zero_differs_from_the_default(photos: Path, weights: Path, tmp_path: Path) -> None:
    fast, full = tmp_path / "fast.png", tmp_path / "full.png"
    samsr("upscale", photos / "a.png", fast, "--weights", weights, "--steps", 0)
    samsr("upscale", photos / "a.png", full, "--weights", weights)
    assert fast.read_bytes() != full.read_bytes()


def test_a_bad_picture_is_told_and_the_others_are_done(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    (photos / "aa.png").write_bytes(b"not a picture")
    out = tmp_path / "out"
    code, stdout, stderr = samsr("upscale", photos, out, "--weights", weights)
    assert code == 6
    assert "aa.png" in stderr
    assert "1 of 4 pictures failed" in stderr
    assert len(stdout.split()) == 3
    assert sorted(p.name for p in out.iterdir()) == ["a.png", "b.jpg", "c.webp"]


def test_an_output_that_exists_is_kept(photos: Path, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"precious")
    code, _, stderr = samsr("upscale", photos, out, "--weights", weights)
    assert code == 6
    assert "exists already" in stderr
    assert (out / "a.png").read_bytes() == b"precious"
    assert (out / "b.jpg").exists()


@pytest.mark.parametrize(
    ("choice", "code", "kept", "names"),
    [
        ("overwrite", 0, False, ["a.png"]),
        ("skip", 0, True, ["a.png"]),
        ("rename", 0, True, ["a (2).png", "a.png"]),
        ("error", 3, True, ["a.png"]),
    ],
)
def test_an_output_that_is_there(
    choice: str,
    code: int,
    kept: bool,
    names: list[str],
    photos: Path,
    weights: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"old")
    got, _, _ = samsr("upscale", photos / "a.png", out, "--weights", weights, "--on-exists", choice)
    assert got == code
    assert ((out / "a.png").read_bytes() == b"old") == kept
    assert sorted(path.name for path in out.iterdir()) == names


def test_the_input_is_never_overwritten(photos: Path, weights: Path) -> None:
    before = (photos / "a.png").read_bytes()
    code, _, stderr = samsr(
        "upscale", photos / "a.png", photos, "--weights", weights, "--on-exists", "overwrite"
    )
    assert code == 3
    assert "is the input itself" in stderr
    assert (photos / "a.png").read_bytes() == before


def test_an_input_that_is_missing_is_named(weights: Path, tmp_path: Path) -> None:
    code, _, stderr = samsr("upscale", tmp_path / "no.png", tmp_path / "o", "--weights", weights)
    assert code == 3
    assert "no.png" in stderr


def test_a_folder_without_pictures_is_an_error(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, stderr = samsr("upscale", tmp_path / "empty", tmp_path / "o", "--weights", weights)
    assert code == 3
    assert "no pictures" in stderr


def test_an_output_that_is_a_file_cannot_hold_a_folder(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file")
    code, _, stderr = samsr("upscale", photos, tmp_path / "out", "--weights", weights)
    assert code == 3
    assert "cannot be a folder" in stderr


def test_transparency_into_jpeg_is_refused_before_work(weights: Path, tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (9, 9, 9, 9)).save(tmp_path / "t.png")
    code, _, stderr = samsr("upscale", tmp_path / "t.png", tmp_path / "t.jpg", "--weights", weights)
    assert code == 3
    assert "transparency" in stderr
    assert not (tmp_path / "t.jpg").exists()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--scale", 0.5), 3, "--scale 0.5"),
        (("--scale", 17), 3, "--scale 17"),
        (("--format", "xyz"), 3, "--format xyz"),
        (("--format", "jpg"), 3, "is not --format jpeg"),
        (("--suffix", "a/b"), 3, "--suffix a/b"),
        (("--file-quality", 0), 2, "--file-quality"),
        (("--quality", 90), 2, "--quality"),
        (("--sampler", "euler"), 2, "--sampler"),
        (("--precision", "fp8"), 2, "--precision"),
        (("--on-exists", "ask"), 2, "--on-exists"),
        (("--steps", 11), 3, "--steps 11"),
        (("--tile", 5), 3, "--tile is 5"),
        (("--device", "toaster"), 3, "--device toaster"),
        (("--device", "cuda:99"), 3, "not available"),
        (("--seed", -1), 2, "--seed"),
    ],
    ids=lambda value: str(value) if isinstance(value, tuple) else "",
)
def test_a_bad_option_is_named(
    options: tuple[object, ...], code: int, words: str, photos: Path, weights: Path, tmp_path: Path
) -> None:
    got, _, stderr = samsr(
        "upscale", photos / "a.png", tmp_path / "o.png", "--weights", weights, *options
    )
    assert got == code
    assert words in stderr
    assert not (tmp_path / "o.png").exists()


def test_a_missing_model_is_exit_code_4(photos: Path, tmp_path: Path) -> None:
    code, _, stderr = samsr(
        "upscale", photos, tmp_path / "o", "--weights", tmp_path / "gone.safetensors"
    )
    assert code == 4
    assert "gone.safetensors" in stderr


def test_a_damaged_model_is_exit_code_4(photos: Path, weights: Path, tmp_path: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:-100])
    code, _, stderr = samsr("upscale", photos, tmp_path / "o", "--weights", weights)
    assert code == 4
    assert "damaged" in stderr


def test_alpha_and_gray_survive(weights: Path, tmp_path: Path) -> None:
    Image.new("LA", (5, 3), (99, 128)).save(tmp_path / "ga.png")
    code, _, _ = samsr("upscale", tmp_path / "ga.png", tmp_path / "big.png", "--weights", weights)
    assert code == 0
    with Image.open(tmp_path / "big.png") as picture:
        assert (picture.mode, picture.size) == ("LA", (20, 12))
        assert picture.getextrema()[1] == (128, 128)


def test_ctrl_c_is_exit_code_130_and_leaves_nothing_half_written(
    photos: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sam_diffsr_cli.batch.stages.enlarge_frame", interrupt)
    code, _, stderr = samsr("upscale", photos, tmp_path / "out", "--weights", weights)
    assert code == 130
    assert "interrupted" in stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_the_folder_of_a_named_file_is_made(photos: Path, weights: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "deep" / "a.png"
    code, _, _ = samsr("upscale", photos / "a.png", target, "--weights", weights)
    assert code == 0
    assert target.exists()


def test_a_file_of_a_format_we_cannot_write_is_not_made_a_folder(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    code, _, stderr = samsr("upscale", photos / "a.png", tmp_path / "a.heic", "--weights", weights)
    assert code == 3
    assert "unknown format" in stderr
    assert not (tmp_path / "a.heic").exists()


def test_too_many_steps_are_told_once_for_a_folder(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    code, _, stderr = samsr("upscale", photos, tmp_path / "o", "--weights", weights, "--steps", 11)
    assert code == 3
    assert stderr.count("--steps 11") == 1


def test_the_result_does_not_depend_on_what_else_is_in_the_folder(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    samsr("upscale", photos, tmp_path / "all", "--weights", weights)
    samsr("upscale", photos / "b.jpg", tmp_path / "one", "--weights", weights)
    samsr("upscale", photos / "b.jpg", photos / "a.png", tmp_path / "two", "--weights", weights)
    alone = (tmp_path / "one" / "b.jpg").read_bytes()
    assert alone == (tmp_path / "all" / "b.jpg").read_bytes()
    assert alone == (tmp_path / "two" / "b.jpg").read_bytes()


def test_the_output_says_how_it_can_be_made_again(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    target = tmp_path / "a.png"
    options = ("--weights", weights, "--seed", 7, "--steps", 1, "--scale", 2)
    samsr("upscale", photos / "a.png", target, *options, "--precision", "fp32")
    xmp = next(body for kind, body in read_chunks(target) if kind == b"iTXt")
    record = json.loads(record_of(xmp) or "")
    assert record == {
        "tool": f"samsr {__version__}",
        "model": "tiny",
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "scale": 2.0,
        "steps": 1,
        "sampler": "ancestral",
        "seed": 7,
        "clean": "auto",
        "detail": 100,
        "precision": "fp32",
        "device": "cpu",
    }


def read_chunks(path: Path) -> list[tuple[bytes, bytes]]:
    with path.open("rb") as file:
        return list(png.read_chunks(file))


def test_a_dry_run_lists_and_writes_nothing(photos: Path, weights: Path, tmp_path: Path) -> None:
    code, stdout, stderr = samsr(
        "upscale", photos, tmp_path / "out", "--weights", weights, "--dry-run", "--scale", 2
    )
    assert code == 0
    assert stdout.splitlines() == [
        f"{photos / name} -> {tmp_path / 'out' / name} (9x6 to 18x12)"
        for name in ("a.png", "b.jpg", "c.webp")
    ]
    assert "3 pictures, 0.0 megapixels" in stderr
    assert "roughly" in stderr
    assert not (tmp_path / "out").exists()


def test_fail_fast_stops_at_the_first(photos: Path, weights: Path, tmp_path: Path) -> None:
    (photos / "aa.png").write_bytes(b"not a picture")
    out = tmp_path / "out"
    code, _, _ = samsr("upscale", photos, out, "--weights", weights, "--fail-fast")
    assert code == 6
    assert [path.name for path in out.iterdir()] == ["a.png"]


def test_standard_input_and_output(photos: Path, weights: Path) -> None:
    result = CliRunner().invoke(
        app,
        ["upscale", "-", "-", "--format", "png", "--weights", str(weights)],
        input=(photos / "b.jpg").read_bytes(),
    )
    assert result.exit_code == 0
    with Image.open(io.BytesIO(result.stdout_bytes)) as picture:
        assert (picture.format, picture.size) == ("PNG", (36, 24))


def test_json_and_standard_output_do_not_mix(photos: Path, weights: Path) -> None:
    code, stdout, _ = samsr("upscale", photos / "a.png", "-", "--json", "--weights", weights)
    assert code == 3
    assert json.loads(stdout)["error"]["exit_code"] == 3


def test_a_tree_is_mirrored_without_the_output_folder(photos: Path, weights: Path) -> None:
    deep = photos / "trip" / "day 1"
    deep.mkdir(parents=True)
    (photos / "a.png").rename(deep / "a.png")
    out = photos / "larger"
    for _ in range(2):
        code, _, _ = samsr(
            "upscale", "-r", photos, out, "--weights", weights, "--on-exists", "skip"
        )
        assert code == 0
    made = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert made == ["b.jpg", "c.webp", "trip/day 1/a.png"]


def test_a_colour_terminal_code_is_never_written_to_a_pipe(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    (photos / "[bold]x.png").write_bytes(b"not a picture")
    result = CliRunner().invoke(
        app, ["upscale", str(photos), str(tmp_path / "o"), "--weights", str(weights)]
    )
    assert "\x1b" not in result.stderr + result.stdout
    assert "[bold]x.png" in result.stderr


def test_completion_is_offered() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert "--install-completion" in result.stdout


def test_a_file_as_output_for_several_pictures_is_refused(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    target = tmp_path / "one.png"
    code, _, stderr = samsr(
        "upscale", photos / "a.png", photos / "b.jpg", target, "--weights", weights
    )
    assert code == 3
    assert "one file for several pictures" in stderr
    assert not target.exists()
    assert samsr("upscale", photos, f"{target}/", "--weights", weights)[0] == 0
    assert target.is_dir()


def test_a_dry_run_tells_what_is_there_already(photos: Path, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"old")
    code, stdout, stderr = samsr("upscale", photos, tmp_path, "--weights", weights, "--dry-run")
    assert code == 6
    assert "a.png: exists already" in stderr
    assert len(stdout.splitlines()) == 2


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_no_space_on_standard_output_is_exit_code_5(photos: Path, weights: Path) -> None:
    command = [sys.executable, "-m", "sam_diffsr_cli", "upscale", str(photos / "a.png"), "-"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(  # noqa: S603 - our own code
            [*command, "--weights", str(weights)], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 5
    assert b"standard output: no space left" in done.stderr


def test_outputs_beside_their_inputs_are_not_taken_for_input(photos: Path, weights: Path) -> None:
    options = ("--weights", weights, "--suffix", "_x4", "--on-exists", "skip")
    for _ in range(2):
        code, _, _ = samsr("upscale", photos, photos, *options)
        assert code == 0
    names = sorted(path.name for path in photos.iterdir())
    assert names == ["a.png", "a_x4.png", "b.jpg", "b_x4.jpg", "c.webp", "c_x4.webp"]


def made_by(target: Path) -> tuple[int, str]:
    """Return the steps and the sampler in an output's record."""
    xmp = next(body for kind, body in read_chunks(target) if kind == b"iTXt")
    record = json.loads(record_of(xmp) or "")
    return record["steps"], record["sampler"]


LEVELS = replace(
    TINY,
    diffusion=replace(
        TINY.diffusion,
        sampling_sigma=0.04,
        sampling_sampler="dpmpp_2m",
        best_steps=5,
        best_sampler="sde_dpmpp_2m",
    ),
)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), (2, "dpmpp_2m")),
        (("--quality", "fast"), (0, "ancestral")),
        (("--quality", "balanced"), (2, "dpmpp_2m")),
        (("--quality", "best"), (5, "sde_dpmpp_2m")),
        (("--quality", "plain"), (10, "ddim_eta1")),
        (("--quality", "best", "--steps", 3), (3, "sde_dpmpp_2m")),
        (("--sampler", "ddim"), (2, "ddim")),
        (("--steps", 4, "--sampler", "ancestral"), (4, "ancestral")),
    ],
    ids=str,
)
def test_quality_chooses_steps_and_sampler_by_the_model(
    options: tuple[object, ...], expected: tuple[int, str], photos: Path, tmp_path: Path
) -> None:
    weights, target = tmp_path / "levels.safetensors", tmp_path / "a.png"
    save_weights(weights, build_model(LEVELS), "test", torch.float32)
    code, _, stderr = samsr("upscale", photos / "a.png", target, "--weights", weights, *options)
    assert code == 0, stderr
    assert made_by(target) == expected


def details_told(photo: Path, config: ModelConfig, folder: Path, detail: int) -> list[int]:
    """Return ``detail`` in the records of a photo taken for clean, for dirty, and for dirty again.

    The last one is asked for ``detail``, the others for the model's own.
    """
    weights = folder / "dialled.safetensors"
    save_weights(weights, build_model(config), "test", torch.float32)
    found = []
    for clean, options in (("off", ()), (40, ()), (40, ("--detail", detail))):
        target = folder / f"{clean}-{len(options)}.png"
        how = ("--weights", weights, "--clean", clean, *options)
        assert samsr("upscale", photo, target, *how)[0] == 0
        xmp = next(body for kind, body in read_chunks(target) if kind == b"iTXt")
        found.append(json.loads(record_of(xmp) or "")["detail"])
    return found


def test_the_output_says_where_its_own_chain_started(photos: Path, tmp_path: Path) -> None:
    chain = replace(LEVELS.diffusion, sampling_start=5, sampling_dirty_start=7)
    config = replace(LEVELS, encoder=replace(LEVELS.encoder, num_levels=3), diffusion=chain)
    found = details_told(photos / "a.png", config, tmp_path, 50)
    assert found == [chain.detail_of(start) for start in (5, 7, chain.start_of(50))]


def test_the_output_says_how_much_of_what_was_drawn_it_has(photos: Path, tmp_path: Path) -> None:
    chain = replace(TINY_DISTILLED.diffusion, sampling_share=0.45, sampling_dirty_share=0.6)
    config = replace(TINY_DISTILLED, diffusion=chain)
    assert details_told(photos / "a.png", config, tmp_path, 30) == [45, 60, 30]


def test_the_output_says_of_how_many_orientations_it_is_the_mean(
    photos: Path, tmp_path: Path
) -> None:
    chain = replace(LEVELS.diffusion, best_ensemble=4)
    weights = tmp_path / "mean.safetensors"
    save_weights(weights, build_model(replace(LEVELS, diffusion=chain)), "test", torch.float32)
    found = []
    for number, options in enumerate(((), ("--ensemble", 2), ("--quality", "best"))):
        target = tmp_path / f"{number}.png"
        code, _, stderr = samsr("upscale", photos / "a.png", target, "--weights", weights, *options)
        assert code == 0, stderr
        xmp = next(body for kind, body in read_chunks(target) if kind == b"iTXt")
        found.append(json.loads(record_of(xmp) or "").get("ensemble"))
    assert found == [None, 2, 4]


def test_samplers_give_other_pictures(photos: Path, tmp_path: Path) -> None:
    weights = tmp_path / "levels.safetensors"
    save_weights(weights, build_model(LEVELS), "test", torch.float32)
    found = set()
    for sampler in ("ancestral", "ddim", "ddim_eta1", "dpmpp_2m", "sde_dpmpp_2m"):
        target = tmp_path / f"{sampler}.png"
        options = ("--weights", weights, "--steps", 5, "--sampler", sampler)
        assert samsr("upscale", photos / "a.png", target, *options, "--strip-metadata")[0] == 0
        found.add(target.read_bytes())
    assert len(found) == 5


# --------------------------------------------------------------------- what folders hold besides


@pytest.fixture
def mixed(photos: Path) -> Path:
    """Three pictures, a raw photo, a picture without its suffix, and a text."""
    (photos / "IMG_1.CR2").write_bytes(b"II*\0\x10\0\0\0CR\2\0" + bytes(32))
    (photos / "noext").write_bytes((photos / "b.jpg").read_bytes())
    (photos / "notes.txt").write_text("x")
    return photos


def test_one_line_counts_what_a_folder_holds_besides(
    mixed: Path, weights: Path, tmp_path: Path
) -> None:
    code, _, stderr = samsr("upscale", mixed, tmp_path / "out", "--weights", weights)
    assert code == 0
    (line,) = (each for each in stderr.splitlines() if "left out of folders" in each)
    assert "JPEG: 1 (not called as pictures are" in line
    assert "raw photo (CR2 of Canon): 1 (develop" in line
    assert "txt files: 1" in line


def test_a_folder_of_pictures_alone_leaves_nothing_to_say(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    _, _, stderr = samsr("upscale", photos, tmp_path / "out", "--weights", weights)
    assert "left out" not in stderr


def test_strict_makes_what_is_left_out_a_failure_when_the_others_are_done(
    mixed: Path, weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code, stdout, stderr = samsr("upscale", mixed, out, "--strict", "--weights", weights)
    assert code == 6
    assert len(stdout.split()) == 3
    assert "2 files were left out of folders (--strict); 3 of 3 pictures done" in stderr


def test_strict_does_not_mind_what_is_no_picture(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    (photos / "notes.txt").write_text("x")
    code, _, _ = samsr("upscale", photos, tmp_path / "out", "--strict", "--weights", weights)
    assert code == 0


def test_the_document_counts_what_is_left_out(mixed: Path, weights: Path, tmp_path: Path) -> None:
    code, stdout, _ = samsr("upscale", mixed, tmp_path / "out", "--json", "--weights", weights)
    assert code == 0
    told = {each["kind"]: each["count"] for each in json.loads(stdout)["left_out"]}
    assert told == {"JPEG": 1, "a raw photo (CR2 of Canon)": 1, "txt files": 1}


# -------------------------------------------------------------------------------- the first run


def test_one_picture_alone_is_written_beside_itself_and_over_nothing(
    photos: Path, weights: Path
) -> None:
    shown = ("--model", weights, "--device", "cpu", "--steps", 0)
    assert samsr("upscale", photos / "a.png", "--scale", 4, *shown).exit_code == 0
    first = (photos / "a-x4.png").read_bytes()
    ran = samsr("upscale", photos / "a.png", "--scale", 4, *shown, "--seed", 1)
    assert ran.stdout == f"{photos / 'a-x4 (2).png'}\n"
    assert (photos / "a-x4.png").read_bytes() == first
    ran = samsr("upscale", photos / "b.jpg", "--width", 18, "--format", "png", *shown)
    assert ran.stdout == f"{photos / 'b-18w.png'}\n"
    # What the model's own scale is, is not known before it is loaded.
    assert samsr("upscale", photos / "a.png", *shown).stdout == f"{photos / 'a-larger.png'}\n"
    skipped = samsr("upscale", photos / "a.png", "--scale", 4, *shown, "--on-exists", "skip")
    assert (skipped.exit_code, skipped.stdout) == (0, "")


@pytest.mark.parametrize("name", ["photos", "-", "s3://bucket/a.png", "gone", "*.png"])
def test_where_out_is_missing_that_is_said(photos: Path, weights: Path, name: str) -> None:
    named = photos if name == "photos" else name
    ran = samsr("upscale", named, "--weights", weights)
    assert ran.exit_code == 2
    assert f"OUT is missing: where {named} is to be written" in ran.stderr


def test_a_new_output_that_ends_like_a_file_must_be_of_a_format(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    shown = ("--weights", weights, "--device", "cpu", "--steps", 0)
    ran = samsr("upscale", photos / "a.png", tmp_path / "t9.xyz", *shown)
    assert ran.exit_code == 3
    assert "t9.xyz: unknown format" in ran.stderr
    assert "a slash at its end" in ran.stderr
    assert not (tmp_path / "t9.xyz").exists()
    for folder in ("t9.xyz/", "version.2", "2024.07"):
        ran = samsr("upscale", photos / "a.png", f"{tmp_path}/{folder}", *shown)
        assert ran.exit_code == 0
        assert (tmp_path / folder / "a.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--quality", "medium"], "--quality medium: allowed are fast, balanced, best, plain"),
        (["--steps", "many"], "--steps: "),
        (["--foo"], "No such option: --foo"),
    ],
)
def test_what_cannot_be_understood_is_said_as_other_errors_are(
    photos: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    ran = samsr("upscale", photos, tmp_path / "out", *arguments)
    assert ran.exit_code == 2
    assert f"error: {message}" in ran.stderr
    assert "samsr upscale --help" in ran.stderr or "hint: " in ran.stderr
    document = json.loads(samsr("upscale", photos, tmp_path / "out", *arguments, "--json").stdout)
    assert (document["exit_code"], document["files"]) == (2, [])


def test_nothing_piped_in_is_said(weights: Path, tmp_path: Path) -> None:
    ran = samsr("upscale", "-", tmp_path / "a.png", "--weights", weights, "--device", "cpu")
    assert ran.exit_code == 3
    assert "standard input: is empty" in ran.stderr

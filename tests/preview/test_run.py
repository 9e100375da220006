"""The preview of pictures: what is computed, how long it says that all takes, and its page."""

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sam_diffsr_cli.checkpoints.store import save_weights
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.config import EncoderConfig
from sam_diffsr_cli.degradation.levels import CLEAN, Levels
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.pictures.reading import read_picture
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.preview import run
from sam_diffsr_cli.preview.choices import choices_for
from sam_diffsr_cli.preview.run import (
    LARGEST_SIDE,
    LEAST_SIDE,
    PreviewOptions,
    plan_preview,
    preview,
    side_of_places,
)
from sam_diffsr_cli.preview.words import describe_time
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler
from tests.helpers import TINY, draw_photos, write_weights
from tests.preview.pages import panels_of

CLEANER = replace(
    TINY, encoder=EncoderConfig(kind="residual", num_feat=8, num_block=2, num_levels=3)
)


@pytest.fixture
def options(tmp_path: Path) -> PreviewOptions:
    return PreviewOptions(model=str(write_weights(tmp_path / "tiny.safetensors")), device="cpu")


def test_a_model_that_cleans_has_choices_of_cleaning() -> None:
    def labels(config: object) -> list[str]:
        upscaler = Upscaler(model=build_model(config).eval(), device=torch.device("cpu"))  # type: ignore[arg-type]
        return [choice.label for choice in choices_for(upscaler)]

    assert "fast, clean off" in labels(CLEANER)
    assert not any("clean" in label for label in labels(TINY))
    assert labels(TINY)[-1] == "default"


def test_every_choice_is_a_run_of_its_own_and_its_words_ask_for_it() -> None:
    upscaler = Upscaler(model=build_model(CLEANER).eval(), device=torch.device("cpu"))
    choices = choices_for(upscaler, seed=5)
    assert len({replace(choice.sampling, tile=0) for choice in choices}) == len(choices)
    assert all(choice.sampling.seed == 5 for choice in choices)
    for choice in choices:
        words = dict(zip(choice.words[::2], choice.words[1::2], strict=True))
        if "--clean" in words:
            assert choice.sampling.clean == (
                0 if words["--clean"] == "off" else int(words["--clean"])
            )
        if words.get("--quality") == "fast":
            assert choice.sampling.steps == 0


@pytest.mark.slow
def test_a_picture_is_shown_at_every_choice(tmp_path: Path, options: PreviewOptions) -> None:
    folder = draw_photos(tmp_path / "in", ["cat.png"], (150, 420))
    plan = plan_preview(str(folder / "cat.png"), options)
    steps = list(preview(plan, tmp_path / "page.html"))
    assert steps[-1].done == 1.0
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert len(steps) == 2 * len(plan.choices)
    shown = panels_of(tmp_path / "page.html")
    assert len(shown) == 2
    assert all(len(panels) == 1 + len(plan.choices) for panels in shown.values())


@pytest.mark.slow
def test_a_place_is_what_the_picture_holds_there(tmp_path: Path, options: PreviewOptions) -> None:
    """The encoder sees a few pixels around: less than the context that is not shown."""
    folder = draw_photos(tmp_path / "in", ["cat.png"], (150, 420))
    plan = plan_preview(str(folder / "cat.png"), options)
    fast = next(choice for choice in plan.choices if choice.label == "fast")
    steps = list(preview(plan, tmp_path / "page.html"))
    with Image.open(folder / "cat.png") as image:
        pixels = np.asarray(image)
    run = UpscaleRun(upscaler=plan.upscaler, sampling=fast.sampling, scale=4, levels=CLEAN)
    whole = enlarge_frame(run, pixels)
    column = 1 + list(plan.choices).index(fast)
    for step, panels in zip(
        (one for one in steps if one.choice == "fast"),
        panels_of(tmp_path / "page.html").values(),
        strict=True,
    ):
        rows, columns = step.place.shown((150, 420))
        expected = whole[
            4 * (step.place.top + rows.start) : 4 * (step.place.top + rows.stop),
            4 * (step.place.left + columns.start) : 4 * (step.place.left + columns.stop),
        ]
        difference = panels[column].astype(int) - expected
        assert np.abs(difference).max() <= 1


def test_of_a_folder_three_pictures_are_shown_from_its_first_to_its_last(
    tmp_path: Path, options: PreviewOptions
) -> None:
    folder = draw_photos(tmp_path / "in", [f"{letter}.png" for letter in "abcde"])
    plan = plan_preview(str(folder), options)
    assert [path.name for path in plan.pictures] == ["a.png", "c.png", "e.png"]
    assert plan.count == 5


def test_the_times_of_a_folder_are_those_of_all_its_pictures(
    tmp_path: Path, options: PreviewOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []

    def describe_time(seconds: float) -> str:
        told.append(seconds)
        return "x"

    monkeypatch.setattr("sam_diffsr_cli.preview.run.describe_time", describe_time)
    folder = draw_photos(tmp_path / "in", [f"{n}.png" for n in range(6)], (40, 50))
    plan = plan_preview(str(folder), options)
    steps = list(preview(plan, tmp_path / "page.html"))
    fast = [step.seconds for step in steps if step.choice == "fast"]
    shown = dict(zip([choice.label for choice in reversed(plan.choices)], told, strict=True))
    # No tile, no context: the picture is computed as it is, and there are six of them.
    assert shown["fast"] == pytest.approx(6 * min(fast), rel=0.35)


def test_the_commands_are_understood_and_say_all_that_was_asked(
    tmp_path: Path, options: PreviewOptions
) -> None:
    folder = draw_photos(tmp_path / "my photos", ["a cat.png"])
    asked = replace(options, scale=2.0, seed=7)
    page = tmp_path / "page.html"
    list(preview(plan_preview(str(folder / "a cat.png"), asked), page))
    commands = commands_of(page)
    assert len(commands) == len(plan_preview(str(folder / "a cat.png"), asked).choices)
    for command in commands:
        words = shlex.split(command)
        assert words[:3] == ["samsr", "upscale", str(folder / "a cat.png")]
        assert Path(words[3]).name == "a cat-x2.png"
        assert ("--scale 2" in command, "--seed 7" in command) == (True, True)
        assert str(options.model) in words


def test_a_command_of_the_page_runs(tmp_path: Path, options: PreviewOptions) -> None:
    from typer.testing import CliRunner

    folder = draw_photos(tmp_path / "in", ["cat.png"])
    page = tmp_path / "page.html"
    list(preview(plan_preview(str(folder / "cat.png"), options), page))
    for command in commands_of(page)[:1]:
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        assert result.exit_code == 0, result.stderr
    assert (folder / "cat-x4.png").is_file()


def commands_of(page: Path) -> list[str]:
    import html
    import re

    return [html.unescape(x) for x in re.findall(r"<code>(.*?)</code>", page.read_text("utf-8"))]


def test_a_picture_that_is_not_there_is_an_error(tmp_path: Path, options: PreviewOptions) -> None:
    plan = plan_preview(str(tmp_path / "none.png"), options)
    with pytest.raises(InputError, match=r"none\.png"):
        list(preview(plan, tmp_path / "page.html"))
    assert not (tmp_path / "page.html").exists()


def test_places_shrink_where_the_calls_are_many(options: PreviewOptions) -> None:
    upscaler = Upscaler(model=build_model(TINY).eval(), device=torch.device("cpu"))
    plan = plan_preview(str(Path(__file__).parent / "none.png"), options)
    assert plan.upscaler.config == upscaler.config
    few = side_of_places(plan)
    many = replace(
        plan, choices=[replace(c, sampling=replace(c.sampling, steps=10)) for c in plan.choices]
    )
    assert LEAST_SIDE <= side_of_places(many) < few <= LARGEST_SIDE


@pytest.mark.slow
def test_a_whole_picture_is_estimated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what it is taken for is what ``samsr upscale`` takes it for, at each choice."""
    estimates: list[tuple[int, ...]] = []

    def estimate(_upscaler: object, pixels: np.ndarray, _icc: bytes | None = None) -> Levels:
        estimates.append(pixels.shape[:2])
        return Levels(0.3, 0.02, 0.5)

    monkeypatch.setattr(run, "estimate_levels", estimate)
    weights = tmp_path / "told.safetensors"
    save_weights(weights, build_model(CLEANER), "drawn")
    folder = draw_photos(tmp_path / "in", ["cat.png"], (150, 420))
    plan = plan_preview(str(folder / "cat.png"), PreviewOptions(model=str(weights), device="cpu"))
    list(preview(plan, tmp_path / "page.html"))
    assert estimates.count((150, 420)) == 1
    picture = read_picture(folder / "cat.png", Limits())
    assert run._levels_of(plan, picture) == {
        None: Levels(0.3, 0.0, 0.5),
        0: CLEAN,
        60: Levels(0.6, 0.6, 0.5),
    }


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.1, "1 s"), (89, "89 s"), (600, "10 min"), (9000, "2.5 h")]
)
def test_times_are_no_more_exact_than_an_estimate(seconds: float, told: str) -> None:
    assert describe_time(seconds) == told

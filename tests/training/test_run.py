"""A run from its first stage to its last: what it starts from, goes on with, and refuses."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sam_diffsr_cli.checkpoints.store import load_weights, read_tensors, save_weights
from sam_diffsr_cli.config import EncoderConfig, UNetConfig
from sam_diffsr_cli.errors import ConfigError, InputError, InterruptedRun, WeightsError
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.recipes.records import Recipe
from sam_diffsr_cli.training.engine import Engine
from sam_diffsr_cli.training.journal import ValidationEntry
from sam_diffsr_cli.training.loop import TrainStep
from sam_diffsr_cli.training.run import StageBegun, TrainRun, open_stage, run_stages, start_from
from sam_diffsr_cli.training.state import load_state
from tests.helpers import TINY
from tests.training import tiny
from tests.training.tiny import CPU, different

MakeRun = Callable[..., TrainRun]


@pytest.fixture
def make_run(tmp_path: Path, engine: Engine) -> MakeRun:
    """A function that makes runs in one folder."""

    def make(asked: Recipe | None = None, **more: Any) -> TrainRun:
        return tiny.make_run(tmp_path, engine, asked, **more)

    return make


def finish(run: TrainRun) -> TrainRun:
    for _ in run_stages(run):
        pass
    return run


def with_init(recipe: Recipe, path: Path) -> Recipe:
    return replace(recipe, data=replace(recipe.data, init=str(path)))


# ------------------------------------------------------------------------------ what happens


def told(run: TrainRun) -> Iterator[str]:
    for event in run_stages(run):
        if isinstance(event, StageBegun):
            yield f"{event.config.stage} from {event.step}"
        elif isinstance(event, TrainStep):
            yield str(event.step)
        else:
            assert isinstance(event, ValidationEntry)
            yield "validation"


def test_stages_are_trained_in_turn_and_the_weights_come_last(make_run: MakeRun) -> None:
    run = make_run(tiny.recipe(steps=2))
    happened = []
    for what in told(run):
        assert not run.folder.weights_path.exists()
        happened.append(what)
    assert happened == ["encoder from 0", "1", "2", "diffusion from 0", "1", "2"]
    assert run.folder.weights_path.exists()


def test_a_validation_follows_the_step_that_it_is_due_after(make_run: MakeRun) -> None:
    options = replace(tiny.STEPS_ONLY, validate_every=2)
    run = make_run(tiny.recipe("encoder", steps=3), options=options, is_validated=True)
    assert list(told(run)) == ["encoder from 0", "1", "2", "validation", "3", "validation"]


def test_a_run_of_one_stage_trains_that_stage(make_run: MakeRun) -> None:
    run = make_run(tiny.recipe("encoder", steps=2))
    assert list(told(run)) == ["encoder from 0", "1", "2"]
    assert run.folder.states("diffusion") == []


def test_a_finished_run_trains_no_more_and_writes_the_same_weights(make_run: MakeRun) -> None:
    run = finish(make_run(tiny.recipe(steps=2)))
    tensors, metadata = read_tensors(run.folder.weights_path)
    run.folder.weights_path.unlink()
    assert list(told(run)) == []
    again, metadata_again = read_tensors(run.folder.weights_path)
    assert different(again, tensors) == []
    assert metadata_again == metadata


def test_a_stop_saves_the_step_and_tells_how_to_go_on(make_run: MakeRun) -> None:
    asked = iter([False, False, True])
    options = replace(tiny.STEPS_ONLY, save_every=0)
    run = make_run(tiny.recipe("encoder"), options=options, stop=lambda: next(asked))
    with pytest.raises(InterruptedRun, match="after step 3 of the encoder stage") as caught:
        finish(run)
    assert f"samsr train --resume --out {run.folder.path}" in (caught.value.hint or "")
    assert run.folder.states("encoder") == [run.folder.state_path("encoder", 3)]
    assert not run.folder.weights_path.exists()


@pytest.mark.slow
def test_a_compiled_network_is_saved_under_its_own_names(make_run: MakeRun) -> None:
    options = replace(tiny.STEPS_ONLY, compile=True)
    with torch.compiler.set_stance("force_eager"):
        run = finish(make_run(tiny.recipe("encoder", steps=2), options=options))
    plain = tiny.start(run.recipe.encoder)
    assert load_state(run.folder.states("encoder")[0], None, CPU).ema.keys() == plain.ema.keys()
    load_weights(run.folder.weights_path)


def test_compiling_is_asked_of_the_network_that_is_trained(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[torch.nn.Module] = []

    def take(module: torch.nn.Module) -> None:
        asked.append(module)

    monkeypatch.setattr(torch.nn.Module, "compile", take)
    options = replace(tiny.STEPS_ONLY, compile=True)
    finish(make_run(tiny.recipe(steps=1), options=options))
    model = build_model(TINY)
    assert [type(module) for module in asked] == [type(model.rrdb), type(model.denoise_fn)]


# ------------------------------------------------------------------------- where it starts


def test_the_first_stage_starts_from_parameters_drawn_from_its_seed(make_run: MakeRun) -> None:
    state = open_stage(make_run(tiny.recipe(seed=5)), 0)
    assert different(state.model.state_dict(), build_model(TINY, 5).state_dict()) == []


def test_a_stage_starts_with_the_average_of_the_stage_before(make_run: MakeRun) -> None:
    run = finish(make_run(tiny.recipe(steps=3)))
    first = load_state(run.folder.states("encoder")[0], None, CPU)
    second = load_state(run.folder.states("diffusion")[0], None, CPU)
    assert different(first.ema, second.model.rrdb.state_dict()) == []
    assert different(first.ema, dict(first.network.named_parameters()))


def test_init_gives_the_starting_parameters(tmp_path: Path, make_run: MakeRun) -> None:
    given = build_model(TINY, seed=9)
    save_weights(tmp_path / "given.safetensors", given, "a test", torch.float32)
    run = make_run(with_init(tiny.recipe("diffusion"), tmp_path / "given.safetensors"))
    assert different(open_stage(run, 0).model.state_dict(), given.state_dict()) == []


def test_init_brings_the_parameters_not_how_they_are_sampled(tmp_path: Path) -> None:
    path = tmp_path / "given.safetensors"
    other = replace(TINY, diffusion=replace(TINY.diffusion, sampling_steps=5))
    save_weights(path, build_model(other), "a test")
    assert start_from(path, TINY).config == TINY


def test_distilling_keeps_the_distilled_network_that_is_not_trained(
    tmp_path: Path, make_run: MakeRun
) -> None:
    told = replace(TINY.encoder, num_levels=3)
    config = replace(tiny.DISTILLED, encoder=told, clean_expert=True)
    given = build_model(config, seed=9)
    save_weights(tmp_path / "given.safetensors", given, "a test", torch.float32)
    asked = replace(tiny.recipe("diffusion", "distill", steps=2), model=config)
    run = finish(make_run(with_init(asked, tmp_path / "given.safetensors")))
    made = load_state(run.folder.states("distill")[-1], None, CPU).model
    same = {
        name: not different(made.get_submodule(name).state_dict(), child.state_dict())
        for name, child in given.named_children()
    }
    assert {name for name in same if not same[name]} == {"denoise_fn", "distilled_denoise_fn"}


def test_the_network_that_is_distilled_begins_as_its_teacher_has_become(
    make_run: MakeRun,
) -> None:
    asked = tiny.recipe("encoder", "diffusion", "distill", steps=2)
    run = finish(make_run(asked))
    next(iter(run.folder.states("distill"))).unlink()
    began = open_stage(run, 2).model
    teacher = load_state(run.folder.states("diffusion")[0], None, CPU).ema
    assert different(teacher, began.network("distilled_denoise_fn").state_dict()) == []


def test_init_of_another_network_is_refused(tmp_path: Path, make_run: MakeRun) -> None:
    other = replace(TINY, encoder=EncoderConfig(kind="residual", num_feat=4, num_block=2))
    save_weights(tmp_path / "given.safetensors", build_model(other), "a test")
    run = make_run(with_init(tiny.recipe(), tmp_path / "given.safetensors"))
    with pytest.raises(InputError, match=r"given\.safetensors: holds another network") as caught:
        open_stage(run, 0)
    assert caught.value.hint


def test_the_diffusion_stage_alone_needs_an_encoder(make_run: MakeRun) -> None:
    with pytest.raises(InputError, match="needs a trained encoder") as caught:
        open_stage(make_run(tiny.recipe("diffusion")), 0)
    assert "--init" in (caught.value.hint or "")


def test_a_stage_without_the_state_of_the_stage_before_is_refused(make_run: MakeRun) -> None:
    with pytest.raises(ConfigError, match="the state of the stage before is missing"):
        open_stage(make_run(), 1)


# ------------------------------------------------------------------------- where it goes on


@pytest.fixture
def begun(make_run: MakeRun) -> TrainRun:
    """A run whose encoder is trained to step 4 of 7, with states after 2 and 4."""
    run = make_run()
    events = run_stages(run)
    for what in events:
        if isinstance(what, TrainStep) and what.step == 5:
            break
    events.close()  # type: ignore[attr-defined]  # it is a generator
    return run


def test_a_run_goes_on_after_its_newest_state(begun: TrainRun) -> None:
    assert next(told(begun)) == "encoder from 4"


def test_a_damaged_newest_state_costs_the_steps_since_the_one_before(begun: TrainRun) -> None:
    path = begun.folder.state_path("encoder", 4)
    path.write_bytes(path.read_bytes()[:-1])
    notices: list[str] = []
    assert next(told(replace(begun, notify=notices.append))) == "encoder from 2"
    assert len(notices) == 1
    assert path.name in notices[0]


def test_a_run_all_of_whose_states_are_damaged_is_refused(begun: TrainRun) -> None:
    for path in begun.folder.states("encoder"):
        path.write_bytes(b"")
    with pytest.raises(WeightsError, match=r"encoder-0000000\d\.safetensors"):
        finish(begun)


def other_photo(run: TrainRun) -> TrainRun:
    first, second = run.train_photos
    return replace(run, train_photos=[first, second._replace(name="another.png")])


def one_photo_less(run: TrainRun) -> TrainRun:
    return replace(run, train_photos=run.train_photos[:1])


def edited_photo(run: TrainRun) -> TrainRun:
    first, second = run.train_photos
    return replace(run, train_photos=[first._replace(digest="0" * 32), second])


@pytest.mark.parametrize("change", [other_photo, one_photo_less, edited_photo])
def test_other_photos_are_refused(begun: TrainRun, change: Callable[[TrainRun], TrainRun]) -> None:
    with pytest.raises(ConfigError, match="the photos or masks are not those") as caught:
        finish(change(begun))
    assert caught.value.hint


def test_photos_that_moved_are_taken(begun: TrainRun, tmp_path: Path) -> None:
    assert next(told(replace(begun, train_photos=tiny.entries(tmp_path / "moved")))) == (
        "encoder from 4"
    )


def test_another_recipe_is_refused(begun: TrainRun) -> None:
    with pytest.raises(ConfigError, match="another recipe"):
        finish(replace(begun, recipe=tiny.recipe(batch=8)))


def test_another_network_is_refused(begun: TrainRun) -> None:
    other = replace(TINY, unet=UNetConfig(kind="folded", widths=(12, 8)))
    with pytest.raises(ConfigError, match="another network"):
        finish(replace(begun, recipe=replace(begun.recipe, model=other)))


def test_what_was_best_on_other_photos_is_not_the_best_of_these(
    begun: TrainRun, tmp_path: Path
) -> None:
    path = begun.folder.states("encoder")[-1]
    state = load_state(path, begun.recipe.encoder, CPU)
    state.best = 99.0
    begun.folder.save(state, keep=9)
    assert open_stage(begun, 0).best == 99.0
    others = tiny.entries(tmp_path / "others", tiny.photos()[:1])
    opened = open_stage(replace(begun, val_photos=others), 0)
    assert (opened.best, opened.step) == (None, state.step)


def test_processes_that_read_different_states_are_refused(
    begun: TrainRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "agrees", lambda _, *values: values == (0, ""))
    with pytest.raises(ConfigError, match="the processes read different states or photos") as found:
        finish(begun)
    assert "shared disk" in (found.value.hint or "")


def test_a_card_that_was_filled_in_stays_when_the_run_ends_again(make_run: MakeRun) -> None:
    run = finish(make_run(tiny.recipe("encoder", steps=2)))
    card = run.folder.weights_path.with_suffix(".md")
    assert "(fill in)" in card.read_text()
    card.write_text("mine")
    run.folder.weights_path.unlink()
    finish(run)
    assert run.folder.weights_path.exists()
    assert card.read_text() == "mine"


def test_how_a_model_is_sampled_does_not_decide_what_goes_on(begun: TrainRun) -> None:
    model = replace(TINY, diffusion=replace(TINY.diffusion, sampling_sigma=0.5))
    other = replace(begun, recipe=replace(begun.recipe, model=model))
    assert open_stage(other, 0).model.config == model

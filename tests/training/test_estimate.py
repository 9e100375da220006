"""The estimate of a stage against counts by hand, a measured process, and a clock that is known."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from sam_diffsr_cli.config import LITE, EncoderConfig, ModelConfig, UNetConfig
from sam_diffsr_cli.diffusion.distillation import distillation_plan
from sam_diffsr_cli.errors import ConfigError, ResourceError
from sam_diffsr_cli.networks.model import SuperResolver, build_model
from sam_diffsr_cli.recipes.records import RECIPES, TrainConfig
from sam_diffsr_cli.strict import to_json
from sam_diffsr_cli.training import engine, estimate
from sam_diffsr_cli.training.batches import BatchSource
from sam_diffsr_cli.training.estimate import StageEstimate, estimate_stage
from sam_diffsr_cli.training.objective import Objective
from sam_diffsr_cli.training.state import TrainState, new_state
from tests.helpers import TINY
from tests.training import tiny
from tests.training.tiny import clean_batch
from tests.workshop.tools import measure_training

FULL = replace(
    TINY,
    encoder=EncoderConfig(kind="rrdb", num_feat=8, num_block=2),
    unet=UNetConfig(kind="full", widths=(8, 12)),
)
ENCODER = TrainConfig(stage="encoder", steps=50, batch=2, patch=32, precision="fp32")
DENOISER = replace(ENCODER, stage="diffusion")
STAGES = pytest.mark.parametrize("config", [ENCODER, DENOISER], ids=["encoder", "diffusion"])
MODELS = pytest.mark.parametrize("model", [TINY, FULL], ids=["lite", "paper"])
CPU = torch.device("cpu")


def estimated(config: TrainConfig, model: ModelConfig = TINY) -> StageEstimate:
    return estimate_stage(build_model(model, seed=1), config, CPU)


class Machine:
    """Stands in for the loop and the clock: a step takes so many seconds for each pixel.

    The first of each size takes longer; every batch is waited for.
    """

    def __init__(self, pixel_s: float) -> None:
        self.pixel_s, self.now, self.held_up_s = pixel_s, 0.0, 0.0
        self.asked: list[TrainConfig] = []

    def perf_counter(self) -> float:
        return self.now

    def train(self, state: TrainState, source: BatchSource, _: Any) -> Iterator[SimpleNamespace]:
        config = state.config
        assert source.config == config
        self.asked.append(config)
        for number in range(config.steps - state.step):
            slow = 1.5 if number == 0 else (1.2, 1)[number % 2]
            self.now += 7.0 * self.pixel_s + slow * self.pixel_s * config.batch * config.patch**2
            if state.step == 1:
                self.now += self.held_up_s
            state.step += 1
            yield SimpleNamespace(wait_s=7.0 * self.pixel_s)


COUNTED = functools.cache(estimate._count)
"""A count, done once for all tests that are not of the counting."""


@pytest.fixture
def untimed(machine: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch) -> None:
    """Count, and train no steps, which take most of the time of an estimate."""
    count = estimate._count
    machine(1e-7)
    monkeypatch.setattr(estimate, "_count", count)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Machine]:
    def install(pixel_s: float, start_flops: float = 0.0) -> Machine:
        made = Machine(pixel_s)
        monkeypatch.setattr(estimate, "START_FLOPS", start_flops)
        monkeypatch.setattr(estimate, "time", made)
        monkeypatch.setattr(estimate, "train", made.train)
        monkeypatch.setattr(estimate, "_count", COUNTED)
        return made

    return install


# --------------------------------------------------------------------------------------- work


@pytest.mark.usefixtures("untimed")
def test_work_of_the_encoder_is_that_of_its_convolutions() -> None:
    """Each on an 8x8 crop, forward and for both gradients; the photo itself needs none."""
    pixels, taps = 8 * 8, 3 * 3
    first, inner, head = 3 * 8, 8 * 8, 8 * 3 * 4**2
    multiply_adds = pixels * taps * (2 * first + 3 * (2 * 2 + 1) * inner + 3 * head)
    assert estimated(ENCODER).flops_per_step == ENCODER.batch * 2 * multiply_adds


def work_of_layers(model: SuperResolver, config: TrainConfig, step: int = 3) -> int:
    """Add up a step by the shapes that each layer sees, and the gradients that it passes on."""
    total = 0

    def counted(layer: Callable[..., Tensor], *, is_transposed: bool = False) -> Any:
        def run(seen: Tensor, weight: Tensor, *more: Any, **how: Any) -> Tensor:
            nonlocal total
            output = layer(seen, weight, *more, **how)
            places = seen if is_transposed else output
            positions = places[0, 0].numel() if weight.dim() == 4 else 1
            passes = 1 + int(weight.requires_grad) + int(seen.requires_grad)
            passes = passes if output.requires_grad else 1
            total += passes * 2 * len(seen) * positions * weight.numel()
            return output

        return run

    state = new_state(model, config, CPU)
    hr = torch.zeros(config.batch, 3, config.patch, config.patch)
    lr = torch.zeros(config.batch, 3, config.patch // 4, config.patch // 4)
    batch = clean_batch(hr, lr, hr[:, :1])
    with pytest.MonkeyPatch.context() as patch:
        for name in ("conv2d", "linear"):
            patch.setattr(functional, name, counted(getattr(functional, name)))
        transposed = counted(functional.conv_transpose2d, is_transposed=True)
        patch.setattr(functional, "conv_transpose2d", transposed)
        Objective(state.model, config)(batch, [step] * config.batch, hr)
    return total


@pytest.mark.usefixtures("untimed")
@STAGES
@MODELS
def test_work_is_that_of_all_layers(config: TrainConfig, model: ModelConfig) -> None:
    expected = work_of_layers(build_model(model, seed=1), config)
    assert estimated(config, model).flops_per_step == expected


@pytest.mark.usefixtures("untimed")
def test_work_of_distilling_is_that_of_its_layers_with_the_teachers_steps() -> None:
    """The chain of both is made anew, since a plan that was kept would not be made here."""
    distillation_plan.cache_clear()
    config = replace(tiny.DISTILLER, patch=32, precision="fp32")
    expected = work_of_layers(build_model(tiny.DISTILLED, seed=1), config, step=7)
    assert estimated(config, tiny.DISTILLED).flops_per_step == expected


@pytest.mark.usefixtures("untimed")
@STAGES
def test_work_grows_with_the_batch_and_not_with_its_pieces(config: TrainConfig) -> None:
    one, six, pieces = (
        estimated(replace(config, batch=batch, accumulate=accumulate)).flops_per_step
        for batch, accumulate in ((1, 1), (6, 1), (6, 3))
    )
    assert 6 * one == six == pieces


@pytest.mark.usefixtures("untimed")
def test_work_grows_with_the_area_of_the_crops() -> None:
    small, large = (estimated(replace(ENCODER, patch=patch)).flops_per_step for patch in (32, 96))
    assert large == 9 * small


# --------------------------------------------------------------------------------- parameters


@pytest.mark.usefixtures("untimed")
@STAGES
def test_parameters_are_those_of_the_stage_and_of_both_networks(config: TrainConfig) -> None:
    model = build_model(TINY)
    encoder, denoiser = (
        sum(p.numel() for p in network.parameters()) for network in (model.rrdb, model.denoise_fn)
    )
    found = estimated(config)
    assert found.parameters == (encoder if config.stage == "encoder" else denoiser)
    assert found.parameters_total == encoder + denoiser


# ------------------------------------------------------------------------------------- memory

REAL_STEPS = """
import gc, sys
from dataclasses import replace
from pathlib import Path
import torch
from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.strict import from_json
from sam_diffsr_cli.data.crops import CropPlan, TrainingPhoto
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.recipes.records import TrainConfig
from sam_diffsr_cli.training.batches import BatchSource
from sam_diffsr_cli.training.engine import start_engine
from sam_diffsr_cli.training.loop import train
from sam_diffsr_cli.training.state import new_state

engine = start_engine("cpu")

def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))

def run(model, config):
    photo = TrainingPhoto("p", torch.zeros(3, 200, 200, dtype=torch.uint8))
    plan, share = CropPlan([(200, 200)], config.patch, 4), engine.share(config.accumulate)
    source = BatchSource([photo], plan, config, model.diffusion, engine.device, share)
    list(train(new_state(build_model(model), config, engine.device), source, engine))

model, config = from_json(ModelConfig, sys.argv[1]), from_json(TrainConfig, sys.argv[2])
tiny = replace(
    model,
    encoder=replace(model.encoder, num_feat=8, num_block=2),
    unet=replace(model.unet, widths=(8, 8)),
)
# What the libraries take for themselves is not the training's.
run(tiny, replace(config, patch=32, batch=1, accumulate=1))
gc.collect()
before = memory("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
run(model, config)
print(memory("VmHWM") - before)
"""
MEDIUM = replace(
    FULL,
    encoder=EncoderConfig(kind="rrdb", num_feat=32, num_block=2),
    unet=UNetConfig(kind="full", widths=(32, 64)),
)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads /proc of Linux")
@pytest.mark.parametrize(
    ("model", "config"),
    [
        (LITE, replace(ENCODER, patch=96, batch=16)),
        (LITE, replace(DENOISER, patch=96, batch=8, accumulate=2)),
        (MEDIUM, replace(DENOISER, patch=64, batch=8)),
    ],
    ids=["encoder", "diffusion in pieces", "paper's kind"],
)
def test_memory_is_about_what_a_process_takes(model: ModelConfig, config: TrainConfig) -> None:
    command = [sys.executable, "-c", REAL_STEPS, to_json(model), to_json(replace(config, steps=2))]
    # Of the C library, which else holds back up to half as much again of what was freed.
    settings = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=settings)  # noqa: S603
    assert 0.75 < memory(config, model) / int(run.stdout) < 1.33


def memory(config: TrainConfig, model: ModelConfig = TINY) -> int:
    return estimated(config, model).memory_bytes


@pytest.mark.slow
@pytest.mark.usefixtures("untimed")
def test_memory_of_crops_follows_their_number_in_a_piece() -> None:
    """Beside the parameters: 8 crops in 4 pieces keep what 2 keep, but for the batch itself."""
    two, four, eight, pieces = (
        memory(replace(DENOISER, batch=batch, accumulate=accumulate))
        for batch, accumulate in ((2, 1), (4, 1), (8, 1), (8, 4))
    )
    batch = 4 * (7 * 32**2 + 3 * 8**2)
    assert eight - four == pytest.approx(2 * (four - two), abs=8)
    assert pieces == pytest.approx(two + 6 * batch, abs=8)


@pytest.mark.slow
@pytest.mark.usefixtures("untimed")
def test_memory_of_crops_follows_their_area() -> None:
    fixed = 2 * memory(replace(DENOISER, batch=1)) - memory(DENOISER)
    small, large = (memory(replace(DENOISER, patch=patch)) - fixed for patch in (32, 96))
    assert large == pytest.approx(9 * small, rel=0.02)


@pytest.mark.usefixtures("untimed")
@STAGES
def test_memory_of_no_crops_is_that_of_five_values_for_each_parameter(config: TrainConfig) -> None:
    """Itself, its gradient, Adam's two moments and the average; a frozen one is there once."""
    found = estimated(replace(config, batch=1))
    frozen = found.parameters_total - found.parameters
    fixed = 2 * found.memory_bytes - memory(config)
    assert fixed == pytest.approx(4 * (5 * found.parameters + frozen), abs=8)


@pytest.mark.slow
@pytest.mark.usefixtures("untimed")
def test_a_crop_takes_less_in_a_short_number_format() -> None:
    """Though each parameter is cast, which is not done for each crop."""
    fp32, bf16 = (
        memory(replace(DENOISER, batch=2, precision=precision), LITE)
        - memory(replace(DENOISER, batch=1, precision=precision), LITE)
        for precision in ("fp32", "bf16")
    )
    assert 0.5 < bf16 / fp32 < 0.7


@pytest.mark.usefixtures("untimed")
def test_each_parameter_is_cast_once_for_a_short_number_format() -> None:
    one, two = (estimated(replace(DENOISER, batch=b, precision="bf16")) for b in (1, 2))
    fixed = 2 * one.memory_bytes - two.memory_bytes
    frozen = one.parameters_total - one.parameters
    expected = 4 * (5 * one.parameters + frozen) + 2 * one.parameters_total
    assert fixed == pytest.approx(expected, abs=8)


# --------------------------------------------------------------------------------------- time


WHOLE = replace(DENOISER, patch=96, batch=32, accumulate=2)


def test_whole_steps_are_timed_where_they_are_quick(machine: Callable[..., Machine]) -> None:
    made = machine(1e-7)
    found = estimated(WHOLE)
    assert (found.crops_timed, found.patch_timed, found.note) == (32, 96, "")
    assert replace(made.asked[-1], steps=WHOLE.steps) == WHOLE


@pytest.mark.parametrize("pixel_s", [1e-7, 1e-5, 1e-4, 1e-3], ids=str)
def test_time_is_scaled_up_by_area(pixel_s: float, machine: Callable[..., Machine]) -> None:
    """The median of 1, 1.2 and 1 is 1: neither the warm-up nor waiting for data counts."""
    machine(pixel_s)
    assert estimated(WHOLE).seconds_per_step == pytest.approx(pixel_s * 32 * 96**2, rel=1e-9)


@pytest.mark.parametrize(
    ("pixel_s", "crops", "patch"),
    [(1e-5, 16, 96), (5e-5, 4, 96), (2e-4, 1, 96), (5e-4, 1, 48), (5e-3, 1, 24)],
    ids=str,
)
def test_less_is_timed_on_a_slower_machine(
    pixel_s: float, crops: int, patch: int, machine: Callable[..., Machine]
) -> None:
    machine(pixel_s)
    found = estimated(WHOLE)
    assert (found.crops_timed, found.patch_timed) == (crops, patch)


def test_one_step_that_was_held_up_does_not_end_it(machine: Callable[..., Machine]) -> None:
    made = machine(1e-7)
    made.held_up_s = 2.5
    assert estimated(WHOLE).crops_timed == 32


@pytest.mark.parametrize(
    ("preset", "crops", "patch"),
    [
        pytest.param("lite", 16, 96, id="lite"),
        pytest.param("paper", 1, 80, id="paper", marks=pytest.mark.slow),
    ],
)
def test_timing_does_not_start_with_crumbs(
    preset: str, crops: int, patch: int, machine: Callable[..., Machine]
) -> None:
    """Of the steps of up to 100 GFLOP it is the largest: 93, which is all, and 38 of 9854."""
    made, recipe = machine(1e-7, estimate.START_FLOPS), RECIPES[preset]
    estimated(replace(recipe.diffusion, precision="fp32"), recipe.model)
    assert (made.asked[0].batch, made.asked[0].patch) == (crops, patch)


def test_what_was_timed_is_said(machine: Callable[..., Machine]) -> None:
    machine(5e-5)
    note = estimated(WHOLE).note
    assert note == "scaled up from a step of 4 x 96x96 pixels to one of 32 x 96x96 pixels"


@pytest.mark.parametrize("pixel_s", [10**-power for power in range(3, 8)], ids=str)
def test_timing_ends_in_time(pixel_s: float, machine: Callable[..., Machine]) -> None:
    made = machine(pixel_s)
    estimated(WHOLE)
    assert made.now < 20


def test_all_steps_take_as_many_times_one(machine: Callable[..., Machine]) -> None:
    machine(1e-6)
    found = estimated(replace(WHOLE, steps=1234))
    assert found.seconds_total == pytest.approx(1234 * found.seconds_per_step, rel=1e-12)


def test_what_does_not_fit_in_memory_is_not_tried(
    machine: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = machine(1e-7)
    needed = memory(replace(WHOLE, batch=16, accumulate=1))
    monkeypatch.setattr(estimate, "free_memory", lambda _: needed - 1)
    made.asked.clear()
    found = estimated(replace(WHOLE, accumulate=1))
    assert max(config.batch for config in made.asked) == 4
    assert found.memory_bytes > needed


def test_smaller_crops_are_timed_where_one_does_not_fit_in_memory(
    machine: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(1e-7)
    half = memory(replace(DENOISER, batch=1, patch=48))
    monkeypatch.setattr(estimate, "free_memory", lambda _: 1.05 * half)
    assert estimated(WHOLE).patch_timed == 48


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("no more"), RuntimeError("MPS backend out of memory")], ids=str
)
def test_memory_that_runs_out_is_told_with_a_way_out(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(estimate, "train", fail)
    with pytest.raises(ResourceError, match="out of memory") as caught:
        estimated(ENCODER)
    assert caught.value.hint
    assert "batch" in caught.value.hint


# ------------------------------------------------------------------------------- the real loop


@STAGES
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_real_steps_are_timed(config: TrainConfig, precision: Any) -> None:
    found = estimated(replace(config, precision=precision, batch=4, accumulate=2))
    assert (found.crops_timed, found.note, found.memory_is_measured) == (4, "", False)
    assert 0 < found.seconds_per_step < estimate.BUDGET_S


@STAGES
def test_the_model_is_not_changed(config: TrainConfig) -> None:
    model, twin = build_model(TINY, seed=1).eval(), build_model(TINY, seed=1)
    estimate_stage(model, config, CPU)
    pairs = zip(model.parameters(), twin.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert not model.training


def test_global_randomness_is_not_changed() -> None:
    before = torch.random.get_rng_state()
    estimated(DENOISER)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_other_processes_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(engine, "Accelerator", refuse)
    assert estimated(ENCODER).seconds_per_step > 0


def test_a_precision_that_is_not_resolved_is_refused() -> None:
    with pytest.raises(ConfigError, match="precision"):
        estimated(replace(ENCODER, precision="auto"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@STAGES
def test_memory_is_measured_on_a_gpu(config: TrainConfig) -> None:
    config = replace(config, patch=96, batch=16)
    found = estimate_stage(build_model(LITE), config, torch.device("cuda"))
    work = estimate._Work(16, 1, 96)
    counted = estimate._memory(build_model(LITE), config, estimate._count(LITE, config), work)
    assert found.memory_is_measured
    assert 0.5 < counted / found.memory_bytes < 2


# ----------------------------------------------------------- the tool that measures real training


@pytest.mark.slow
def test_the_tool_measures_both_stages_and_the_unused_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(2):
        Image.effect_noise((72, 64), 50).convert("RGB").save(tmp_path / f"{number}.png")
    monkeypatch.setattr(measure_training, "LOADER_S", 0.05)
    monkeypatch.setattr(measure_training, "PRODUCT_SIDE", {"cpu": 256})
    sizes = ["--batch=2", "--patch=32", "--steps=1", "--rounds=2"]
    measure_training.main([str(tmp_path), *sizes, "--device=cpu", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [row["stage"] for row in found["stages"]] == ["encoder", "diffusion"]
    assert all(row["loader_ratio"] > 0 < row["product_share"] for row in found["stages"])
    assert [row["variant"] for row in found["unused"]] == list(measure_training.VARIANTS)


@pytest.mark.parametrize(("predicts_again", "passes"), [(False, 1), (True, 2)], ids=str)
def test_unused_work_passes_the_network_as_often_as_it_says(
    predicts_again: bool, passes: int
) -> None:
    model, calls = build_model(TINY, seed=1), []
    model.denoise_fn.register_forward_hook(lambda *_: calls.append(1))
    plain = one_loss(model)
    wasteful = one_loss(measure_training.waste(model, predicts_again=predicts_again))
    assert torch.equal(plain, wasteful)
    assert len(calls) == 1 + passes


def one_loss(model: SuperResolver) -> Tensor:
    hr, lr = torch.zeros(2, 3, 32, 32), torch.zeros(2, 3, 8, 8)
    batch = clean_batch(hr, lr, hr[:, :1])
    loss: Tensor = Objective(model, DENOISER)(batch, (0, 9), torch.ones_like(hr))
    return loss


def test_kernels_that_overlap_are_busy_once() -> None:
    spans = [(5.0, 6.0), (0.0, 2.0), (1.0, 3.0), (1.5, 2.0)]
    assert measure_training.covered(spans) == 4

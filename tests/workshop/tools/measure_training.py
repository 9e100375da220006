"""Measure training on this machine: the loader, the device's use, and work that is thrown away.

    python -m tests.workshop.tools.measure_training FOLDER --photos 20 --preset lite --steps 10

1. Each stage is trained for some steps as ``samsr train`` does: images per second, the share of
   the time that it waits for data, how much of it the device is busy, and the FLOPs of
   ``training.estimate`` as a share of what a large matrix product reaches in the same run. Beside
   it, what the loader gives alone, and what the estimate foretold.
2. The published code computes at every training step also ``x_{t-1}``, a reverse step from the
   prediction it has, and three images, none of which the loss uses. The diffusion stage is trained
   without that, with it, and with a second pass of the noise predictor in the reverse step, in
   turns; the ratio of the time of a step to that without is the median over the rounds, with
   quartiles.

On the CPU, other programs on the same cores change everything here but the ratios.
"""

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from torch.autograd import DeviceType  # type: ignore[attr-defined]  # torch does not list it

from sam_diffsr_cli.data.crops import CropPlan, TrainingPhoto, crop_side
from sam_diffsr_cli.data.loader import prefetch
from sam_diffsr_cli.device import DTYPES, peak_memory, resolve_precision
from sam_diffsr_cli.diffusion.gaussian import p_mean, q_sample
from sam_diffsr_cli.diffusion.residual import residual_to_image
from sam_diffsr_cli.diffusion.schedule import Schedule, extract
from sam_diffsr_cli.networks.model import Condition, SuperResolver, build_model
from sam_diffsr_cli.recipes.records import RECIPES, Recipe, TrainConfig
from sam_diffsr_cli.training.batches import BatchSource
from sam_diffsr_cli.training.engine import Engine, start_engine
from sam_diffsr_cli.training.estimate import StageEstimate, estimate_stage
from sam_diffsr_cli.training.loop import TrainStep, train
from sam_diffsr_cli.training.photos import PhotoRequest, find_photos, place_photos, prepare
from sam_diffsr_cli.training.recorder import RunOptions
from sam_diffsr_cli.training.run import _workers
from sam_diffsr_cli.training.state import new_state

if TYPE_CHECKING:
    from sam_diffsr_cli.data.cache import CacheEntry
    from sam_diffsr_cli.training.run import TrainRun

WARM_UP = 2
LOADER_S = 3.0
"""Seconds for which the loader is run alone."""

PRODUCT_SIDE = {"cpu": 2048, "cuda": 8192}
VARIANTS = ("without", "as published", "with a second pass")


@dataclass(frozen=True, slots=True)
class Setup:
    """What is measured: the recipe, where, on which photos, for how many steps."""

    recipe: Recipe
    engine: Engine
    entries: "Sequence[CacheEntry]"
    photos: Sequence[TrainingPhoto]
    workers: int
    steps: int

    def source(self, config: TrainConfig) -> BatchSource:
        """Make the batches of a stage as a run does."""
        sizes = [entry.size for entry in self.entries]
        scale = self.recipe.model.scale
        return BatchSource(
            photos=self.photos,
            plan=CropPlan(sizes, config.patch, scale, augment=config.augment),
            config=config,
            diffusion=self.recipe.model.diffusion,
            device=self.engine.device,
            share=self.engine.share(config.accumulate),
        )

    def steps_of(self, model: SuperResolver, config: TrainConfig, workers: int) -> "Steps":
        """Train a model, which is moved to the device."""
        state = new_state(model, config, self.engine.device)
        return train(state, self.source(config), self.engine, workers=workers)


Steps = Iterator[TrainStep]


@dataclass(frozen=True, kw_only=True, slots=True)
class StageRow:
    """How a stage trains.

    ``utilisation`` is the share of the time in which the device computes: on a GPU some kernel
    runs, on the CPU the loop does not wait for data.
    """

    stage: str
    precision: str
    batch: int
    patch: int
    workers: int
    step_s: float
    images_per_s: float
    loader_images_per_s: float
    loader_ratio: float
    wait_share: float
    utilisation: float
    tflop_per_s: float
    product_tflop_per_s: float
    product_share: float
    memory_mib: float | None
    estimated_step_s: float
    estimated_memory_mib: float


@dataclass(frozen=True, kw_only=True, slots=True)
class UnusedRow:
    """A step with or without the unused work, and its ratio to one without, over the rounds."""

    variant: str
    step_s: float
    ratio: float
    lower_quartile: float
    upper_quartile: float


# ----------------------------------------------------------------------------- a stage as it runs


def measure_stage(setup: Setup, config: TrainConfig, product_flops: float) -> StageRow:
    """Train for some steps, then run the loader alone."""
    device = setup.engine.device
    model = build_model(setup.recipe.model, config.seed)
    estimate = estimate_stage(model, config, device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    endless = replace(config, steps=10**9)
    steps = setup.steps_of(model, endless, setup.workers)
    take(steps, WARM_UP, device)
    seconds, waited_s = take(steps, setup.steps, device)
    busy_share = kernel_share(steps, device) if device.type == "cuda" else 1 - waited_s / seconds
    memory = peak_memory(device)
    steps.close()  # type: ignore[attr-defined]  # it is a generator
    loader = loader_rate(setup, config)
    rate = config.batch * setup.steps / seconds
    flops = estimate.flops_per_step * setup.steps / seconds
    return StageRow(
        stage=config.stage,
        precision=config.precision,
        batch=config.batch,
        patch=config.patch,
        workers=setup.workers,
        step_s=seconds / setup.steps,
        images_per_s=rate,
        loader_images_per_s=loader,
        loader_ratio=loader / rate,
        wait_share=waited_s / seconds,
        utilisation=busy_share,
        tflop_per_s=flops / 1e12,
        product_tflop_per_s=product_flops / 1e12,
        product_share=flops / product_flops,
        memory_mib=None if memory is None else memory / 2**20,
        **foretold(estimate),
    )


def foretold(estimate: StageEstimate) -> dict[str, float]:
    """Return what the estimate said of time and memory."""
    return {
        "estimated_step_s": estimate.seconds_per_step,
        "estimated_memory_mib": estimate.memory_bytes / 2**20,
    }


def take(steps: Steps, count: int, device: torch.device) -> tuple[float, float]:
    """Do some steps; return their seconds, and those of them spent waiting for data."""
    began = time.perf_counter()
    waited_s = sum(step.wait_s for step in itertools.islice(steps, count))
    synchronize(device)
    return time.perf_counter() - began, waited_s


def synchronize(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def loader_rate(setup: Setup, config: TrainConfig) -> float:
    """Return the crops a second that are made ready while nothing else is done."""
    batches = prefetch(setup.source(config).make, itertools.count(), setup.workers)
    for _ in range(WARM_UP * (1 + setup.workers)):
        next(batches)
    synchronize(setup.engine.device)
    began, made = time.perf_counter(), 0
    while time.perf_counter() - began < LOADER_S:
        next(batches)
        made += 1
    synchronize(setup.engine.device)
    rate = config.batch * made / (time.perf_counter() - began)
    batches.close()  # type: ignore[attr-defined]  # it is a generator
    return rate


def kernel_share(steps: Steps, device: torch.device) -> float:
    """Return the share of the time in which some kernel runs; profiling slows the rest a little."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        seconds, _ = take(steps, 5, device)
    spans = (
        (event.time_range.start, event.time_range.end)
        for event in profiler.events() or ()
        if event.device_type == DeviceType.CUDA and not event.is_user_annotation
    )
    return covered(spans) / 1e6 / seconds


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return the length of the union of spans."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Return the FLOPs a second of a large matrix product, the best of several."""
    side = PRODUCT_SIDE.get(device.type, 4096)
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    best_s = float("inf")
    for _ in range(8):
        synchronize(device)
        began = time.perf_counter()
        a @ b
        synchronize(device)
        best_s = min(best_s, time.perf_counter() - began)
    return 2 * side**3 / best_s


# ----------------------------------------------------------------------------------- unused work


def waste(model: SuperResolver, *, predicts_again: bool) -> SuperResolver:
    """Let a model do beside each prediction what the published training step does, and drop it."""
    predict = model.predict_eps
    scale = model.config.diffusion.residual_scale

    def predict_eps(x_t: Tensor, t: Tensor, condition: Condition, schedule: Schedule) -> Tensor:
        eps = predict(x_t, t, condition, schedule)
        with torch.no_grad():
            # From x_t in the place of x_start, which is not known here: it costs the same.
            earlier = q_sample(x_t, (t - 1).clamp_min(0), torch.randn_like(x_t), schedule)
            again = predict(x_t, t, condition, schedule) if predicts_again else eps
            mean, _ = p_mean(x_t, t, again, schedule)
            spread = (0.5 * extract(schedule.posterior_log_variance_clipped, t, x_t)).exp()
            sample = mean + spread * torch.randn_like(x_t)
            for residual in (x_t, earlier, sample):
                residual_to_image(residual, condition.base, scale)
        return eps

    model.predict_eps = predict_eps  # type: ignore[method-assign,assignment]
    return model


def measure_unused(setup: Setup, config: TrainConfig, rounds: int) -> list[UnusedRow]:
    """Train with and without the unused work, a step of each in turns."""
    device, endless = setup.engine.device, replace(config, steps=10**9)
    runs = {}
    for variant in VARIANTS:
        model = build_model(setup.recipe.model, config.seed)
        if variant != VARIANTS[0]:
            waste(model, predicts_again=variant == VARIANTS[2])
        runs[variant] = setup.steps_of(model, endless, 0)
    seconds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for number in range(WARM_UP + rounds):
        for place in range(len(VARIANTS)):
            variant = VARIANTS[(number + place) % len(VARIANTS)]
            taken_s, waited_s = take(runs[variant], 1, device)
            if number >= WARM_UP:
                seconds[variant].append(taken_s - waited_s)
    return [summary(variant, seconds[variant], seconds[VARIANTS[0]]) for variant in VARIANTS]


def summary(variant: str, seconds: list[float], without: list[float]) -> UnusedRow:
    """Compare a variant with that without, round by round."""
    ratios = [one / other for one, other in zip(seconds, without, strict=True)]
    lower, middle, upper = statistics.quantiles(ratios, n=4, method="inclusive")
    return UnusedRow(
        variant=variant,
        step_s=statistics.median(seconds),
        ratio=middle,
        lower_quartile=lower,
        upper_quartile=upper,
    )


# -------------------------------------------------------------------------------------- in and out


def read_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="photos to train on")
    parser.add_argument("--photos", type=int, help="use so many of them (default: all)")
    parser.add_argument("--masks", type=Path, help="folder of mask files")
    parser.add_argument("--preset", choices=("lite", "paper"), default="lite")
    parser.add_argument("--batch", type=int, help="crops a step (default: the preset's)")
    parser.add_argument("--patch", type=int, help="side of a crop (default: the preset's)")
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16 or fp16")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--steps", type=int, default=10, help="steps of each stage")
    parser.add_argument("--rounds", type=int, default=10, help="of the unused work, at least 2")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    if options.rounds < 2 or options.steps < 1:
        parser.error("--rounds is at least 2, --steps at least 1")
    return options


def make_setup(options: argparse.Namespace, cache: Path) -> Setup:
    """Prepare the photos, and resolve the recipe."""
    engine = start_engine(options.device)
    recipe = RECIPES[options.preset]
    asked = {name: getattr(options, name) for name in ("batch", "patch")}
    given = {name: value for name, value in asked.items() if value is not None}
    given["precision"] = resolve_precision(options.precision, engine.device)
    encoder, diffusion = (replace(config, **given) for config in (recipe.encoder, recipe.diffusion))
    recipe = replace(recipe, encoder=encoder, diffusion=diffusion)
    request = PhotoRequest(
        masks=options.masks,
        mask_norm=encoder.mask_norm,
        least_side=crop_side(encoder.patch, recipe.model.scale),
        cache=cache,
    )
    found = list(prepare(find_photos([options.folder])[: options.photos], request))
    for photo in found:
        if photo.entry is None:
            print(photo.reason, file=sys.stderr)
    entries = [photo.entry for photo in found if photo.entry is not None]
    photos = place_photos(entries, engine.device)
    asking = SimpleNamespace(options=RunOptions(), engine=engine)
    workers = _workers(cast("TrainRun", asking), photos)
    return Setup(recipe, engine, entries, photos, workers, options.steps)


def print_tables(stages: Sequence[StageRow], unused: Sequence[UnusedRow]) -> None:
    """Print what was measured for people."""
    for row in stages:
        print(f"{row.stage} stage, batch {row.batch}, patch {row.patch}, {row.precision}:")
        memory = "?" if row.memory_mib is None else f"{row.memory_mib:.0f}"
        print(
            f"  step          {row.step_s:.3f} s ({row.estimated_step_s:.3f} estimated), "
            f"{row.images_per_s:.1f} images/s\n"
            f"  loader alone  {row.loader_images_per_s:.1f} images/s with {row.workers} workers, "
            f"{row.loader_ratio:.1f} times what is used\n"
            f"  waiting       {100 * row.wait_share:.1f} % of the time; "
            f"device busy {100 * row.utilisation:.1f} %\n"
            f"  work          {row.tflop_per_s:.3f} TFLOP/s, {100 * row.product_share:.1f} % of "
            f"a matrix product's {row.product_tflop_per_s:.3f}\n"
            f"  peak memory   {memory} MiB, on the CPU of this whole process so far "
            f"({row.estimated_memory_mib:.0f} estimated for the training alone)"
        )
    print("diffusion stage, work that is thrown away:")
    for found in unused:
        print(
            f"  {found.variant:20} {found.step_s:.3f} s, {found.ratio:.3f} times "
            f"({found.lower_quartile:.3f} to {found.upper_quartile:.3f})"
        )


def main(arguments: Sequence[str]) -> None:
    """Measure, and print."""
    options = read_options(arguments)
    with tempfile.TemporaryDirectory() as name:
        setup = make_setup(options, Path(name))
        device, config = setup.engine.device, setup.recipe.diffusion
        on_gpu = device.type == "cuda"
        dtype = torch.bfloat16 if on_gpu else DTYPES[config.precision]
        rate = product_rate(device, dtype)
        stages = [measure_stage(setup, stage, rate) for stage in setup.recipe.plan]
        unused = measure_unused(setup, config, options.rounds)
        setup.engine.close()
    if options.json:
        parts = {"stages": [asdict(r) for r in stages], "unused": [asdict(r) for r in unused]}
        machine = {"device": str(device), "threads": torch.get_num_threads()}
        print(json.dumps({**machine, "photos": len(setup.entries), **parts}, indent=2))
    else:
        print_tables(stages, unused)


if __name__ == "__main__":
    main(sys.argv[1:])

"""What a stage of training will cost, told before it runs: work, memory and time.

Counted on tensors without contents, so that a stage larger than this machine can be counted too;
time is measured on noise, with the loop that trains.
"""

import contextlib
import copy
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks

from sam_diffsr_cli.config import NUM_LEVELS, ModelConfig
from sam_diffsr_cli.data.crops import Batch, CropPlan, TrainingPhoto, crop_side
from sam_diffsr_cli.device import free_memory, memory_errors
from sam_diffsr_cli.diffusion.distillation import distillation_plan
from sam_diffsr_cli.networks.counting import WorkCounter
from sam_diffsr_cli.networks.model import SuperResolver, build_model
from sam_diffsr_cli.recipes.records import TrainConfig
from sam_diffsr_cli.training.batches import BatchSource
from sam_diffsr_cli.training.engine import Engine, Share
from sam_diffsr_cli.training.loop import train
from sam_diffsr_cli.training.objective import Objective
from sam_diffsr_cli.training.state import TrainState, network_of, new_state
from sam_diffsr_cli.upscaling.speed import time_growing

__all__ = ["StageEstimate", "estimate_stage"]

BUDGET_S = 8.0
"""Measuring time stops about here; what does not fit is measured smaller and scaled up."""

START_FLOPS = 1e11
"""The first measurement is of about so much work; of less, much of the time is overhead."""

GROWTH, TIMED = 4, 3
"""Times the work of the measurement before; steps whose median it is, after one that warms up."""

FLOAT, HALF, PER_PARAMETER = 4, 2, 4
"""Bytes of a value, and of one cast; values beside a parameter: gradient, moments, average."""

IMAGES = 12
"""Channels that the loss holds beside the batch: residual, input, answer and target."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageEstimate:
    """What one process that trains a stage needs.

    Attributes:
        parameters: That are trained.
        parameters_total: Of both networks.
        flops_per_step: Of layers and their gradients for a batch, 2 per multiply-add.
        memory_bytes: At most; the program, photos and what the allocator holds come on top.
        memory_is_measured: It was measured on the device, not counted.
        seconds_per_step: With the next batch ready.
        seconds_total: Of all steps, without validations and saving.
        crops_timed: Crops in the steps that were timed.
        patch_timed: Side of those crops, pixels.
        note: How the time was scaled up; empty when whole steps were timed.
    """

    parameters: int
    parameters_total: int
    flops_per_step: int
    memory_bytes: int
    memory_is_measured: bool
    seconds_per_step: float
    seconds_total: float
    crops_timed: int
    patch_timed: int
    note: str


class _Work(NamedTuple):
    """The size of a step that is timed: crops, in how many pieces, and their side."""

    crops: int
    pieces: int
    patch: int

    @property
    def area(self) -> int:
        return self.crops * self.patch**2

    def __str__(self) -> str:
        return f"{self.crops} x {self.patch}x{self.patch} pixels"


class _Counted(NamedTuple):
    """FLOPs of one crop, and bytes that are kept of it for the backward pass."""

    flops: int
    kept: int


class _Timed(NamedTuple):
    """A step of ``work`` took ``seconds``, and took ``memory`` bytes where that can be told."""

    work: _Work
    seconds: float
    memory: int | None


class _Alone(Engine):
    """This process without accelerate; others launched with it measure for themselves."""

    def wrap(self, module: nn.Module) -> nn.Module:
        return module

    def keep_local(self, module: nn.Module) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext(module)

    def mean(self, values: Tensor) -> Tensor:
        return values


def estimate_stage(
    model: SuperResolver, config: TrainConfig, device: torch.device
) -> StageEstimate:
    """Tell what training ``model`` by ``config`` on ``device`` will cost, without data.

    It takes about ten seconds, or two of the least steps. What would take too long, or more memory
    than is free, is timed smaller and scaled up by its area.

    Args:
        model: Not changed.
        config: Its precision is resolved.
        device: Where to train.

    Raises:
        ConfigError: The precision is not resolved.
        ResourceError: Memory ran out, though it was counted before.
    """
    counted = _count(model.config, config)
    whole = _Work(config.batch, config.accumulate, config.patch)
    with memory_errors("use a smaller batch or patch, or a larger accumulate"):
        timed = _time(model, config, device, counted)
    is_whole = timed.work == whole
    seconds = timed.seconds * whole.area / timed.work.area
    measured = timed.memory if is_whole else None
    return StageEstimate(
        parameters=_size(network_of(model, config)),
        parameters_total=_size(model),
        flops_per_step=counted.flops * config.batch,
        memory_bytes=measured or _memory(model, config, counted, whole),
        memory_is_measured=measured is not None,
        seconds_per_step=seconds,
        seconds_total=seconds * config.steps,
        crops_timed=timed.work.crops,
        patch_timed=timed.work.patch,
        note="" if is_whole else f"scaled up from a step of {timed.work} to one of {whole}",
    )


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _count(model_config: ModelConfig, config: TrainConfig) -> _Counted:
    """Count one crop, on the CPU whatever the device: the operations are the same."""
    start = model_config.diffusion.usual_start(is_clean=config.expert)
    if config.stage == "distill":  # kept from here on, and of real tensors
        distillation_plan(model_config.diffusion, config.teacher_steps, start)
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = build_model(model_config).requires_grad_(requires_grad=False)
        network_of(model, config).requires_grad_()
        every = [tuple(p.shape) for p in model.parameters()]
        shapes = {shape for each in every for shape in (each, each[::-1])}
        shapes |= {(n, k, *rest) for n, m, *rest in (e for e in every if e[2:]) for k in range(m)}
        kept: dict[int, torch.UntypedStorage] = {}

        def keep(tensor: Tensor) -> Tensor:
            # No parameter, part or cast of one: these are not made anew for each crop.
            if tuple(tensor.shape) not in shapes:
                kept[id(tensor.untyped_storage())] = tensor.untyped_storage()
            return tensor

        side, low = config.patch, config.patch // model_config.scale
        noise, levels = torch.zeros(1, 3, side, side), torch.zeros(1, NUM_LEVELS)
        batch = Batch(
            hr=torch.zeros_like(noise),
            lr=torch.zeros(1, 3, low, low),
            spe=torch.zeros(1, 1, side, side),
            levels=levels,
            told=levels,
        )
        objective = Objective(model, config)
        with WorkCounter() as counter, saved_tensors_hooks(keep, lambda x: x):
            objective(batch, (start,), noise).backward()
        return _Counted(counter.flops, sum(s.nbytes() for s in kept.values()))


def _memory(model: SuperResolver, config: TrainConfig, counted: _Counted, work: _Work) -> int:
    """Count the bytes that ``work`` takes at most: when the trained network has its turn."""
    total, trained = _size(model), _size(network_of(model, config))
    cast = 0 if config.precision == "fp32" else HALF * total
    fixed = FLOAT * (total + PER_PARAMETER * trained) + cast
    area, low_area = work.patch**2, (work.patch // model.config.scale) ** 2
    batch = FLOAT * work.crops * (7 * area + 3 * low_area)
    kept = counted.kept * area / config.patch**2 + FLOAT * IMAGES * area
    return fixed + batch + round(kept * work.crops / work.pieces)


def _time(
    model: SuperResolver, config: TrainConfig, device: torch.device, counted: _Counted
) -> _Timed:
    """Time steps of growing size, up to the whole one while time and memory allow."""
    deadline = time.perf_counter() + BUDGET_S
    before, free, works = _watch(device), free_memory(device), _growing(config, model.config)
    state = new_state(copy.deepcopy(model), config, device)
    while len(works) > 1 and free is not None and _memory(model, config, counted, works[-1]) > free:
        works.pop()
    while len(works) > 1 and counted.flops * works[1].area <= START_FLOPS * config.patch**2:
        works.pop(0)

    def time_steps(work: _Work, larger: _Work | None) -> tuple[list[float], bool]:
        growth = None if larger is None else larger.area / work.area
        return _sample(_seconds(state, work, device), growth, deadline)

    work, (seconds, _) = time_growing(works, time_steps, lambda taken, _: taken[1])
    # Where every step was skipped there are no moments yet, and the peak is too low.
    has_peak = before is not None and bool(state.optimizer.state)
    peak = torch.cuda.max_memory_allocated(device) - (before or 0) if has_peak else None
    return _Timed(work, statistics.median_low(seconds), peak)


def _sample(
    steps: Iterator[float], growth: float | None, deadline: float
) -> tuple[list[float], bool]:
    """Time steps after one that warms up; also tell whether those ``growth`` times as large fit."""
    next(steps)
    seconds: list[float] = []
    for taken_s in steps:
        seconds.append(taken_s)
        # Not by one that was held up: it does not tell how long a larger one takes.
        each, left = min(seconds), deadline - time.perf_counter()
        if growth is not None and 2 * growth * each <= left:
            return seconds, True
        if each > left:
            break
    return seconds, False


def _growing(config: TrainConfig, model_config: ModelConfig) -> list[_Work]:
    """List the steps to time: small crops, one real crop, more, a piece, the whole batch."""
    unit = model_config.scale * model_config.size_multiple
    least = -(-max(16, model_config.scale * model_config.least_size) // unit) * unit
    sides = (max(least, config.patch // part // unit * unit) for part in (GROWTH, 2))
    works = [_Work(1, 1, side) for side in sides if side < config.patch]
    piece = config.batch // config.accumulate
    counts = (GROWTH**number for number in range(piece.bit_length()))
    works += [_Work(count, 1, config.patch) for count in counts if count < piece]
    works.append(_Work(piece, 1, config.patch))
    if config.accumulate > 1:
        works.append(_Work(config.batch, config.accumulate, config.patch))
    return works


def _seconds(state: TrainState, work: _Work, device: torch.device) -> Iterator[float]:
    """Train on noise; yield what each step took, the first and ``TIMED`` more, its batch ready."""
    state.config = config = replace(
        state.config,
        batch=work.crops,
        accumulate=work.pieces,
        patch=work.patch,
        steps=state.step + 1 + TIMED,
    )
    scale = state.model.config.scale
    side = crop_side(work.patch, scale)
    pixels = torch.randint(256, (3, side, side), generator=torch.Generator(), dtype=torch.uint8)
    source = BatchSource(
        photos=[TrainingPhoto("noise", pixels.to(device))],
        plan=CropPlan([(side, side)], work.patch, scale),
        config=config,
        diffusion=state.model.config.diffusion,
        device=device,
        share=Share(accumulate=work.pieces),
    )
    began = time.perf_counter()
    for step in train(state, source, _Alone(device, None)):
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        yield time.perf_counter() - began - step.wait_s
        began = time.perf_counter()


def _watch(device: torch.device) -> int | None:
    """Begin to note the most memory that is taken of a CUDA device; return what is taken now."""
    if device.type != "cuda":
        return None
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return int(torch.cuda.memory_allocated(device))

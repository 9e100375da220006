"""Measure encoders of several families: cost when enlarging, speed of training, and short trials.

    python -m tests.workshop.benchmarks.encoders
    python -m tests.workshop.benchmarks.encoders --only SPAN --minutes 6 --data PHOTOS \
        --bench BENCH/Set5 --bench BENCH/Set14

All at one thread, in turns: a round measures each family once, and the medians of the rounds are
told. CPU seconds a megapixel of output are of an input of 128x128; training is forward, backward
and Adam on 8 crops of 32x32 inputs, each under both layouts of memory, the faster of which is told.
With ``--minutes`` each family is trained that many minutes of CPU time from the same seed on the
same clean crops (L1, Adam of 1e-3 falling by a cosine), and its PSNR-Y on the sets is told.
"""

import argparse
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from sam_diffsr_cli import resize
from sam_diffsr_cli.evaluation.protocols import find_protocol
from sam_diffsr_cli.evaluation.sets import find_set, read_pair
from sam_diffsr_cli.metrics import psnr_y
from sam_diffsr_cli.networks.encoders import ResidualEncoder
from sam_diffsr_cli.pictures.finding import find_pictures
from sam_diffsr_cli.pictures.reading import read_levels
from tests.workshop.benchmarks.trial_encoders import (
    Esc,
    LargePartial,
    LocalFeature,
    Modulated,
    Span,
    Trial,
    conv3,
)

SCALE, SIDE, BATCH, CROP = 4, 128, 8, 32
LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
PHOTOS, RATE = 80, 1e-3


class Plain(nn.Module):
    """The plain encoder of the package, told no levels."""

    def __init__(self, num_feat: int, num_block: int) -> None:
        super().__init__()
        self.inner = ResidualEncoder(num_feat=num_feat, num_block=num_block, scale=SCALE)

    def forward(self, lr: Tensor) -> Tensor:
        sr: Tensor = self.inner(lr).sr
        return sr


def _stack(width: int, count: int, block: Callable[[], nn.Module]) -> nn.Module:
    return Trial(width, nn.Sequential(*(block() for _ in range(count)), conv3(width, width)))


FAMILIES: Mapping[str, Callable[[], nn.Module]] = {
    "plain 64x11 (bundled)": lambda: Plain(64, 11),
    "RLFN 52x6": lambda: _stack(52, 6, lambda: LocalFeature(52)),
    "SPAN 48x6": lambda: Trial(48, Span(48, 6)),
    "SPAN 64x8": lambda: Trial(64, Span(64, 8)),
    "SMFANet 36x8": lambda: _stack(36, 8, lambda: Modulated(36)),
    "SMFANet+ 48x16": lambda: _stack(48, 16, lambda: Modulated(48)),
    "PLKSR 48x5, kernel 13": lambda: _stack(48, 5, lambda: LargePartial(48, 13)),
    "PLKSR-tiny 64x12, kernel 13": lambda: _stack(64, 12, lambda: LargePartial(64, 13)),
    "ESC 48x3x4": lambda: Trial(48, Esc(48, 3, 4)),
    "ESC-light 64x3x5": lambda: Trial(64, Esc(64, 3, 5)),
}
"""Networks by name: channels x blocks (x ConvAttn in each)."""


def build_trial(name: str, seed: int = 0) -> nn.Module:
    """Build one of ``FAMILIES`` with parameters drawn from ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FAMILIES[name]()


class Speed(NamedTuple):
    """Parameters in millions, CPU seconds a megapixel, crops a CPU second, and by which layout."""

    parameters: float
    enlarging: float
    crops: float
    layout: str


def time_enlarging(model: nn.Module) -> float:
    """Return CPU seconds a megapixel of output."""
    lr = torch.rand(1, 3, SIDE, SIDE) * 2 - 1
    with torch.inference_mode():
        began = time.process_time()
        model(lr)
        return (time.process_time() - began) / ((SIDE * SCALE) ** 2 / 1e6)


def time_step(model: nn.Module, layout: torch.memory_format) -> float:
    """Return crops a CPU second of one step of training."""
    model = model.to(memory_format=layout)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.0)
    lr = (torch.rand(BATCH, 3, CROP, CROP) * 2 - 1).to(memory_format=layout)
    hr = torch.rand(BATCH, 3, CROP * SCALE, CROP * SCALE) * 2 - 1
    for is_counted in (False, True):
        began = time.process_time()
        _step(model, optimiser, lr, hr)
        if is_counted:
            return BATCH / (time.process_time() - began)
    raise AssertionError


def _step(model: nn.Module, optimiser: torch.optim.Optimizer, lr: Tensor, hr: Tensor) -> float:
    optimiser.zero_grad()
    loss = l1_loss(model(lr), hr)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return float(loss.detach())


def measure_speeds(names: Sequence[str], rounds: int) -> dict[str, Speed]:
    """Measure each family in each round; take medians."""
    enlarging: dict[str, list[float]] = {name: [] for name in names}
    crops: dict[tuple[str, str], list[float]] = {(n, w): [] for n in names for w in LAYOUTS}
    for _ in range(rounds):
        for name in names:
            model = build_trial(name)
            enlarging[name].append(time_enlarging(model))
            for word, layout in LAYOUTS.items():
                crops[name, word].append(time_step(model, layout))
    speeds = {}
    for name in names:
        count = sum(parameter.numel() for parameter in build_trial(name).parameters()) / 1e6
        medians = {word: statistics.median(crops[name, word]) for word in LAYOUTS}
        best = max(medians, key=lambda word: medians[word])
        speeds[name] = Speed(count, statistics.median(enlarging[name]), medians[best], best)
    return speeds


def read_photos(folders: Sequence[Path]) -> list[Tensor]:
    """Read some of the photos, ``(3, H, W)`` uint8, chosen by a fixed seed."""
    paths = [path for folder in folders for path in find_pictures(folder, recursive=True)]
    chosen = random.Random(0).sample(paths, min(PHOTOS, len(paths)))  # noqa: S311 - no secret
    return [torch.from_numpy(read_levels(path).copy()).permute(2, 0, 1) for path in chosen]


def draw_batches(photos: Sequence[Tensor], seed: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """Draw clean crops without end: inputs and truths in [-1, 1]; the seed decides all."""
    rng = np.random.default_rng(seed)
    side, margin = CROP * SCALE, 2 * SCALE
    while True:
        cut = []
        for _ in range(BATCH):
            photo = photos[int(rng.integers(len(photos)))]
            top, left = (int(rng.integers(n - side - 2 * margin + 1)) for n in photo.shape[1:])
            crop = photo[:, top : top + side + 2 * margin, left : left + side + 2 * margin]
            crop = torch.rot90(crop, int(rng.integers(4)), dims=(1, 2))
            cut.append(crop.flip(-1) if rng.random() < 0.5 else crop)
        whole = torch.stack(cut).double()
        lr = resize.downscale_uint8(whole, SCALE)[..., 2:-2, 2:-2]
        hr = whole[..., margin:-margin, margin:-margin]
        yield lr.float() / 127.5 - 1, hr.float() / 127.5 - 1


def train(model: nn.Module, photos: Sequence[Tensor], minutes: float) -> int:
    """Train for so many minutes of CPU time; return the steps that were made."""
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    began, steps = time.process_time(), 0
    for lr, hr in draw_batches(photos):
        share = (time.process_time() - began) / (60 * minutes)
        if share >= 1:
            break
        warm = min(1.0, (steps + 1) / 50)
        for group in optimiser.param_groups:
            group["lr"] = RATE * warm * (1 + math.cos(math.pi * share)) / 2
        _step(model, optimiser, lr, hr)
        steps += 1
    return steps


@torch.inference_mode()
def judge(model: nn.Module, place: str) -> float:
    """Return the mean PSNR-Y over a set, by the protocol ``standard``."""
    protocol, values = find_protocol("standard", SCALE), []
    for truth in find_set(place).truths:
        case = read_pair(truth, None, protocol, SCALE)
        lr = torch.from_numpy(case.lr.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        levels = ((model(lr)[0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        values.append(psnr_y(levels.permute(1, 2, 0).numpy(), case.hr, protocol.shave))
    return statistics.fmean(values)


def table(speeds: dict[str, Speed], psnrs: dict[str, str], sets: Sequence[str]) -> str:
    """Write a line a family."""
    head = ["", "M parameters", "CPU s/MP", "crops/s in training", "layout", *sets]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, speed in speeds.items():
        cells = f"{speed.parameters:.3f} | {speed.enlarging:.2f} | {speed.crops:.1f}"
        more = f" | {psnrs[name]}" if name in psnrs else ""
        lines.append(f"| {name} | {cells} | {speed.layout}{more} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, train where that is asked, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", action="append", help="part of a family's name; several times")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=0.0, help="of training for each")
    parser.add_argument("--data", type=Path, action="append", default=[], help="folders of photos")
    parser.add_argument("--bench", action="append", default=[], help="sets, as of samsr evaluate")
    given = parser.parse_args()
    names = [n for n in FAMILIES if not given.only or any(part in n for part in given.only)]
    torch.set_num_threads(1)
    speeds = measure_speeds(names, given.rounds)
    print(table(speeds, {}, []), flush=True)
    if not given.minutes:
        return
    photos, psnrs = read_photos(given.data), {}
    for name in names:
        model = build_trial(name).to(memory_format=LAYOUTS[speeds[name].layout])
        steps = train(model, photos, given.minutes)
        found = [f"{judge(model.eval(), place):.2f}" for place in given.bench]
        psnrs[name] = " | ".join([*found, str(steps)])
        print(f"{name}: {psnrs[name]}", flush=True)
    sets = [find_set(place).name for place in given.bench]
    print(table(speeds, psnrs, [*sets, "steps"]))


if __name__ == "__main__":
    main()

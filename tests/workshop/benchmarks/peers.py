"""Set the model beside networks of others on the same clean and dirty inputs.

    python -m tests.workshop.benchmarks.peers --peers NETWORKS --out DIR --data BENCH/Set14 \
        --data B100=BENCH/B100:30 --data BENCH/Kodak12 --lpips squeeze

NETWORKS is a folder of NAME.param and NAME.bin, x4 networks in the format of ncnn that take RGB in
[0, 1] as the blob ``data`` and give ``output``: so Real-ESRGAN publishes its own. They run on the
CPU through the package ncnn (``pip install ncnn``). All are measured by the protocol ``standard``
on the very inputs of ``samsr evaluate --degrade``. What is in DIR is not measured again: the
numbers of others stay, those of the model go by its digest, so new weights cost only their own
part. Name a set (``B100=``) and a count may grow later without losing what was measured. Where time
is short, ``--side 256`` takes the middle of each picture.

CPU seconds a megapixel of output are at one thread, on the first picture of each set, all methods
in turn; the median is told. TORCH_HOME names where the networks of LPIPS are.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from PIL import Image

from sam_diffsr_cli.digests import sha256_of
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.evaluation.methods import Method
from sam_diffsr_cli.evaluation.request import EvaluateOptions, plan_evaluation
from sam_diffsr_cli.evaluation.run import EvaluationPlan, Failure, ImageScores, evaluate, plain_name
from sam_diffsr_cli.evaluation.sets import Case, Truth, find_set, read_pair
from sam_diffsr_cli.pictures.reading import read_levels

ROWS = ("clean", "jpeg:75", "jpeg:40", "photo", "jpeg:30,75")
"""What inputs suffer, as of ``samsr evaluate --degrade``; the first nothing."""

OURS = ("fast", "default", "best")
LEAST_GAIN_DB, MOST_LPIPS = 1.0, 0.03
"""How far the default shall be above a peer in PSNR, and how far from it at most in LPIPS."""

Network = Callable[[np.ndarray], np.ndarray]
"""Maps ``(3, h, w)`` float32 in [0, 1] to ``(3, 4h, 4w)``, about in [0, 1]."""


class Numbers(NamedTuple):
    """Means over pictures: decibels, LPIPS where it was asked for, and decibels."""

    psnr_y: float
    lpips: float | None
    lr_psnr: float


Found = Mapping[tuple[str, str], Numbers]
"""By row and method."""


def load_network(param: Path) -> Network:
    """Load a network of ncnn, for one thread of the CPU.

    Raises:
        SystemExit: It cannot be read, or gives nothing.
    """
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = 1
    net.opt.use_vulkan_compute = False
    if net.load_param(str(param)) or net.load_model(str(param.with_suffix(".bin"))):
        raise SystemExit(f"{param}: not a network of ncnn")

    def run(unit: np.ndarray) -> np.ndarray:
        extractor = net.create_extractor()
        # A Mat borrows the memory of its array and does not keep it alive.
        held = np.ascontiguousarray(unit, dtype=np.float32)
        code = extractor.input("data", ncnn.Mat(held))
        failed, large = extractor.extract("output")
        if code or failed:
            raise SystemExit(f"{param}: no blob data, or no output")
        return np.array(large)

    return run


def peer_method(name: str, network: Network) -> Method:
    """Make a way to enlarge of a network: levels over 255, clipped and rounded at the end."""

    def enlarge(case: Case, _truth: Truth, _seed: int) -> np.ndarray:
        large = network(case.lr.transpose(2, 0, 1).astype(np.float32) / 255)
        levels = (large.clip(0, 1) * 255).round().astype(np.uint8)
        return np.ascontiguousarray(levels.transpose(1, 2, 0))

    return Method(name=name, steps=None, is_random=False, enlarge=enlarge)


def find_networks(folder: Path) -> list[Path]:
    """List the ``.param`` files that have a ``.bin`` beside them.

    Raises:
        SystemExit: There is none.
    """
    found = [path for path in sorted(folder.glob("*.param")) if path.with_suffix(".bin").is_file()]
    if not found:
        raise SystemExit(f"{folder}: no NAME.param with its NAME.bin")
    return found


def cut_sets(places: Sequence[str], side: int, out: Path) -> tuple[str, ...]:
    """Write the middle of each picture of the sets, ``side`` pixels at most, below ``out``.

    Returns:
        The same sets, as ``EvaluateOptions.data`` names them. Crops that are there stay as they
        are, so that what was measured of them is known again.
    """
    cut = []
    for test_set in map(find_set, places):
        folder = out / f"crops-{side}" / plain_name(test_set.name)
        for truth in test_set.truths:
            path = folder / truth.output
            if not path.exists():
                pixels = read_levels(truth.path)
                top, left = (max(0, (length - side) // 2) for length in pixels.shape[:2])
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels[top : top + side, left : left + side]).save(path)
        cut.append(f"{test_set.name}={folder}:{len(test_set.truths)}")
    return tuple(cut)


def make_plans(
    options: EvaluateOptions, networks: Sequence[Path], out: Path
) -> tuple[EvaluationPlan, EvaluationPlan]:
    """Plan the others' part with bicubic, and the model's, each with a folder of its own below."""
    row = plain_name(options.degrade or ROWS[0]).replace(":", "-")
    digests = ", ".join(f"{p.stem} {sha256_of(p.with_suffix('.bin'))[:16]}" for p in networks)
    others = plan_evaluation(replace(options, methods=("bicubic",)))
    ours = plan_evaluation(replace(options, methods=OURS))
    methods = [*others.methods, *(peer_method(p.stem, load_network(p)) for p in networks)]
    identity = {**others.identity, "peers": digests}
    digest = ours.identity["model"].rpartition(" ")[2]
    return (
        replace(others, methods=methods, identity=identity, out=out / "peers" / row),
        replace(ours, out=out / digest / row),
    )


def measure(plan: EvaluationPlan) -> Iterator[ImageScores]:
    """Measure what was not measured, and tell each on the way.

    Raises:
        SystemExit: A picture could not be measured.
    """
    for one in evaluate(plan):
        if isinstance(one, Failure):
            raise SystemExit(f"{one.picture}, {one.method}: {one.error}")
        yield one


def summarise(measured: Sequence[ImageScores], set_name: str | None = None) -> dict[str, Numbers]:
    """Take means over the pictures, of one set or of all, by method."""
    chosen = [one for one in measured if set_name in (None, one.set_name)]
    means = {}
    for method in dict.fromkeys(one.method for one in chosen):
        values = [one.values for one in chosen if one.method == method]
        mean = {name: statistics.fmean(each[name] for each in values) for name in values[0]}
        means[method] = Numbers(mean["psnr_y"], mean.get("lpips"), mean["lr_psnr"])
    return means


def table(found: Found, costs: Mapping[str, float]) -> str:
    """Write PSNR-Y / LPIPS / LR-PSNR, a line a method and a column a row of ``ROWS``."""
    rows = list(dict.fromkeys(row for row, _ in found))
    methods = list(dict.fromkeys(method for _, method in found))
    lines = ["| | " + " | ".join(rows) + " | CPU s/MP |", "|---" * (len(rows) + 2) + "|"]
    for method in methods:
        cells = [_cell(found[row, method]) for row in rows]
        cost = f"{costs[method]:.2f}" if method in costs else ""
        lines.append(f"| {method} | " + " | ".join(cells) + f" | {cost} |")
    return "\n".join(lines)


def _cell(numbers: Numbers) -> str:
    lpips = "" if numbers.lpips is None else f" / {numbers.lpips:.3f}"
    return f"{numbers.psnr_y:.2f}{lpips} / {numbers.lr_psnr:.1f}"


def verdicts(found: Found, peers: Sequence[str], method: str) -> Iterator[str]:
    """Say of each dirty row and peer how far the method is above it, and whether that is enough."""
    for row in dict.fromkeys(row for row, _ in found):
        ours = found[row, method]
        for peer in peers:
            theirs = found[row, peer]
            gain = ours.psnr_y - theirs.psnr_y
            text = f"{row}: {method} beside {peer}: {gain:+.2f} dB"
            is_reached = gain >= LEAST_GAIN_DB
            if ours.lpips is not None and theirs.lpips is not None:
                behind = ours.lpips - theirs.lpips
                text += f", LPIPS {behind:+.3f}"
                is_reached = is_reached and behind <= MOST_LPIPS
            yield f"{text}: {'reached' if is_reached else 'not reached'}"


def measure_costs(plans: Sequence[EvaluationPlan]) -> dict[str, float]:
    """Return the median of CPU seconds a megapixel of output, by method, all in turn."""
    methods = [method for plan in plans for method in plan.methods]
    taken: dict[str, list[float]] = {method.name: [] for method in methods}
    first = plans[0]
    for test_set in first.sets:
        truth = test_set.truths[0]
        case = read_pair(truth, None, first.protocol, first.scale, first.degradation)
        megapixels = case.hr.shape[0] * case.hr.shape[1] / 1e6
        for method in methods:
            began = time.process_time()
            method.enlarge(case, truth, 0)
            taken[method.name].append((time.process_time() - began) / megapixels)
    return {name: statistics.median(each) for name, each in taken.items()}


class Asked(NamedTuple):
    """What the command was given."""

    peers: Path
    out: Path
    data: tuple[str, ...]
    rows: tuple[str, ...]
    lpips: Literal["none", "squeeze", "alex", "vgg"]
    model: str | None
    side: int | None


def _arguments() -> Asked:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--peers", type=Path, required=True, help="folder of NAME.param, NAME.bin")
    parser.add_argument("--out", type=Path, required=True, help="folder for what was measured")
    parser.add_argument("--data", action="append", required=True, help="as of samsr evaluate")
    parser.add_argument("--row", action="append", choices=ROWS, help="several times; all")
    parser.add_argument("--lpips", choices=["none", "squeeze", "alex", "vgg"], default="none")
    parser.add_argument("--model", help="as of samsr evaluate")
    parser.add_argument("--side", type=int, help="of the middle of each picture; the whole one")
    given = parser.parse_args()
    return Asked(
        given.peers,
        given.out,
        tuple(given.data),
        tuple(given.row or ROWS),
        given.lpips,
        given.model,
        given.side,
    )


def main() -> None:
    """Measure row by row, and print a table of all pictures, one of each set, and verdicts."""
    asked = _arguments()
    torch.set_num_threads(1)
    networks = find_networks(asked.peers)
    data = cut_sets(asked.data, asked.side, asked.out) if asked.side else asked.data
    measured: dict[str, list[ImageScores]] = {}
    costs: dict[str, float] = {}
    for row in asked.rows:
        options = EvaluateOptions(
            data=data,
            degrade=None if row == ROWS[0] else row,
            lpips=asked.lpips,
            model=asked.model,
            device="cpu",
        )
        plans = make_plans(options, networks, asked.out)
        measured[row] = [one for plan in plans for one in measure(plan)]
        costs = costs or measure_costs(plans)
        found = {(row, name): each for name, each in summarise(measured[row]).items()}
        print(table(found, costs), flush=True)
    names = dict.fromkeys(one.set_name for each in measured.values() for one in each)
    for set_name in (None, *names):
        found = {
            (row, name): each
            for row, several in measured.items()
            for name, each in summarise(several, set_name).items()
        }
        count = len({(o.set_name, o.picture) for o in measured[asked.rows[0]]})
        print(f"\n{set_name or f'all {count} pictures'}: PSNR-Y / LPIPS {asked.lpips} / LR-PSNR\n")
        print(table(found, costs))
        if set_name is None:
            others = [path.stem for path in networks]
            lines = [line for method in OURS[1:] for line in verdicts(found, others, method)]
            print("\n" + "\n".join(lines))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        raise SystemExit(str(error)) from error

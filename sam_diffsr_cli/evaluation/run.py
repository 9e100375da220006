"""Evaluating: every picture by every method and seed, and going on where it was stopped."""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sam_diffsr_cli import metrics
from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.errors import DiskFullError, InputError, SamsrError
from sam_diffsr_cli.evaluation.methods import Method
from sam_diffsr_cli.evaluation.perceptual import Distance
from sam_diffsr_cli.evaluation.protocols import Protocol
from sam_diffsr_cli.evaluation.sets import Case, TestSet, read_pair

__all__ = ["Failure", "Measured", "Plan", "evaluate", "result_path"]

RESULTS_NAME = "results.jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is evaluated, and how.

    Attributes:
        sets: Of true pictures.
        methods: Ways to enlarge.
        protocol: How numbers are made.
        scale: Of all of it.
        seeds: How many seeds, from 0, a method that draws runs with.
        lr_folder: Of given inputs; None makes them.
        lpips: The distance, or None.
        out: Folder for numbers and results, to go on in; None keeps nothing.
        identity: What must be the same to go on: model, protocol and the like.
    """

    sets: Sequence[TestSet]
    methods: Sequence[Method]
    protocol: Protocol
    scale: int
    seeds: int
    lr_folder: Path | None
    lpips: Distance | None
    out: Path | None
    identity: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """The numbers of one picture by one method and seed; ``values`` by measure."""

    set_name: str
    picture: str
    method: str
    seed: int
    values: Mapping[str, float]
    seconds: float


@dataclass(frozen=True, slots=True)
class Failure:
    """A picture that could not be measured, and why."""

    picture: Path
    method: str
    error: SamsrError


def evaluate(plan: Plan) -> Iterator[Measured | Failure]:
    """Measure what is not measured yet.

    Yields:
        One record for each picture, method and seed; those measured before come first.

    Raises:
        InputError: ``plan.out`` holds numbers of another evaluation, or cannot be written.
        DiskFullError: The disk is full; the numbers before are kept.
    """
    kept = _Results(plan)
    yield from kept.done.values()
    for test_set in plan.sets:
        for truth in test_set.truths:
            yield from _measure_picture(plan, test_set, truth, kept)


def _measure_picture(
    plan: Plan, test_set: TestSet, truth: Path, kept: "_Results"
) -> Iterator[Measured | Failure]:
    case: Case | None = None
    picture = test_set.picture(truth)
    for method in plan.methods:
        for seed in range(plan.seeds if method.is_random else 1):
            if (test_set.name, picture, method.name, seed) in kept.done:
                continue
            try:
                if case is None:
                    case = read_pair(truth, plan.lr_folder, plan.protocol, plan.scale)
                began = time.perf_counter()
                sr = method.enlarge(case, truth, seed)
                seconds = time.perf_counter() - began
                values = _values(plan, sr, case)
            except InputError as error:
                yield Failure(truth, method.name, error)
                continue
            measured = Measured(
                set_name=test_set.name,
                picture=picture,
                method=method.name,
                seed=seed,
                values=values,
                seconds=seconds,
            )
            kept.add(measured, sr)
            yield measured


def _values(plan: Plan, sr: np.ndarray, case: Case) -> dict[str, float]:
    hr, shave, scale = case.hr, plan.protocol.shave, plan.scale
    values = {
        "psnr_y": metrics.psnr(sr, hr, "y", shave),
        "ssim_y": metrics.ssim(sr, hr, "y", shave),
        "psnr_rgb": metrics.psnr(sr, hr, "rgb", shave),
        "ssim_rgb": metrics.ssim(sr, hr, "rgb", shave),
        "lr_psnr": metrics.lr_psnr(sr, case.lr, scale),
        "detail": metrics.detail(sr, hr, scale),
    }
    if plan.lpips is not None:
        values["lpips"] = plan.lpips(sr, hr)
    return values


def result_path(out: Path, set_name: str, method: str, picture: str, seed: int = 0) -> Path:
    """Return where a result is kept below the folder of an evaluation."""
    ending = "" if seed == 0 else f"-seed{seed}"
    folder = out / set_name / f"{method}{ending}".replace(" ", "-")
    return (folder / picture).with_suffix(".png")


class _Results:
    """What is measured: in memory, and in ``plan.out`` a line a picture and the picture itself."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.done: dict[tuple[str, str, str, int], Measured] = {}
        if plan.out is None:
            return
        try:
            plan.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{plan.out}: cannot be a folder ({error.strerror})") from error
        self.path = plan.out / RESULTS_NAME
        if self.path.exists():
            self._read()
        else:
            self._write_head()

    def _write_head(self) -> None:
        with atomic_path(self.path) as temporary:
            head = json.dumps({"identity": dict(self.plan.identity)}, sort_keys=True)
            temporary.write_text(head + "\n", encoding="utf-8")

    def _read(self) -> None:
        """Take over what was measured; a last line that was torn is cut off."""
        text = self.path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            with atomic_path(self.path) as temporary:
                temporary.write_text(whole, encoding="utf-8")
        try:
            head, *lines = map(json.loads, whole.splitlines())
            found = [_from_line(line) for line in lines]
            identity = dict(head["identity"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path}: damaged ({error})", hint="remove it") from error
        if identity != dict(self.plan.identity):
            mine = self.plan.identity
            other = [k for k in {*identity, *mine} if identity.get(k) != mine.get(k)]
            raise InputError(
                f"{self.path}: numbers of another evaluation ({', '.join(sorted(other))} differ)",
                hint="choose another --out",
            )
        wanted = {(s.name, s.picture(t)) for s in self.plan.sets for t in s.truths}
        methods = {method.name for method in self.plan.methods}
        for one in found:
            is_wanted = (one.set_name, one.picture) in wanted and one.method in methods
            if is_wanted and one.seed < self.plan.seeds:
                self.done[one.set_name, one.picture, one.method, one.seed] = one

    def add(self, measured: Measured, sr: np.ndarray) -> None:
        """Keep the picture, then its line."""
        one = measured
        self.done[one.set_name, one.picture, one.method, one.seed] = one
        if self.plan.out is None:
            return
        path = result_path(self.plan.out, one.set_name, one.method, one.picture, one.seed)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as temporary:
                Image.fromarray(np.ascontiguousarray(sr)).save(temporary, format="PNG")
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_to_line(one) + "\n")
        except OSError as error:
            raise DiskFullError(f"{self.path}: cannot be written ({error.strerror})") from error


def _to_line(one: Measured) -> str:
    values = {name: value if math.isfinite(value) else None for name, value in one.values.items()}
    return json.dumps(
        {
            "set": one.set_name,
            "picture": one.picture,
            "method": one.method,
            "seed": one.seed,
            "values": values,
            "seconds": one.seconds,
        },
        sort_keys=True,
    )


def _from_line(line: Mapping[str, object]) -> Measured:
    values = line["values"]
    if not isinstance(values, dict):
        raise TypeError("values that are not an object")
    return Measured(
        set_name=str(line["set"]),
        picture=str(line["picture"]),
        method=str(line["method"]),
        seed=int(str(line["seed"])),
        values={k: math.inf if v is None else float(v) for k, v in values.items()},
        seconds=float(str(line["seconds"])),
    )

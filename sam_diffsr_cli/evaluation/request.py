"""From what was asked of an evaluation to its plan: sets, methods, protocol, and the model."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from sam_diffsr_cli import __version__
from sam_diffsr_cli.choices import LpipsNetwork
from sam_diffsr_cli.degradation.specs import Degradation, parse_degradation
from sam_diffsr_cli.device import resolve_device, resolve_precision
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.evaluation.methods import make_method
from sam_diffsr_cli.evaluation.perceptual import make_lpips
from sam_diffsr_cli.evaluation.protocols import find_protocol
from sam_diffsr_cli.evaluation.run import EvaluationPlan, plain_name
from sam_diffsr_cli.evaluation.sets import ResultFolder, find_set
from sam_diffsr_cli.sampling_config import MOST_CLEAN
from sam_diffsr_cli.strict import allow, conform
from sam_diffsr_cli.upscaling.model import Upscaler, load_upscaler

CLEANS = f"0 to {MOST_CLEAN}"
METHODS = "default, fast, best, plain, steps:N, bicubic, lanczos, and folders of results"

__all__ = ["EvaluateOptions", "count_results", "plan_evaluation"]


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateOptions:
    """What a user may ask of an evaluation.

    Attributes:
        data: Folders of true pictures, ``FOLDER:N`` for the first N, ``NAME=FOLDER``.
        lr: Folder of inputs of the same names; None makes them by MATLAB's bicubic.
        degrade: What inputs that are made suffer: ``jpeg:75``, ``jpeg:30,75``, ``noise:10``,
            ``photo``; None for nothing.
        clean: As in ``SamplingOptions``.
        methods: ``default``, ``fast``, ``best``, ``plain``, ``steps:N[:SAMPLER]``, ``bicubic``,
            ``lanczos``, or folders of results.
        seeds: Draws of what is random.
        protocol: ``standard`` or ``samdiffsr``.
        shave: Border left out, in pixels; None is the protocol's.
        lpips: Backbone of LPIPS.
        out: Folder for results and numbers, to go on in.
        model: As in ``BatchOptions``.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        tile: Side of a tile; 0 is one piece, None is by memory.
    """

    data: tuple[str, ...]
    lr: Path | None = None
    degrade: str | None = None
    clean: int | None = None
    methods: tuple[str, ...] = ("default",)
    seeds: int = 1
    protocol: str = "standard"
    shave: int | None = None
    lpips: LpipsNetwork = "none"
    out: Path | None = None
    model: str | Path | None = None
    device: str = "auto"
    precision: str = "auto"
    tile: int | None = None

    def __post_init__(self) -> None:
        conform(self)
        allow(bool(self.data), "data", "(none)", "folders of true pictures")
        allow(bool(self.methods), "method", "(none)", METHODS)
        allow(self.seeds >= 1, "seeds", self.seeds, "1 and more")
        allow(self.shave is None or self.shave >= 0, "shave", self.shave, "0 and more")
        allow(self.clean is None or 0 <= self.clean <= MOST_CLEAN, "clean", self.clean, CLEANS)


def plan_evaluation(options: EvaluateOptions) -> EvaluationPlan:
    """Load the model, find the sets, and make the methods.

    Raises:
        InputError: A set, method or protocol is not known, or two have one name.
        WeightsError: The model cannot be loaded.
    """
    device = resolve_device(options.device)
    precision = resolve_precision(options.precision, device)
    return _plan_with(options, load_upscaler(options.model, device, precision))


def count_results(plan: EvaluationPlan) -> int:
    """Count what there is to measure: each picture by each method and seed."""
    runs = sum(plan.seeds if method.is_random else 1 for method in plan.methods)
    return runs * sum(len(one.truths) for one in plan.sets)


def _plan_with(options: EvaluateOptions, upscaler: Upscaler) -> EvaluationPlan:
    scale = upscaler.config.scale
    sets = [find_set(place, options.out) for place in options.data]
    methods = [make_method(text, upscaler, options.tile, options.clean) for text in options.methods]
    degradation = None if options.degrade is None else parse_degradation(options.degrade)
    if degradation is not None and options.lr is not None:
        raise InputError("--degrade and --lr exclude each other: those inputs are made already")
    for names, noun in (
        ([plain_name(one.name) for one in sets], "sets"),
        ([plain_name(one.name) for one in methods], "methods"),
    ):
        double = {name for name in names if names.count(name) > 1}
        if double:
            raise InputError(f"two {noun} are called {min(double)}", hint="name=FOLDER names one")
    protocol = find_protocol(options.protocol, scale, options.shave)
    lpips = None if options.lpips == "none" else make_lpips(options.lpips, upscaler.device)
    uses_model = any(method.steps is not None for method in methods)
    facts = _facts(options, upscaler, degradation, uses_model=uses_model)
    return EvaluationPlan(
        sets=sets,
        methods=methods,
        protocol=protocol,
        scale=scale,
        seeds=options.seeds,
        inputs=None if options.lr is None else ResultFolder(options.lr),
        lpips=lpips,
        out=options.out,
        identity={**protocol.facts, **facts},
        degradation=degradation,
    )


def _facts(
    options: EvaluateOptions,
    upscaler: Upscaler,
    degradation: Degradation | None,
    *,
    uses_model: bool,
) -> dict[str, str]:
    """Return what else a reader must know; of the model only where it was run."""
    given = "MATLAB bicubic on uint8" if options.lr is None else f"given, {options.lr.resolve()}"
    if degradation is not None:
        given = f"{degradation.sentence}; LR-PSNR against the input before that"
    packages = ("torch",) if options.lpips == "none" else ("torch", "lpips")
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    facts = {
        "scale": str(upscaler.config.scale),
        "inputs": given,
        "LPIPS": options.lpips,
        "versions": f"samsr {__version__}, {versions}",
    }
    if uses_model:
        facts["model"] = f"{upscaler.name}, sha256 {upscaler.digest[:16]}"
        facts["default steps"] = str(upscaler.config.diffusion.sampling_steps)
        facts["device"] = f"{upscaler.device}, {upscaler.precision}"
        if upscaler.config.encoder.num_levels:
            facts["clean"] = "auto" if options.clean is None else str(options.clean)
    return facts

"""What a training will take, in the words of ``samsr train --dry-run``."""

from collections.abc import Callable, Iterator

from sam_diffsr_cli.data.known_sets import find_data
from sam_diffsr_cli.device import resolve_device
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.measures import clock
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.recipes.records import Recipe
from sam_diffsr_cli.recipes.text import to_toml
from sam_diffsr_cli.training.estimate import StageEstimate, estimate_stage
from sam_diffsr_cli.training.options import TrainOptions
from sam_diffsr_cli.training.photos import find_photos
from sam_diffsr_cli.training.resolve import resolve_recipe_precision

__all__ = ["describe_cost"]


def describe_cost(
    recipe: Recipe, options: TrainOptions, notify: Callable[[str], None]
) -> Iterator[str]:
    """Tell the recipe, then parameters, work, memory and time of each stage.

    Nothing is read but the names of the photos, and nothing is written.

    Args:
        recipe: What to train.
        options: Where, and where known sets are.
        notify: Told what is being timed, which takes seconds.

    Yields:
        Lines of TOML, all but the recipe as comments.
    """
    device = resolve_device(options.device)
    recipe = resolve_recipe_precision(recipe, device)
    yield to_toml(recipe)
    yield f"# photos: {_photos(recipe, options)}"
    total_s = 0.0
    for config in recipe.plan:
        notify(f"timing the {config.stage} stage ...")
        estimate = estimate_stage(build_model(recipe.model, config.seed), config, device)
        total_s += estimate.seconds_total
        yield f"# {config.stage} stage on {device}, {config.precision}:"
        yield from (f"#   {name}: {value}" for name, value in _lines(estimate))
    yield f"# all: {_duration(total_s)}, without validations and other work on the machine"


def _photos(recipe: Recipe, options: TrainOptions) -> str:
    if not recipe.data.photos:
        return "none given"
    try:
        places = [p for name in recipe.data.photos for p in find_data(name, options.data_root)]
        return str(len(find_photos(places)))
    except InputError as error:
        return str(error)


def _lines(estimate: StageEstimate) -> list[tuple[str, str]]:
    trained, total = estimate.parameters / 1e6, estimate.parameters_total / 1e6
    how = "measured" if estimate.memory_is_measured else "estimated"
    found = [
        ("parameters", f"{trained:.2f} M trained, {total:.2f} M in all"),
        ("work", f"{estimate.flops_per_step / 1e12:.3f} TFLOP a step"),
        ("memory", f"{estimate.memory_bytes / 2**20:.0f} MiB, {how}; the program is on top"),
        ("time", f"{estimate.seconds_per_step:.3f} s a step"),
        ("to finish", _duration(estimate.seconds_total)),
    ]
    return [*found, ("note", estimate.note)] if estimate.note else found


def _duration(seconds: float) -> str:
    days, rest = divmod(round(seconds), 86_400)
    unit = "day" if days == 1 else "days"
    return f"{days} {unit} {clock(rest)}" if days else clock(rest)

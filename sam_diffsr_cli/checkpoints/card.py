"""The model card of a weights file: what its metadata tell, and what its maker must fill in."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from sam_diffsr_cli.chain_config import DiffusionConfig, Quality
from sam_diffsr_cli.checkpoints.inspection import FileFacts
from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.strict import to_json

__all__ = ["card_beside", "describe", "fact_rows", "front_matter", "make_card", "with_front_matter"]

UNKNOWN = "(fill in)"
LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
FENCE = "---"


def describe(config: ModelConfig) -> list[str]:
    """Say in words how a model is built and run, a line a part."""
    diffusion = config.diffusion
    encoder = {"rrdb": "RRDB", "residual": "plain residual"}[config.encoder.kind]
    unet = {"full": "at the resolution of the result", "folded": "at that of the input"}
    widths = ", ".join(map(str, config.unet.widths))
    base = {"bicubic": "bicubic", "encoder": "the encoder's image"}[diffusion.base]
    steps = (
        f"{_describe_level(diffusion, 'balanced')} by default"
        if diffusion.sampling_steps
        else "none by default: the encoder's own answer"
    )
    if diffusion.best_steps:
        steps += f", {_describe_level(diffusion, 'best')} with best"
    expert = "; photos taken for clean have networks of their own" if config.clean_expert else ""
    told = "compression, noise and blur" if config.encoder.num_levels else "nothing"
    return [
        f"scale: {config.scale}",
        f"levels: told {told}{expert}",
        f"encoder: {encoder}, {config.encoder.num_block} blocks of {config.encoder.num_feat}",
        f"noise predictor: U-Net {unet[config.unet.kind]}, widths {widths}",
        f"residual: against {base}, times {diffusion.residual_scale:g}",
        f"chain: {diffusion.num_timesteps} {diffusion.beta_schedule} steps, {steps}",
    ]


def _describe_level(diffusion: DiffusionConfig, quality: Quality) -> str:
    """Say in words what a level of quality is."""
    level = diffusion.level(quality)
    words = f"{level.steps} {level.sampler} steps"
    words += f" from row {level.start}" if level.start else ""
    words += f" ({level.dirty_start} if not clean)" if level.dirty_start else ""
    if diffusion.turns_share(level.sampler):
        words += f", {level.share:.0%} of what they draw"
        words += f" ({level.dirty_share:.0%} if not clean)" if level.dirty_share else ""
    chroma = diffusion.chroma_of(level.sampler)
    words += f", {chroma:.0%} of what they colour" if chroma < 1 else ""
    words += f" on the mean of {level.ensemble} orientations" if level.ensemble > 1 else ""
    return words


def fact_rows(facts: FileFacts) -> list[tuple[str, str]]:
    """Return what is told of a file: labels, and texts, which may be the file's own."""
    counts = ", ".join(f"{name} {n / 1e6:.2f} M" for name, n in facts.parameters.items())
    described = describe(facts.config)
    rows = [
        ("file", f"{facts.path}, {facts.bytes / 1e6:.1f} MB"),
        ("sha256", facts.sha256),
        ("written by", f"samsr {facts.version or 'of a version that it does not say'}"),
        ("parameters", f"{counts}; {', '.join(facts.formats)}"),
        *((name, value) for name, _, value in (d.partition(": ") for d in described)),
        ("source", facts.source or "not said"),
    ]
    if facts.recipe:
        rows.append(("recipe", f"{len(facts.recipe.splitlines())} lines; --json prints them"))
    if facts.others:
        rows.append(("not ours", ", ".join(facts.others)))
    return rows


def front_matter(licence: str) -> str:
    """Write what the Hub files a model under.

    Raises:
        InputError: ``licence`` is not an identifier, such as ``apache-2.0``.
    """
    if licence and not LICENCE.fullmatch(licence):
        raise InputError(f"--licence {licence}: not an identifier", hint="such as apache-2.0")
    lines = [
        FENCE,
        f"license: {licence.lower() or 'other'}",
        "library_name: samsr",
        "pipeline_tag: image-to-image",
        "tags:",
        "- super-resolution",
        "- image-upscaling",
        "- diffusion",
        FENCE,
    ]
    return "\n".join(lines) + "\n"


def with_front_matter(card: str, licence: str) -> str:
    """Put it before a card that has none."""
    if card.lstrip("\ufeff").startswith(f"{FENCE}\n"):
        return card
    return f"{front_matter(licence)}\n{card}"


def make_card(
    facts: FileFacts,
    title: str,
    options: str,
    licence: str = "",
    validations: Sequence[tuple[str, ...]] = (),
) -> str:
    """Write a card, without front matter.

    Args:
        facts: Of the weights file.
        title: Of the card.
        options: What ``samsr upscale`` is given to use it, such as ``--model org/name``.
        licence: An identifier, or empty: its maker fills it in.
        validations: Rows of stage, step, PSNR-Y and loss.
    """
    parameters = sum(facts.parameters.values())
    lines = [
        f"# {_plain(title)}",
        "",
        f"Enlarges photos {facts.config.scale} times:",
        "",
        *_fenced("sh", f"samsr upscale in/ out/ {options}"),
        "",
        *(f"- {line}" for line in describe(facts.config)),
        f"- {parameters / 1e6:.2f} million parameters, {' and '.join(sorted(facts.formats))}",
        f"- sha256 of the weights: `{facts.sha256}`",
        "",
        f"Source: {_plain(facts.source) or UNKNOWN}",
        "",
        f"- Licence: {licence or UNKNOWN}",
        f"- Terms of the photos: {UNKNOWN}",
        f"- Limits: {UNKNOWN}",
        "",
        "## Configuration",
        "",
        *_fenced("json", json.dumps(json.loads(to_json(facts.config)), indent=2)),
    ]
    if facts.recipe:
        lines += ["", "## Recipe", "", *_fenced("toml", facts.recipe.rstrip())]
    if validations:
        lines += [
            "",
            "## Validation",
            "",
            "| stage | step | PSNR-Y, dB | loss |",
            "|---|---|---|---|",
        ]
        lines += [f"| {' | '.join(row)} |" for row in validations]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Write a text of the file on one line, none of it as Markdown or HTML."""
    line = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", line)


def _fenced(kind: str, text: str) -> list[str]:
    """Put a text of the file between fences that it cannot end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{kind}", text, fence]


def card_beside(path: Path) -> Path:
    """Name the card that ``samsr train export`` writes beside a weights file."""
    return path.with_suffix(".md")

"""Whether a weights file is what it should be: loaded strictly, hashed, and run."""

import copy
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.checkpoints.finding import FoundModel, find_model
from sam_diffsr_cli.checkpoints.heads import read_config
from sam_diffsr_cli.diagnosis.selftest import draw_picture
from sam_diffsr_cli.digests import sha256_of
from sam_diffsr_cli.errors import InputError, WeightsError

if TYPE_CHECKING:
    import numpy as np

    from sam_diffsr_cli.upscaling.model import Upscaler

__all__ = ["LEAST_LR_PSNR", "Check", "check_against", "check_digest", "check_runs", "fetch_model"]

CLEANS = (0, 1)
"""What the picture is taken for: clean, and as little compressed and noisy as can be said."""

LEAST_LR_PSNR = 33.0
"""Decibels of a drawn picture that was enlarged and shrunk again. The bundled model has 43.5,
bicubic 33.7; the bundled model with its numbers in another order has 29 to 32.6, the paper's
network with random weights 25 to 26."""

REFERENCE_ATOL = 1e-3
"""Of the result of a whole chain in float32, in [-1, 1], against another implementation's."""

MOST_REFERENCE_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Check:
    """What was checked, and what was found."""

    name: str
    found: str


def check_digest(digest: str, expected: str, path: Path) -> Check:
    """Compare SHA-256 digests, in hexadecimal.

    Raises:
        WeightsError: They differ.
    """
    if digest != expected.lower():
        raise WeightsError(f"{path}: its SHA-256 is {digest}, expected {expected.lower()}")
    return Check("digest", f"sha256 {digest}")


def fetch_model(model: str, sha256: str | None, output: Path | None) -> FoundModel:
    """Find a model, fetched if it must be, and check it; copy it to ``output``, if there is one.

    Raises:
        InputError: The text names no model.
        WeightsError: It cannot be fetched, is damaged or not ours, or has another digest.
        DiskFullError: There is no space for it.
    """
    found = find_model(model)
    if sha256 is not None:
        check_digest(sha256_of(found.path), sha256, found.path)
    read_config(found.path)
    if output is None:
        return found
    with atomic_path(output) as temporary:
        shutil.copyfile(found.path, temporary)
    return replace(found, path=output)


def _drawing_in_colour(upscaler: "Upscaler") -> "Upscaler":
    """Return the model with all the colours of what it draws; the networks are the same."""
    model = copy.copy(upscaler.model)
    chain = model.config.diffusion
    model.config = replace(model.config, diffusion=replace(chain, sampling_chroma=1.0))
    return replace(upscaler, model=model)


def check_runs(upscaler: "Upscaler", path: Path) -> Iterator[Check]:
    """Enlarge a drawn picture, by the encoder alone and by the default number of steps.

    Where photos that are taken for clean have networks of their own, by these and by the others.

    Each twice, for the same bits; the result must be of the right size, and look like the picture
    when it is shrunk again.

    Raises:
        WeightsError: One of these does not hold.
    """
    import numpy as np

    from sam_diffsr_cli.metrics import lr_psnr
    from sam_diffsr_cli.sampling_config import SamplingConfig
    from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame

    upscaler, picture = _drawing_in_colour(upscaler), draw_picture()
    config = upscaler.config
    # All of what is drawn, since a share hides what a network does wrong. An encoder that only
    # conditions the chain was not trained to be looked at.
    level = config.diffusion.level("balanced")._replace(share=1.0, dirty_share=0.0)
    least = 0 if config.diffusion.base == "encoder" else level.steps
    for clean in CLEANS if config.clean_expert else CLEANS[:1]:
        what = f" with --clean {clean}" if clean else ""
        for steps in sorted({least, level.steps}):
            sampling = SamplingConfig(**level._replace(steps=steps)._asdict(), tile=0, clean=clean)
            run = UpscaleRun(upscaler=upscaler, sampling=sampling, scale=config.scale)
            first, second = (enlarge_frame(run, picture) for _ in range(2))
            if not np.array_equal(first, second):
                raise WeightsError(
                    f"{path}: {steps} steps{what} give another result the second time"
                )
            likeness = lr_psnr(first, picture, config.scale)
            if not likeness >= LEAST_LR_PSNR:
                raise WeightsError(
                    f"{path}: the result of {steps} steps{what} does not look like the picture "
                    f"(LR-PSNR {likeness:.1f} dB, {LEAST_LR_PSNR:.0f} are the least)",
                    hint="its weights are not those of a trained model, or its configuration "
                    "is not",
                )
            yield Check(f"{steps} steps{what}", f"LR-PSNR {likeness:.1f} dB, the same bits twice")


def check_against(upscaler: "Upscaler", reference: Path) -> Check:
    """Run a recorded chain with its own noise, and compare the result.

    Args:
        upscaler: The model, in float32.
        reference: A ``.npz`` with ``lr`` ``(1, 3, h, w)`` in [-1, 1]; ``noises``
            ``(T + 1, 1, 3, H, W)``, first x_T and then the noise of each step; ``sr``
            ``(1, 3, H, W)``; and ``sr_uint8`` ``(H, W, 3)``.

    Raises:
        InputError: The file cannot be read, or does not fit the model.
        WeightsError: The results differ by more than ``REFERENCE_ATOL``.
    """
    import numpy as np

    arrays = _read_reference(reference)
    found = _run_chain(upscaler, arrays, reference)
    largest = float(np.abs(found - arrays["sr"]).max())
    levels = ((found[0] + 1) / 2 * 255).round().clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
    differing = int((levels != arrays["sr_uint8"]).sum())
    told = f"largest difference {largest:.2e}, {differing} of {levels.size} levels differ"
    if not largest <= REFERENCE_ATOL:
        raise WeightsError(f"{reference}: the recorded result is another one ({told})")
    return Check("reference", told)


def _read_reference(path: Path) -> "dict[str, np.ndarray]":
    import numpy as np

    try:
        arrays = _load_arrays(path)
    except InputError:
        raise
    except Exception as error:  # archives and arrays fail in many ways on bytes that are none
        raise InputError(f"{path}: cannot be read as .npz ({error})") from error
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise InputError(f"{path}: {name} holds other than finite numbers ({array.dtype})")
    return arrays


def _load_arrays(path: Path) -> "dict[str, np.ndarray]":
    import numpy as np

    names = ("lr", "noises", "sr", "sr_uint8")
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MOST_REFERENCE_BYTES:
            raise InputError(f"{path}: larger than 2 GiB unpacked")
    with np.load(path, allow_pickle=False) as file:
        missing = [name for name in names if name not in file.files]
        if missing:
            raise InputError(f"{path}: holds no {', '.join(missing)}")
        return {name: np.asarray(file[name]) for name in names}


def _run_chain(upscaler: "Upscaler", arrays: "dict[str, np.ndarray]", path: Path) -> "np.ndarray":
    import numpy as np
    import torch

    from sam_diffsr_cli.diffusion.residual import residual_to_image
    from sam_diffsr_cli.diffusion.schedule import make_schedule
    from sam_diffsr_cli.sampling import reverse_process

    config, model, device = upscaler.config, upscaler.model, upscaler.device
    lr, noises = (torch.from_numpy(arrays[n].astype(np.float32)) for n in ("lr", "noises"))
    schedule = make_schedule(config.diffusion)
    larger = (1, 3, *(config.scale * side for side in lr.shape[-2:]))
    shapes = (tuple(noises.shape), tuple(arrays["sr"].shape), tuple(arrays["sr_uint8"].shape))
    is_input = lr.ndim == 4 and lr.shape[:2] == (1, 3)
    if not is_input or shapes != ((len(schedule) + 1, *larger), larger, (*larger[2:], 3)):
        raise InputError(
            f"{path}: its arrays are {shapes} for an input of {tuple(lr.shape)}",
            hint=f"this model enlarges {config.scale} times in {len(schedule)} steps",
        )
    sides, multiple, least = lr.shape[2:], config.size_multiple, config.least_size
    if any(side < least or side % multiple for side in sides):
        raise InputError(
            f"{path}: its input is {tuple(sides)}, this model takes multiples of {multiple} "
            f"from {least} on"
        )
    with torch.inference_mode():
        condition = model.condition(lr.to(device))
        steps = reverse_process(
            lambda x_t, t: model.predict_eps(x_t, t, condition, schedule),
            noises[0].to(device),
            schedule,
            lambda t: noises[len(schedule) - t].to(device),
        )
        *_, last = steps
        image = residual_to_image(last.x, condition.base, config.diffusion.residual_scale)
    return image.cpu().numpy()

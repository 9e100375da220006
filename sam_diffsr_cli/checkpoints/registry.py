"""The weights that come with samsr: where they lie, and the digest each file must have."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sam_diffsr_cli.digests import sha256_of
from sam_diffsr_cli.errors import WeightsError

__all__ = ["BUNDLED", "DEFAULT_MODEL", "DIGESTS", "Bundled", "PublishedScores", "bundled_weights"]

DEFAULT_MODEL = "samsr-lite-x4"


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedScores:
    """What a model was measured at by the protocol ``standard``; ``method`` is how it was run."""

    data: str
    method: str
    psnr_y: float
    ssim_y: float
    lpips: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundled:
    """A model that comes with samsr."""

    name: str
    preset: str
    scale: int
    bytes: int
    sha256: str
    licence: str
    source: str
    measured: tuple[PublishedScores, ...] = ()


BUNDLED = (
    Bundled(
        name="samsr-lite-x4",
        preset="lite",
        scale=4,
        bytes=38_495_014,
        sha256="4052cd735a437e95269b0b3e76a7f9d41b1d6ce8d6698c8e1196a2905c43c03e",
        licence="Apache-2.0",
        source=(
            "trained by samsr on 333 freely licensed photographs and drawn pages, with RLFN as a "
            "teacher; see weights/README.md"
        ),
        measured=(
            PublishedScores(
                data="Set5", method="default", psnr_y=31.27, ssim_y=0.8736, lpips=0.093
            ),
            PublishedScores(data="Set5", method="best", psnr_y=30.71, ssim_y=0.8543, lpips=0.085),
            PublishedScores(
                data="Set5", method="steps 0", psnr_y=31.81, ssim_y=0.8897, lpips=0.155
            ),
            PublishedScores(
                data="Set14", method="default", psnr_y=28.04, ssim_y=0.7579, lpips=0.143
            ),
            PublishedScores(data="Set14", method="best", psnr_y=27.69, ssim_y=0.7360, lpips=0.122),
            PublishedScores(
                data="Set14", method="steps 0", psnr_y=28.37, ssim_y=0.7761, lpips=0.241
            ),
        ),
    ),
)

DIGESTS: Mapping[str, str] = {each.name: each.sha256 for each in BUNDLED}
"""SHA-256 of each bundled file, in hexadecimal."""


def bundled_weights(name: str = DEFAULT_MODEL) -> Path:
    """Return the path of a bundled weights file, its digest checked.

    An installed samsr keeps them inside the package, a source tree in ``weights/`` beside it.

    Raises:
        WeightsError: The file is missing, or not the one that was shipped.
    """
    package = Path(__file__).resolve().parents[1]
    places = [folder / "weights" / f"{name}.safetensors" for folder in (package, package.parent)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise WeightsError(f"{places[0]}: the bundled weights are missing", hint="install again")
    if sha256_of(path) != DIGESTS[name]:
        raise WeightsError(
            f"{path}: damaged (its digest is not the shipped one)", hint="install again"
        )
    return path

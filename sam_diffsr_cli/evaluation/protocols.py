"""Named protocols: everything beside the pictures that decides a number."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from sam_diffsr_cli.choices import ProtocolName
from sam_diffsr_cli.errors import InputError

__all__ = ["PROTOCOLS", "Protocol", "find_protocol"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """How numbers are made.

    Attributes:
        name: Of the protocol.
        shave: Pixels of border left out of PSNR and SSIM.
        modulus: Truths are cropped top-left to a multiple of this.
    """

    name: str
    shave: int
    modulus: int

    @property
    def facts(self) -> Mapping[str, str]:
        """What a reader must know to make the same numbers."""
        return {
            "protocol": self.name,
            "colour": "Y of BT.601 and RGB; LR-PSNR and LPIPS on RGB",
            "shave": f"{self.shave} pixels (LR-PSNR, LPIPS and detail: none)",
            "crop": f"truth top-left to a multiple of {self.modulus}",
            "rounding": "results to uint8",
            "ssim": "11x11 Gaussian window of 1.5, inside the picture",
        }


PROTOCOLS = get_args(ProtocolName)
"""``standard``: a border of the scale is shaved. ``samdiffsr``: as the authors evaluate, nothing is
shaved, and inputs have even sides."""


def find_protocol(name: str, scale: int, shave: int | None = None) -> Protocol:
    """Return a protocol for a scale; ``shave`` overrides its border.

    Raises:
        InputError: There is none of this name, or ``shave`` is negative.
    """
    if name not in PROTOCOLS:
        raise InputError(f"--protocol {name}: unknown", hint=" or ".join(PROTOCOLS))
    if shave is not None and shave < 0:
        raise InputError(f"--shave {shave}: not negative, please")
    is_standard = name == "standard"
    border = shave if shave is not None else (scale if is_standard else 0)
    label = name if shave is None else f"{name}, shave {shave}"
    return Protocol(name=label, shave=border, modulus=scale if is_standard else 2 * scale)

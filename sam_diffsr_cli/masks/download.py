"""SAM's checkpoints: which there are, and where they are kept once fetched."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sam_diffsr_cli.download import DownloadSource, cache_folder, fetch
from sam_diffsr_cli.errors import WeightsError

__all__ = ["CHECKPOINTS", "SamCheckpoint", "fetch_checkpoint"]

ORIGIN = "https://dl.fbaipublicfiles.com/segment_anything/"
ORIGIN_VARIABLE = "SAMSR_SAM_URL"
"""Environment variable with another folder to fetch from, such as a mirror."""


@dataclass(frozen=True, slots=True)
class SamCheckpoint:
    """A published file, its SHA-256, and its size in megabytes."""

    name: str
    sha256: str
    megabytes: int


CHECKPOINTS = {
    "vit_h": SamCheckpoint(
        "sam_vit_h_4b8939.pth",
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        2565,
    ),
    "vit_l": SamCheckpoint(
        "sam_vit_l_0b3195.pth",
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        1250,
    ),
    "vit_b": SamCheckpoint(
        "sam_vit_b_01ec64.pth",
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        375,
    ),
}


def fetch_checkpoint(checkpoint: SamCheckpoint, report: Callable[[float], None]) -> Path:
    """Return the path of a checkpoint, fetched if it is not there.

    Args:
        checkpoint: Which.
        report: Called with the megabytes that are there so far.

    Raises:
        WeightsError: It cannot be reached, or what came is not the published file.
        DiskFullError: The disk is full, or will be.
        InputError: The cache folder cannot be written.
    """
    path = cache_folder() / checkpoint.name
    url = os.environ.get(ORIGIN_VARIABLE, ORIGIN).rstrip("/") + "/" + checkpoint.name
    return fetch(
        DownloadSource(url, f"sha256:{checkpoint.sha256}", checkpoint.megabytes * 1_000_000),
        path,
        lambda done: report(done / 1e6),
        elsewhere=f"fetch {url} on another machine and put it at {path}, or give --checkpoint",
        failure=WeightsError,
    )

"""An encoding packed into bytes: few values, and where each of them is."""

import io

import numpy as np

__all__ = ["IMPORTED", "pack_encoding", "unpack_encoding"]

IMPORTED = ".npz"
"""Suffix of an encoding that came ready-made, without its masks; its norm is ``image``."""


def pack_encoding(encoding: np.ndarray, source: str) -> bytes:
    """Pack ``(H, W)`` float32 as labels and values; ``source`` says what it was made from."""
    values, labels = np.unique(encoding, return_inverse=True)
    kind = np.uint8 if len(values) <= 256 else np.uint16 if len(values) <= 65536 else np.uint32
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        labels=labels.reshape(encoding.shape).astype(kind),
        values=values.astype(np.float32),
        source=np.array(source),
    )
    return buffer.getvalue()


def unpack_encoding(data: bytes) -> tuple[np.ndarray, str]:
    """Return what ``pack_encoding`` packed.

    Raises:
        ValueError: The data is damaged or of another kind.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            labels, values, source = file["labels"], file["values"], str(file["source"])
        if labels.ndim != 2 or values.ndim != 1 or values.dtype != np.float32:
            raise ValueError("arrays of another kind")  # noqa: TRY301 - told as the others
        return values[labels], source
    except Exception as error:
        raise ValueError(f"not a kept encoding ({error})") from error

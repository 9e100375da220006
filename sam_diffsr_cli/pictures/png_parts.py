"""The ledger of a PNG: every chunk, and what lies behind the last."""

import io
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from sam_diffsr_cli.pictures.ledger import Part, credentials
from sam_diffsr_cli.pictures.png import CARRIED_TEXTS, SIGNATURE, TEXT_KINDS
from sam_diffsr_cli.pictures.records import Metadata

__all__ = ["list_png_parts"]

LAYOUT_CHUNKS = frozenset(b"IHDR PLTE tRNS IDAT IEND acTL fcTL fdAT".split())
ELSEWHERE = frozenset(b"iCCP eXIf gAMA cHRM sRGB cICP".split())
"""What other formats hold too, or the colours are converted by."""

LIGHT = frozenset(b"mDCV cLLI".split())
MOST_NAMED = 1 << 16
"""Bytes of a chunk that are looked at here."""


def list_png_parts(file: BinaryIO, metadata: Metadata) -> Iterator[Part]:
    """List the chunks up to the end, and what is behind it."""
    file.seek(len(SIGNATURE))
    kept = {kind for kind, _ in metadata.png_chunks}
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        place = file.tell()
        body = b"" if kind in LAYOUT_CHUNKS else file.read(min(length, MOST_NAMED))
        file.seek(place + length + 4)
        yield _part_of(kind, body, 12 + length, metadata, kept)
        if kind == b"IEND":
            break
    place = file.tell()
    behind = file.seek(0, io.SEEK_END) - place
    if behind > 0:
        yield Part(name="data behind the end", size=behind, fate="not carried")


def _part_of(kind: bytes, body: bytes, size: int, metadata: Metadata, kept: set[bytes]) -> Part:
    name = kind.decode("ascii", "replace")
    if kind in LAYOUT_CHUNKS:
        return Part(name=name, size=size, fate="rewritten")
    if kind in {b"caBX", b"dSIG"}:
        seal = credentials(size)
        return seal if kind == b"caBX" else replace(seal, name=name)
    is_whole = size <= MOST_NAMED
    if kind in ELSEWHERE or (kind in TEXT_KINDS and body.startswith(CARRIED_TEXTS)):
        return Part(name=name, size=size, fate="carried")
    if kind in kept and (not is_whole or (kind, body) in metadata.png_chunks):
        if kind in TEXT_KINDS or (kind == b"pHYs" and metadata.dpi is not None):
            # The table of formats says where there is room for texts and densities.
            return Part(name=name, size=size, fate="carried")
        only = {"PNG", "AVIF"} if kind in LIGHT else {"PNG"}
        return Part(name=name, size=size, fate="carried", only_in=frozenset(only))
    return Part(name=name, size=size, fate="not carried")

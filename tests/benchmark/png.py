"""Small PNG files from a browser's screenshots: text on plain colours needs 256 of them, not 16 million."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from playwright.sync_api import Page

_PIXELS = """async (address) => {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const bytes = context.getImageData(0, 0, image.width, image.height).data;
  const parts = [];
  for (let at = 0; at < bytes.length; at += 32768) {
    parts.push(String.fromCharCode(...bytes.subarray(at, at + 32768)));
  }
  return [image.width, image.height, btoa(parts.join(""))];
}"""


def with_few_colours(page: Page, screenshot: bytes) -> bytes:
    """The screenshot as a PNG of at most 256 colours, without metadata. `page` is any page: it reads the pixels."""
    address = "data:image/png;base64," + base64.b64encode(screenshot).decode()
    width, height, encoded = page.evaluate(_PIXELS, address)
    pixels = np.frombuffer(base64.b64decode(encoded), np.uint8).reshape(-1, 4).astype(np.int32)
    codes = pixels[:, 0] << 16 | pixels[:, 1] << 8 | pixels[:, 2]
    found, places, counts = np.unique(codes, return_inverse=True, return_counts=True)
    kept = found[
        np.argsort(-counts)[:256]
    ]  # the plain colours stay exact, rare shades of letter edges go to the nearest
    nearest = np.array([np.abs(_parts(kept) - shade).sum(axis=1).argmin() for shade in _parts(found)])
    places, colours = nearest[places], _parts(kept)
    rows = places.reshape(height, width).astype(np.uint8)
    packed = np.hstack([np.zeros((height, 1), np.uint8), rows]).tobytes()  # each line without a filter
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", colours.astype(np.uint8).tobytes()),
            _chunk(b"IDAT", zlib.compress(packed, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _parts(codes: np.ndarray) -> np.ndarray:
    """Red, green and blue of each colour."""
    return np.stack([codes >> 16, codes >> 8 & 0xFF, codes & 0xFF], axis=1)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

"""Image files to RGB pixels: whatever is no sound image costs one line that names the file."""

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from snnpd.errors import UsageError

# The suffixes that torchvision's ImageFolder goes by; the content decides which decoder runs.
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP")

# A quarter of a gigabyte as RGB, where Pillow begins to warn of a decompression bomb.
MAX_PIXELS = 89_478_485


def read_image(path: str | Path) -> Image.Image:
    """The image as 8-bit RGB: grey is repeated, CMYK and palettes are converted, alpha is dropped.

    Of 16-bit grey the upper eight bits are kept. The orientation that a camera noted is not applied: neither
    do the loaders apply it that the published accuracies were measured with.

    Raises:
        UsageError: a file that is missing, empty, truncated, damaged, no image, or too large to decode.
    """
    # Pillow warns of odd metadata, which no pixel depends on, and of sizes, which are checked here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path, formats=_FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Image.DecompressionBombError(f"{image.width} × {image.height} pixels")
                return _to_rgb(image)
        except Image.DecompressionBombError as error:
            raise UsageError(
                f"{shown(path)}: a decompression bomb, or too large an image: {error}, at most {MAX_PIXELS:,} "
                f"pixels are decoded; shrink or remove it"
            ) from error
        # A damaged file can fail anywhere in a decoder, with any error.
        except Exception as error:
            raise UsageError(
                f"{shown(path)}: {_reason(path, error)}; unpack it again or remove it"
            ) from error


def shown(path: str | Path) -> str:
    """The path on one line, with everything escaped that cannot be printed."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in os.fspath(path)
    )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        # Converting would copy.
        image.load()
        return image
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode!r} have no known range; save it with 8 or 16 bits")
    return image.convert("RGB")


def _reason(path: str | Path, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read ({error.strerror})"
    size = os.path.getsize(path)
    if size == 0:
        return "empty: found 0 bytes, expected an image"
    if isinstance(error, Image.UnidentifiedImageError):
        return f"no image: found {size} bytes that are none of {', '.join(_FORMATS)}"
    return f"damaged image ({' '.join(str(error).split()) or type(error).__name__})"

"""One thread a process, and signature checks in the rooms whose signatures carry shapes, before any import."""

import os

# Networks as small as these lose by a second thread, most of all where tests run side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings
from jaxtyping import install_import_hook

import tests.shape_checks

# A shared core makes an example slow, not wrong.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

ROOMS = [
    "attention",
    "blocks",
    "datasets",
    "expansion",
    "models",
    "neurons",
    "projections",
    "shapes",
    "spikes",
]

install_import_hook([f"snnpd.{room}" for room in ROOMS], f"{tests.shape_checks.__name__}.checker")

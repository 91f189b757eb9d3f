"""Installs the signature checks, in the rooms whose signatures carry shapes, before they are imported."""

from jaxtyping import install_import_hook

import tests.shape_checks  # the hook below reaches it by its dotted name

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

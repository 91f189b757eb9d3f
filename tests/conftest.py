"""One thread a process, and signature checks in the rooms whose signatures carry shapes, before any import."""

import os

# Networks as small as these lose by a second thread, most of all where tests run side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from zlib import crc32

import pytest
import torch
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


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest) -> None:
    """A seed of its own for every test, whatever ran before it in its process; SNNPD_TEST_SEED draws others."""
    torch.manual_seed(crc32(f"{os.environ.get('SNNPD_TEST_SEED', 0)} {request.node.nodeid}".encode()))

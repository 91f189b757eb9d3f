"""One thread a process, and signature checks in the rooms whose signatures carry shapes, before any import."""

import os
from importlib.util import find_spec
from pkgutil import iter_modules

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
    "projections",
    "shapes",
    "spikes",
]

# numba compiles what stands in the folders of kernels as it is written, without a wrapper around it.
PACKAGE = find_spec("snnpd")
ROOMS += [
    f"neurons.{file.name}"
    for file in iter_modules([f"{folder}/neurons" for folder in PACKAGE.submodule_search_locations])
    if not file.ispkg
]

install_import_hook([f"snnpd.{room}" for room in ROOMS], f"{tests.shape_checks.__name__}.checker")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Contents of files do not name tests: some hold the second they were made in, and every process has its own."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest) -> None:
    """A seed of its own for every test, whatever ran before it in its process; SNNPD_TEST_SEED draws others."""
    torch.manual_seed(crc32(f"{os.environ.get('SNNPD_TEST_SEED', 0)} {request.node.nodeid}".encode()))

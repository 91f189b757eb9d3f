"""Which instance a launch asks for, and what every instance costs on a device that need not be here."""

import pytest
import torch

from snnpd.neurons.cuda.kernels import SOURCE, Shape, affine_backward_launch, shape_of, variants
from snnpd.neurons.launch import Place
from tests.cuda.nvrtc import compile_kernels, costs

ALIGNED = torch.zeros(4096)


def place_of(num_steps: int, num_neurons: int) -> Place:
    return Place(num_steps, 1, num_neurons, num_neurons, num_neurons, 1, 1)


@pytest.mark.parametrize(
    ("shape", "place", "dtype", "columns", "learned", "offset"),
    [
        (Shape(4, 1), place_of(3, 64), torch.float32, 1, False, 0),
        (Shape(8, 1), place_of(3, 64), torch.float16, 1, False, 0),
        (Shape(4, 4), place_of(3, 64), torch.float32, 1, True, 0),
        (Shape(4, 4), place_of(3, 64)._replace(channel_inner=2), torch.float32, 32, False, 0),
        (Shape(4, 1), place_of(3, 64)._replace(channel_inner=16), torch.float32, 4, False, 0),
        (Shape(8, 8), place_of(3, 64)._replace(channel_inner=4), torch.bfloat16, 16, False, 0),
        (Shape(1, 1), place_of(3, 63), torch.float32, 1, False, 0),
        (Shape(1, 1), place_of(3, 60), torch.bfloat16, 1, False, 0),
        (Shape(1, 1), place_of(3, 64), torch.float32, 1, False, 1),
        (Shape(4, 1), Place(3, 4, 16, 48, 200, 1, 1), torch.float32, 1, False, 0),
        (Shape(1, 1), Place(3, 4, 16, 42, 200, 1, 1), torch.float32, 1, False, 0),
        (Shape(1, 1), Place(3, 4, 16, 48, 201, 1, 1), torch.float32, 1, False, 0),
        (Shape(4, 1), Place(1, 4, 16, 48, 201, 1, 1), torch.float32, 1, False, 0),
        (Shape(4, 1), Place(3, 1, 64, 63, 64, 1, 1), torch.float32, 1, False, 0),
    ],
)
def test_a_thread_is_as_wide_as_alignment_allows(shape, place, dtype, columns, learned, offset) -> None:
    x = ALIGNED.to(dtype)[offset:]
    assert shape_of(place, torch.zeros(8, columns), dtype, x, [ALIGNED, None], learned) == shape


def test_one_output_out_of_line_makes_threads_narrow() -> None:
    for offset, lanes in [(0, 4), (1, 1), (4, 4)]:
        dense = [ALIGNED, ALIGNED[offset:]]
        assert shape_of(place_of(3, 64), torch.zeros(8, 1), torch.float32, None, dense).lanes == lanes


def test_nothing_is_launched_for_no_neurons() -> None:
    empty = torch.empty(0)
    assert affine_backward_launch(place_of(3, 0), torch.ones(3, 1), None, empty, empty).num_blocks == 0


@pytest.mark.parametrize("arch", ["sm_80", "sm_90"])
def test_every_variant_compiles_and_spills_nothing(arch: str) -> None:
    found = compile_kernels(SOURCE, variants(), arch)
    assert len(found) == len(set(variants())) == 99
    for name, cost in found.items():
        # 64 warps share 65,536 registers; a block of 128 threads must fit whatever happens.
        assert 0 < cost.registers <= 255, name
        assert cost[1:] == (0, 0, 0), f"{name}: {cost}"


def test_the_reader_of_logs_sees_a_spill() -> None:
    log = (
        "ptxas info    : Compiling entry function 'f' for 'sm_90'\n"
        "ptxas info    : Function properties for f\n"
        "    16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads\n"
        "ptxas info    : Used 255 registers, used 0 barriers\n"
    )
    assert costs(log, "sm_90") == {"f": (255, 16, 8, 12)}
    assert costs(log, "sm_80") == {}

"""CUDA code without a device: every obstacle has its sentence, and CuPy is handed exactly what a launch needs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from snnpd import cuda_code
from snnpd.errors import UsageError

CUDA = torch.device("cuda", 0)


class FakeCuda:
    """Stands for torch's and CuPy's view of two devices: notes what is current, compiled and launched."""

    def __init__(self, code: Path) -> None:
        self.code = code
        self.current, self.log, self.streams, self.error = 0, [], [], None
        self.version, self.built_for, self.num_imports = "14.2.0", 13, 0

    def device(self, device: torch.device | int) -> "FakeGuard":
        return FakeGuard(self, device if isinstance(device, int) else device.index)

    def current_stream(self, device: torch.device) -> SimpleNamespace:
        return SimpleNamespace(cuda_stream=7000 + device.index)

    def import_module(self, name: str) -> SimpleNamespace:
        assert name == "cupy"
        self.num_imports += 1
        runtime = SimpleNamespace(runtimeGetVersion=lambda: self.built_for * 1000 + 20)
        streams = SimpleNamespace(from_external=lambda stream: FakeStream(self, stream.__cuda_stream__()))
        cuda = SimpleNamespace(runtime=runtime, Stream=streams)
        return SimpleNamespace(__version__=self.version, cuda=cuda, RawModule=self.compile)

    def compile(self, **options: object) -> SimpleNamespace:
        def get_function(name: str) -> tuple:
            if self.error:
                raise self.error
            self.log.append((self.current, options | {"name": name}))
            return (name, self.current)

        return SimpleNamespace(get_function=get_function)

    def kernel(self, *arguments: object, shared_mem: int) -> None:
        self.log.append((self.current, self.streams[-1], *arguments, shared_mem))
        self.current = 0  # as CuPy may leave it
        if self.error:
            raise self.error


class FakeGuard:
    def __init__(self, cuda: FakeCuda, index: int) -> None:
        self.cuda, self.index = cuda, index

    def __enter__(self) -> None:
        self.before, self.cuda.current = self.cuda.current, self.index

    def __exit__(self, *error: object) -> None:
        self.cuda.current = self.before


class FakeStream:
    def __init__(self, cuda: FakeCuda, spoken: tuple[int, int]) -> None:
        self.cuda, self.spoken = cuda, spoken

    def __enter__(self) -> None:
        self.cuda.streams.append(self.spoken)

    def __exit__(self, *error: object) -> None:
        self.cuda.streams.pop()


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeCuda]:
    """A machine on which all is well: torch for CUDA 13, a driver, two devices, CuPy; and a file of code."""
    fake = FakeCuda(tmp_path / "code.cu")
    fake.code.write_text('#include "other.cu"\nvoid g();\n')
    (tmp_path / "other.cu").write_text('#include "third.cu"\nvoid h();\n')
    (tmp_path / "third.cu").write_text("void i();\n")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for name in ("device", "current_stream"):
        monkeypatch.setattr(torch.cuda, name, getattr(fake, name))
    monkeypatch.setattr(torch.cuda, "current_device", lambda: fake.current)
    monkeypatch.setattr(cuda_code, "import_module", fake.import_module)
    monkeypatch.setattr(cuda_code, "CDLL", lambda name: None)
    monkeypatch.setattr(cuda_code, "_failures", [])
    forget()
    yield fake
    forget()


def forget() -> None:
    for function in (cuda_code._torch_obstacle, cuda_code._cupy_obstacle, cuda_code._load):
        function.cache_clear()


def raising(error: Exception) -> Callable[..., None]:
    def function(*arguments: object) -> None:
        raise error

    return function


def no_cuda_in_torch(fake: FakeCuda, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(torch.version, "cuda", None)


def no_driver(fake: FakeCuda, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(torch.cuda, "is_available", lambda: False)
    patch.setattr(cuda_code, "CDLL", raising(OSError("libcuda.so.1: cannot open shared object file")))


def no_device(fake: FakeCuda, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(torch.cuda, "is_available", lambda: False)


def torch_for_an_old_cuda(fake: FakeCuda, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(torch.version, "cuda", "11.8")


def no_cupy(fake: FakeCuda, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        cuda_code, "import_module", raising(ModuleNotFoundError("No module named 'cupy'", name="cupy"))
    )


def broken_cupy(fake: FakeCuda, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        cuda_code, "import_module", raising(ImportError("\nlibnvrtc.so.13: cannot open\nmore of it"))
    )


def old_cupy(fake: FakeCuda, patch: pytest.MonkeyPatch) -> None:
    fake.version = "13.6.0"


def cupy_for_another_cuda(fake: FakeCuda, patch: pytest.MonkeyPatch) -> None:
    fake.built_for = 12


def a_kernel_failed(fake: FakeCuda, patch: pytest.MonkeyPatch) -> None:
    fake.error = RuntimeError("\nkern.cu(3): error: expected a ';'\n1 error detected")
    with pytest.raises(
        UsageError, match=r"^code\.cu: f<1> does not compile for device 1: kern\.cu\(3\): [^\n]*$"
    ):
        cuda_code.load(fake.code, "f<1>", torch.device("cuda", 1))


SENTENCES = [
    (no_cuda_in_torch, CUDA, "is built without CUDA; install a CUDA build of torch"),
    (no_driver, CUDA, "no NVIDIA driver is installed"),
    (no_device, CUDA, "torch finds no CUDA device"),
    (lambda *_: None, torch.device("cpu"), "the tensor is on cpu, not on a CUDA device"),
    (torch_for_an_old_cuda, CUDA, "built for CUDA 11.8, for which there is no CuPy 14"),
    (no_cupy, CUDA, "CuPy is not installed; pip install 'snnpd[cuda13]'"),
    (
        broken_cupy,
        CUDA,
        "does not import here (libnvrtc.so.13: cannot open); pip install --force-reinstall cupy-cuda13x",
    ),
    (old_cupy, CUDA, "CuPy 13.6.0 is too old; pip install --upgrade 'snnpd[cuda13]'"),
    (cupy_for_another_cuda, CUDA, "built for CUDA 12 but torch for CUDA 13; pip uninstall cupy-cuda12x"),
    (a_kernel_failed, CUDA, "did not compile here (kern.cu(3): error: expected a ';')"),
]


@pytest.mark.parametrize(("obstacle", "device", "sentence"), SENTENCES)
def test_every_obstacle_has_its_sentence(
    obstacle, device, sentence: str, cuda: FakeCuda, monkeypatch
) -> None:
    obstacle(cuda, monkeypatch)
    why = cuda_code.why_not(device)
    assert why is not None
    assert sentence in why
    assert "\n" not in why
    others = [other for _, _, other in SENTENCES if other != sentence]
    assert not any(other in why for other in others)


def test_a_good_machine_has_no_obstacle_and_is_asked_once(cuda: FakeCuda) -> None:
    assert [cuda_code.why_not(device) for device in (None, CUDA, CUDA)] == [None, None, None]
    assert cuda.num_imports == 1


@pytest.mark.parametrize("obstacle", [no_cuda_in_torch, no_driver, no_device])
def test_cupy_is_not_imported_where_torch_has_no_device(obstacle, cuda: FakeCuda, monkeypatch) -> None:
    obstacle(cuda, monkeypatch)
    assert cuda_code.why_not() is not None
    assert cuda.num_imports == 0


def test_a_kernel_is_compiled_once_a_device_and_name(cuda: FakeCuda) -> None:
    for index, name in [(0, "f<1>"), (1, "f<1>"), (0, "f<2>"), (1, "f<1>"), (0, "f<1>")]:
        assert cuda_code.load(cuda.code, name, torch.device("cuda", index)) == (name, index)
    cuda.current = 1
    assert cuda_code.load(cuda.code, "f<1>", torch.device("cuda")) == ("f<1>", 1)
    assert [(device, options["name"]) for device, options in cuda.log] == [
        (0, "f<1>"),
        (1, "f<1>"),
        (0, "f<2>"),
    ]
    options = cuda.log[1][1]
    assert options["name_expressions"] == ("f<1>",)
    assert options["options"] == ("--std=c++17", "--fmad=false")
    assert options["code"] == "void i();\n\nvoid h();\n\nvoid g();\n"


def test_a_launch_goes_to_the_tensors_device_and_torchs_stream_there(cuda: FakeCuda) -> None:
    tensor = SimpleNamespace(device=torch.device("cuda", 1))
    data = torch.zeros(3)
    arguments = (data, None, np.int32(-3), np.float32(0.5), np.int64(2**40))
    for error in (None, RuntimeError("launch failed")):
        cuda.current, cuda.error = 0, error
        if error:
            with pytest.raises(RuntimeError, match="launch failed"):
                cuda_code.launch(cuda.kernel, [5], [128], arguments, 512, tensor)
        else:
            cuda_code.launch(cuda.kernel, [5], [128], arguments, 512, tensor)
        device, stream, grid, block, given, shared = cuda.log[-1]
        assert (device, stream, grid, block, shared) == (1, (0, 7001), (5,), (128,), 512)
        assert given == (data.data_ptr(), 0, -3, 0.5, 2**40)
        assert [value.dtype.str[1:] for value in given] == ["u8", "u8", "i4", "f4", "i8"]
        assert (cuda.current, cuda.streams) == (0, [])


def test_the_caller_keeps_its_device_though_cupy_leaves_another(cuda: FakeCuda) -> None:
    cuda.current = 1
    cuda_code.launch(cuda.kernel, [1], [1], (), 0, SimpleNamespace(device=torch.device("cuda", 0)))
    assert cuda.current == 1

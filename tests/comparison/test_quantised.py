import copy
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from snnpd.attention.layer import HeadGroup
from snnpd.attention.table import ANALOG
from snnpd.comparison.quantised import MAPS, LearnedStep, bits_of, quantisation_off, quantise
from snnpd.energy import report
from snnpd.errors import UsageError
from snnpd.training import Encoder
from tests.comparison.digits import IMAGE, SERIES, images, series, train, twin

REFUSED = ("cat", "cat_alter", "cat_averaged_key", "hyla", "primal", "rpc")
LEVELS = [(2, False), (3, False), (5, False), (3, True), (9, True)]


def inputs(name: str) -> tuple[Tensor, Tensor | None]:
    return series() if name == "series" else (images(16), None)


def begun(levels: int, *, is_signed: bool, options: dict = IMAGE, **more: object) -> nn.Module:
    """A quantised twin that has seen one batch in training, all of which its batch-norms remember."""
    model = quantise(twin(**options, **more), levels, is_signed=is_signed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model(*inputs("series" if options is SERIES else "image"))
    return model.eval()


def values_seen(model: nn.Module, x: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
    """The distinct values at the input of each map, and behind the codes of queries, keys and values."""
    seen = defaultdict(list)
    for name, module in model.named_modules():
        if isinstance(module, MAPS):
            module.register_forward_pre_hook(lambda _, args, name=name: seen[name].append(args[0]))
        if isinstance(module, HeadGroup):
            for part in ("query", "key", "value"):
                place = f"{name}.{part}"
                getattr(module, part).register_forward_hook(
                    lambda _, args, y, place=place: seen[place].append(y)
                )
    with torch.no_grad():
        model(x, mask)
    return {name: torch.cat([x.flatten() for x in parts]).unique() for name, parts in seen.items()}


@pytest.mark.parametrize("name", ["image", "series"])
@pytest.mark.parametrize(("levels", "is_signed"), LEVELS)
def test_every_activation_and_weight_has_so_many_values(levels: int, is_signed: bool, name: str) -> None:
    model = begun(levels, is_signed=is_signed, options=SERIES if name == "series" else IMAGE)
    values = values_seen(model, *inputs(name))
    maps = {name: module for name, module in model.named_modules() if isinstance(module, MAPS)}
    first = next(iter(maps))
    assert len(values.pop(first)) > levels
    assert len(values) == len(maps) - 1 + 2 * 3
    assert all(2 <= len(found) <= levels for found in values.values())
    assert any(len(found) == levels for found in values.values())
    if is_signed:
        assert all(
            torch.equal(found.abs().unique(), found.clamp_min(0).unique()) for found in values.values()
        )
    for layer in maps.values():
        found = layer.weight.unique()
        assert 3 <= len(found) <= 2 ** bits_of(model) - 1
        assert 0 in found


@pytest.mark.parametrize("attention", sorted(set(ANALOG) - set(REFUSED)))
def test_other_attention_is_quantised_too(attention: str) -> None:
    model = begun(5, is_signed=False, attention=attention)
    values = values_seen(model, *inputs("image"))
    num_coded = sum(1 < len(found) <= 5 for found in values.values())
    assert num_coded == len(values) - 1 >= 8
    assert all(step.is_ready for step in model.modules() if isinstance(step, LearnedStep))


@pytest.mark.parametrize(
    ("levels", "is_signed", "bits"),
    [(2, False, 2), (4, False, 2), (5, False, 3), (9, True, 4), (16, False, 4), (17, False, 5)],
)
def test_the_width_of_its_words(levels: int, is_signed: bool, bits: int) -> None:
    assert bits_of(quantise(twin(**IMAGE), levels, is_signed=is_signed)) == bits


@pytest.mark.parametrize("is_symmetric", [True, False])
def test_gradients_take_the_rounding_for_the_identity(is_symmetric: bool) -> None:
    code = LearnedStep(5, is_symmetric=is_symmetric).double()
    code.begin(torch.linspace(-1.0, 1.5, 50))
    x = torch.linspace(-4.0, 4.0, 81, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(81, dtype=torch.float64)
    (code(x) * weights).sum().backward()
    step, zero = code.log_step.exp().detach(), code.zero.detach()
    place = x.detach() / step - zero
    inside = (place >= 0) & (place <= 4)
    assert 10 < inside.sum() < 60
    torch.testing.assert_close(x.grad, weights * inside)
    # Esser et al. 2020, eq. 3: rounded minus exact inside the range, the last value outside it.
    count = place.clamp(0, 4).round() + zero
    of_step = torch.where(inside, count - x.detach() / step, count)
    share = (81 * 4) ** -0.5
    torch.testing.assert_close(code.log_step.grad, share * step * (of_step * weights).sum())
    if not is_symmetric:
        torch.testing.assert_close(code.zero.grad, share * step * (weights * ~inside).sum())


def test_the_gradient_of_the_step_is_that_of_finite_differences_where_nothing_is_rounded() -> None:
    code = LearnedStep(5, is_symmetric=False).double()
    code.begin(torch.linspace(-1.0, 1.5, 50))
    x = torch.tensor([-9.0, -7.0, 8.0, 11.0, 12.0], dtype=torch.float64)
    code(x).sum().backward()
    with torch.no_grad():
        ends = []
        for change in (1e-4, -2e-4):
            code.log_step += change
            ends.append(code(x).sum())
    torch.testing.assert_close(code.log_step.grad, (ends[0] - ends[1]) / 2e-4 * (5 * 4) ** -0.5)


def test_more_levels_are_closer_to_the_floats() -> None:
    errors = []
    for levels in (3, 9, 33, 129):
        model = begun(levels, is_signed=False)
        with torch.no_grad():
            y = model(*inputs("image"))
            with quantisation_off(model):
                floats = model(*inputs("image"))
        errors.append(float((y - floats).square().mean() / floats.square().mean()))
        assert not torch.equal(y, floats)
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.01 < errors[0]


def test_off_it_is_the_network_it_was() -> None:
    model, plain = quantise(twin(**IMAGE), 5, is_signed=False).eval(), twin(**IMAGE).eval()
    with quantisation_off(model):
        torch.testing.assert_close(model(images(4)), plain(images(4)))
        counted = [
            report(net, [images(4)[0]], encode=Encoder(time_steps=1)).to_dict() for net in (model, plain)
        ]
    operations = [row["totals"]["operations"] for row in counted]
    assert operations[0] == operations[1]
    assert sum(row["done"] for row in operations[0]) > 1e5
    assert not [row for row in counted[0]["unpriced"] if row["function"] == "round"]
    with pytest.raises(UsageError, match="first batch in training"):
        model(images(4))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, float]:
    model = quantise(twin(**IMAGE), 5, is_signed=False)
    return model, train(model, tmp_path_factory.mktemp("run"), epochs=3, ema_decay=0.9)


def test_it_learns_and_moves_its_steps(trained: tuple[nn.Module, float]) -> None:
    model, found = trained
    assert found > 0.75
    start = begun(5, is_signed=False)
    for name, parameter in model.named_parameters():
        if name.endswith(("log_step", "zero")):
            assert parameter.item() != start.get_parameter(name).item(), name


def test_copies_and_saved_states_are_the_same_network(
    trained: tuple[nn.Module, float], tmp_path: Path
) -> None:
    model, x = trained[0], images(20)
    torch.save(model.state_dict(), tmp_path / "state.pt")
    loaded = quantise(twin(seed=1, **IMAGE), 5, is_signed=False).eval()
    loaded.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    twice = copy.deepcopy(model)
    assert torch.equal(loaded(x), model(x))
    assert torch.equal(twice(x), model(x))
    with torch.no_grad():
        twice.head.input_code.log_step += 1
    assert not torch.equal(twice(x), model(x))
    assert torch.equal(loaded(x), model(x))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quantise(twin(**IMAGE), 1, is_signed=False), r"levels = 1 .* T \+ 1"),
        (lambda: quantise(twin(**IMAGE), 4, is_signed=True), r"levels = 4 .* 2 T \+ 1"),
        (
            lambda: quantise(quantise(twin(**IMAGE), 3, is_signed=True), 3, is_signed=True),
            "quantised already",
        ),
        (lambda: quantise(nn.Sequential(nn.Linear(2, 2)), 3, is_signed=True), "nothing to quantise"),
        *[
            (
                lambda name=name: quantise(twin(**IMAGE, attention=name), 3, is_signed=True),
                r"blocks\.[01]\.attention is",
            )
            for name in REFUSED
        ],
        (lambda: bits_of(twin(**IMAGE)), "is not quantised"),
    ],
)
def test_refused_in_words(call: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()

"""What cannot be counted is refused or listed; what was declared is held to it; nothing is left behind."""

import gc

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks

from snnpd.energy.rules_elementwise import RULES as ELEMENTWISE
from snnpd.energy.rules_free import COPIES, CREATIONS, LOOKS
from snnpd.energy.rules_reductions import RULES as REDUCTIONS
from snnpd.energy.tally import count_batch
from snnpd.errors import UsageError
from snnpd.neurons import create_neuron
from snnpd.neurons.base import Neuron
from snnpd.spikes import BINARY, TERNARY, Alphabet, integer
from tests.energy.counting import Code, Formula, Totals, letters, one, totals

WORDS = torch.linspace(-1, 2, 24).reshape(2, 3, 4)


@torch.library.custom_op("snnpd_tests::twice", mutates_args=())
def twice(x: Tensor) -> Tensor:
    """A kernel of somebody's own, of which nothing is known."""
    return x * 2


# torch warns of the hooks that watch a compiled module; the refusal is what tells its user more
@pytest.mark.filterwarnings("ignore:Using .torch.compile:UserWarning")
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            Formula(lambda x, last: last(x), last=Formula(twice)),
            "parts.last: the fused kernel snnpd_tests::twice",
        ),
        (Formula(lambda x, rnn: rnn(x), rnn=nn.LSTM(4, 2)), "parts.rnn: the fused kernel aten::.*lstm|rnn"),
        (torch.compile(nn.Linear(4, 2), backend="eager"), "a compiled module hides its operations"),
    ],
    ids=["custom operator", "lstm", "compiled"],
)
def test_what_hides_its_operations_is_refused_by_name(model: nn.Module, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refusal:
        count_batch(model, WORDS)
    assert "\n" not in str(refusal.value)


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:DeprecationWarning")
def test_a_traced_module_is_refused() -> None:
    model = nn.Sequential(nn.ReLU(), torch.jit.trace(nn.Linear(4, 2), WORDS))
    with pytest.raises(
        UsageError, match="1: a compiled module hides its operations; report the module it was"
    ):
        count_batch(model, WORDS)


def test_a_hidden_kernel_can_be_declared() -> None:
    # a module that emits letters, by the custom operator: 2 of 4 inputs carry 2 unit events each, to 3 outputs
    model = Formula(lambda x, code, fc: fc(code(x)), code=Formula(twice), fc=nn.Linear(4, 3))
    ledger = count_batch(model, one(1, 0, 1, 0), alphabets={"parts.code": integer(2)})
    assert totals(model, one(1, 0, 1, 0), alphabets={"parts.code": integer(2)}) == {"linear ac f32": (12, 6)}
    assert ledger.unpriced == {("parts.code", "neuron Formula"): 4}


@pytest.mark.parametrize(
    ("model", "listed", "counted"),
    [
        (Formula(lambda x: torch.fft.fft(x).abs()), {"_fft_c2c": 24, "abs": 24}, {}),
        (Formula(lambda x: torch.cdist(x, x)), {"_cdist_forward": 18}, {}),
        (nn.ConvTranspose1d(3, 2, 3), {"transposed convolution": 24}, {}),
        (nn.GELU(), {"gelu": 24}, {}),
        (Formula(lambda x: 1 / x), {"reciprocal": 24}, {}),
        (Formula(lambda x: x / (x * x)), {"division": 24}, {"gate mac f32": (24, 0)}),
    ],
)
def test_functions_without_a_price_are_listed(
    model: nn.Module, listed: dict[str, int], counted: Totals
) -> None:
    ledger = count_batch(model, WORDS)
    found = {name: n for (_layer, name), n in ledger.unpriced.items()}
    # the real transform and the complex one are two names for the same
    assert {name.replace("_r2c", "_c2c"): n for name, n in found.items()} == listed
    assert {layer for layer, _ in ledger.unpriced} == {type(model).__name__}
    assert totals(model, WORDS) == counted


def test_what_leaves_torch_is_listed() -> None:
    model = Formula(lambda x, fc: fc(torch.from_numpy(x.numpy() * 2)), fc=nn.Linear(4, 2))
    ledger = count_batch(model, WORDS)
    assert list(ledger) or any(layer == "parts.fc" for layer, _ in ledger.unpriced)


@pytest.mark.parametrize("layer", [nn.Conv1d(1, 1, 3), nn.Linear(5, 3), nn.ReLU()])
def test_a_layer_that_sees_one_sample_at_a_time(layer: nn.Module) -> None:
    def forward(x: Tensor, layer: nn.Module) -> Tensor:
        return torch.stack([layer(sample) for sample in x.flatten(0, 1)])

    # which sample it was is not to be seen: refused, not rounded to zero; with batches of one it is known
    x, model = torch.randn(2, 2, 1, 5), Formula(forward, layer=layer)
    with pytest.raises(UsageError, match=r"parts.layer: .* a layer that runs on parts of a batch"):
        count_batch(model, x)
    whole = Formula(lambda x, layer: layer(x.flatten(0, 1)), layer=layer)
    assert totals(model, x[:, :1]) == totals(whole, x[:, :1])


class Emits(nn.Module):
    """Zeros but for one value, whatever comes in."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        """The value in the last place."""
        y = x * 0
        y[-1, -1, -1] = self.value
        return y


@pytest.mark.parametrize(
    ("alphabet", "value"),
    [
        (BINARY, 0.5),
        (BINARY, 0.75),
        (BINARY, 1.0001),
        (BINARY, 2.0),
        (BINARY, -1.0),
        (BINARY, float("nan")),
        (BINARY, float("inf")),
        (TERNARY, -0.75),
        (TERNARY, 2.0),
        (integer(4), 2.5),
        (integer(4), 5.0),
        (integer(4), -1.0),
    ],
)
def test_values_outside_a_declared_alphabet(alphabet: Alphabet, value: float) -> None:
    model = nn.Sequential(Emits(value), nn.Linear(4, 2))
    message = rf"0: 1 of 24 values \(.*\) are not in its declared alphabet {alphabet.name}"
    with pytest.raises(UsageError, match=message):
        count_batch(model, WORDS, alphabets={"0": alphabet})


@pytest.mark.parametrize(
    ("alphabet", "value"), [(BINARY, 0.75), (BINARY, 2.0), (TERNARY, -0.5), (integer(4), 5.0)]
)
def test_an_input_outside_its_alphabet(alphabet: Alphabet, value: float) -> None:
    with pytest.raises(UsageError, match=f"1 of 24 values .* are not in .*alphabet {alphabet.name}"):
        count_batch(nn.Linear(4, 2), Emits(value)(WORDS), inputs=alphabet)


def test_values_that_cancel_in_the_sums() -> None:
    # range and rounded sum of binary letters: 1, ¾ and ¾, ½ and ½ more
    model = Formula(lambda x, code: code(x), code=Code())
    x = torch.zeros(2, 3, 4)
    x[0, 0] = torch.tensor([1, 0.75, 0.75, 0.5])
    x[1, 2] = torch.tensor([0.25, 0.75, 1, 1])
    with pytest.raises(UsageError, match="5 of 24 values"):
        count_batch(model, x, alphabets={"parts.code": BINARY})


def test_a_class_can_be_declared_and_its_values_are_looked_at() -> None:
    model = nn.Sequential(nn.Hardtanh(), nn.Linear(4, 2))
    with pytest.raises(UsageError, match=r"0: \d+ of 24 values .* are not in its declared alphabet ternary"):
        count_batch(model, WORDS, alphabets={"Hardtanh": TERNARY})
    assert totals(model, WORDS.round(), alphabets={"Hardtanh": TERNARY}).keys() == {"linear ac f32"}


def test_a_declared_view_says_nothing_of_its_neighbours() -> None:
    # one half passes through a declared identity; the other half stays analog, whoever owns the memory
    def forward(x: Tensor, code: nn.Module, fc: nn.Module) -> Tensor:
        spikes, words = x.chunk(2, -1)
        return fc(code(spikes)), fc(words)

    x = torch.cat([one([1, 0]), one([0.3, 2.5])], -1)
    model = Formula(forward, code=nn.Identity(), fc=nn.Linear(2, 3, bias=False))
    found = totals(model, x, alphabets={"parts.code": BINARY})
    assert found["linear mac f32"][0] >= 6
    assert all(skipped >= 0 for _done, skipped in found.values())


def test_a_comparison_in_place_of_a_part_says_nothing_of_the_rest() -> None:
    def forward(x: Tensor, fc: nn.Module) -> Tensor:
        x = x.clone()
        x[:, :, 0].gt_(0)
        return fc(x)

    found = totals(Formula(forward, fc=nn.Linear(4, 2)), WORDS)
    assert found["linear mac f32"] == (48, 0)


def test_letters_do_not_outlive_their_memory() -> None:
    """A constant from outside gets an address that spikes had; it is no activation."""

    def forward(x: Tensor, fc: nn.Module) -> None:
        for _ in range(50):
            spikes = (x > 0).float()
            del spikes
            fc(torch.from_numpy(np.full((2, 3, 4), 0.5, dtype=np.float32)))

    gc.collect()
    ledger = count_batch(Formula(forward, fc=nn.Linear(4, 2)), WORDS)
    assert {account.operation.kind for account, _ in ledger} == {"compare"}


@pytest.mark.parametrize("norm", [nn.InstanceNorm1d(3), nn.BatchNorm1d(3, track_running_stats=False)])
def test_statistics_of_the_data_do_not_fold(norm: nn.Module) -> None:
    model = nn.Sequential(nn.Conv1d(1, 3, 3, padding=1), norm).eval()
    found = totals(model, torch.randn(2, 1, 8), time_steps=0)
    # 2 samples x 3 channels x 8: as every norm that is computed on the spot
    assert found["norm mac f32"] == (96, 0)
    assert found["norm ac f32"] == (96, 0)


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_behind(fails: bool) -> None:
    neuron = create_neuron("lif")
    last: nn.Module = Formula(twice) if fails else nn.Linear(4, 2)
    model = nn.Sequential(neuron, last)
    before = len(hooks._global_forward_hooks), len(hooks._global_forward_pre_hooks)
    fastpath = torch.backends.mha.get_fastpath_enabled()
    if fails:
        with pytest.raises(UsageError, match="twice"):
            count_batch(model, WORDS)
    else:
        count_batch(model, WORDS)
    assert (len(hooks._global_forward_hooks), len(hooks._global_forward_pre_hooks)) == before
    assert isinstance(neuron, Neuron)
    assert not neuron.watchers
    assert torch.backends.mha.get_fastpath_enabled() == fastpath
    # and the next count is as the first of a fresh model
    fresh = nn.Sequential(create_neuron("lif"), nn.Linear(4, 2))
    assert totals(fresh, WORDS)["neuron ac f32"] == (24, 0)


def test_counting_changes_nothing_of_the_result() -> None:
    model = nn.Sequential(nn.Linear(4, 8), create_neuron("ternary_lif"), nn.Linear(8, 2))
    seen: list[Tensor] = []
    count_batch(model, WORDS, lambda model, x: seen.append(model(x)))
    model[1].reset()
    assert torch.equal(seen[0], model(WORDS))


def test_no_samples_and_no_tokens() -> None:
    assert totals(nn.Linear(4, 2), torch.zeros(2, 3, 0, 4)) == {"linear mac f32": (0, 0)}
    assert totals(nn.Linear(4, 2), letters((2, 3, 0, 4), 0, 1), inputs=BINARY) == {"linear ac f32": (0, 0)}


def test_work_done_outside_torch_is_listed_and_what_follows_is_counted() -> None:
    class Outside(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tensor(x.tolist())

    ledger = count_batch(nn.Sequential(nn.Linear(4, 3), Outside(), nn.Linear(3, 2)), torch.rand(1, 2, 4))
    assert dict(ledger.unpriced) == {("1", "not followed"): 6}
    assert [(account.layer, int(count.done.sum())) for account, count in ledger] == [("0", 24), ("2", 12)]


@pytest.mark.parametrize(
    ("alphabets", "message"),
    [
        ({"0": BINARY}, r"alphabets\['0'\] would hide the linear maps inside it"),
        ({"Sequential": BINARY}, r"alphabets\['Sequential'\] would hide"),
        ({"nope": BINARY}, "unknown module in alphabets 'nope'"),
        ({"1": (0, 1)}, r"alphabets\['1'\] is \(0, 1\); give snnpd.spikes.BINARY"),
    ],
)
def test_letters_that_would_hide_operations_or_name_nothing(alphabets: dict, message: str) -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.Identity())
    with pytest.raises(UsageError, match=message):
        count_batch(model, torch.rand(1, 2, 4), alphabets=alphabets)


def test_no_operator_has_two_rules() -> None:
    tables = [set(ELEMENTWISE), set(REDUCTIONS), set(COPIES), set(CREATIONS), set(LOOKS)]
    assert sum(map(len, tables)) == len(set().union(*tables))

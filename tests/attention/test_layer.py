"""What all expansion layers share: streaming, cross-attention, forms, explanations, refusals."""

import pytest
import torch
from spikingjelly.activation_based import functional
from torch import Tensor

from snnpd.attention import Attention, create_attention, explain, list_attentions
from snnpd.attention.table import ANALOG, SPIKING, attention_maker
from snnpd.errors import UsageError
from snnpd.expansion import from_attention
from tests.attention.subjects import DIM, NUM_HEADS, TOKENS, Subject

STREAMS = [
    Subject("linear", {"causal": True}),
    Subject("ssa", {"scale": 0.75, "causal": True}),
    Subject("bsa", {"causal": True, "features": "exact"}),
    Subject("bipolar_bn", {"causal": True, "statistics": "running", "features": "exact"}),
    Subject("attention_bn", {"causal": True, "statistics": "running"}),
]


def run(layer: Attention, *inputs: Tensor | None) -> Tensor:
    functional.reset_net(layer)
    y = layer(*inputs)
    functional.reset_net(layer)
    return y


@pytest.mark.parametrize("chunks", [[1] * TOKENS, [3, 1, 4], [TOKENS]], ids=str)
@pytest.mark.parametrize("subject", STREAMS[:4], ids=str)
def test_a_stream_of_tokens_gives_the_causal_layer(subject: Subject, chunks: list[int]) -> None:
    layer, x = subject.make(), subject.tokens()
    seen, state, sizes = [], None, set()
    for token in x.split(chunks, dim=2):
        y, state = layer.stream(token, state)
        seen.append(y)
        sizes.add(sum(part.numel() for group in state for part in group))
    truth = run(layer, x)
    assert torch.allclose(torch.cat(seen, 2), truth, atol=1e-10)
    assert truth.std() > 1e-3
    assert len(sizes) == 1


@pytest.mark.parametrize(
    ("subject", "words"),
    [(STREAMS[4], "no finite feature map"), (Subject("linear"), "waits for later tokens")],
    ids=str,
)
def test_what_cannot_stream_says_why(subject: Subject, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        subject.make().stream(subject.tokens())
    with pytest.raises(UsageError, match="call eval"):
        STREAMS[0].make().train().stream(subject.tokens())


@pytest.mark.parametrize("name", list_attentions())
def test_cross_attention_or_the_reason_why_not(name: str) -> None:
    options = {"scale": 0.375} if name in ("ssa", "sdsa3") else {}
    subject = Subject(name, options)
    layer, x, context = subject.make(), subject.tokens(), subject.tokens(seed=4)
    if layer.no_context:
        with pytest.raises(UsageError, match=f"{type(layer).__name__} has no cross-attention"):
            run(layer, x, None, context)
        return
    if not subject.mixes_samples:  # its context is for the layer within, after the rows have met
        assert torch.allclose(run(layer, x, None, x), run(layer, x), atol=1e-10)
    longer = torch.cat([context, subject.tokens(seed=5)[:, :, :2]], 2)
    y = run(layer, x, None, longer)
    assert y.shape == x.shape
    assert not torch.allclose(y, run(layer, x, None, context), atol=1e-6)
    seen = torch.arange(TOKENS + 2).expand(4, -1) < TOKENS
    assert torch.allclose(run(layer, x, None, longer, seen), run(layer, x, None, context), atol=1e-10)


def test_a_projection_of_part_of_its_columns_is_the_whole_one() -> None:
    layer = Subject("bsa").make().train()
    x = Subject("bsa").tokens()
    whole = layer.qkv(x)
    parts = [layer.qkv.columns(x, None, slice(start, start + DIM)) for start in (0, DIM, 2 * DIM)]
    assert torch.allclose(torch.cat(parts, -1), whole, atol=1e-12)


@pytest.mark.parametrize("name", list_attentions())
def test_every_layer_is_explained(name: str) -> None:
    layer = create_attention(name, DIM, NUM_HEADS)
    text = explain(layer, num_tokens=64)
    assert type(layer).__name__ in text.splitlines()[0]
    assert ("no support vector expansion" in text) == bool(layer.no_expansion)
    if not layer.no_expansion and "heads" in text:
        for word in (
            "kernel",
            "normaliser",
            "transform",
            "feature dimension",
            "dual form",
            "primal form",
            "rows",
        ):
            assert f"\n  {word}" in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("softmax", "stochastic, exactly"),
        ("bsa", "stochastic within bounds"),
        ("ssa", "not stochastic"),
        ("linear", "stochastic, exactly"),
    ],
)
def test_rows_in_words(name: str, words: str) -> None:
    assert words in explain(create_attention(name, DIM, NUM_HEADS))


def test_a_layer_that_is_no_expansion_has_no_regression() -> None:
    refused = 0
    for name in list_attentions():
        layer = create_attention(name, DIM, NUM_HEADS)
        if layer.no_expansion:
            x = torch.randn(1, 2, TOKENS, DIM)
            with pytest.raises(UsageError, match=r"is no support vector expansion: .{20}"):
                from_attention(layer, (x > 0).float() if name in SPIKING else x)
            refused += 1
    assert refused > 5


@pytest.mark.parametrize(
    ("name", "options", "tokens", "words"),
    [
        ("attention_bn", {"causal": True}, TOKENS, "statistics='running'"),
        ("bipolar_bn", {"causal": True}, TOKENS, "statistics='running'"),
        ("attention_sh", {"causal": True}, TOKENS, "windows that reach past the query"),
        ("attention_sh", {"grid": (2, 4)}, TOKENS + 1, "class token"),
        ("cat", {"causal": True}, TOKENS, "O\\(N"),
        ("bsa", {"features": "exact", "score_shift": 1}, TOKENS, "never forms"),
        ("bsa", {"features": "exact", "rounding": "dyadic"}, TOKENS, "use rounding='ceil'"),
        ("bsa", {"features": "quick"}, TOKENS, "exact"),
        ("softmax", {"form": "primal"}, TOKENS, "no finite feature map"),
        ("softmax", {"form": "fusd"}, TOKENS, "fused"),
        ("attention_bn", {"statistics": "batch"}, TOKENS, "sample"),
    ],
)
def test_wrong_use_is_refused_in_one_line(name: str, options: dict, tokens: int, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refusal:
        create_attention(name, DIM, NUM_HEADS, **options)(torch.zeros(1, 1, tokens, DIM))
    assert "\n" not in str(refusal.value)


def test_a_feature_map_too_large_names_the_others() -> None:
    with pytest.raises(UsageError, match="TruncatedTernary"):
        create_attention("bsa", 64, 2, features="exact")(torch.zeros(1, 1, 4, 64))


@pytest.mark.parametrize(("name", "network"), [("hyla", "vit_tiny_twin"), ("bsa", "spikingformer_tiny")])
def test_an_attention_of_the_other_kind_names_the_network_it_wants(name: str, network: str) -> None:
    allowed = ANALOG if name in SPIKING else SPIKING
    with pytest.raises(UsageError, match=network):
        attention_maker(name, allowed)

"""Attention, solved: libsvm and our own solver, told the Gram matrix and the targets, give the layer's outputs."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import KernelCenterer
from sklearn.svm import SVR
from spikingjelly.activation_based import functional
from torch import Tensor, nn

from snnpd.attention import Attention, create_attention
from snnpd.errors import UsageError
from snnpd.expansion import (
    AttentionSVR,
    Linear,
    duality_gap,
    from_attention,
    kkt_residual,
    predict,
    solve_svr,
    with_origin,
)
from snnpd.expansion.from_attention import rows_sum_to_one

SSA = {"scale": 0.375}
LAYERS = [
    ("softmax", {}),
    ("linear", {}),
    ("attention_bn", {}),
    ("attention_sh", {}),
    ("ssa", SSA),
    ("bsa", {}),
    ("bsa", {"rounding": "sum"}),
    ("bsa", {"rounding": "dyadic"}),
    ("bipolar_bn", {}),
    ("bipolar_sh", {}),
    ("bipolar_bn_sh", {}),
]
every_layer = pytest.mark.parametrize(
    ("name", "options"), LAYERS, ids=["-".join([n, *map(str, o.values())]) for n, o in LAYERS]
)
# libsvm keeps the Gram matrix in single precision. Ten keys of an exponential kernel in two dimensions are too
# nearly dependent for 1e-6 then. More keys than features elu + 1 leave directions in which its rounded Gram matrix
# goes astray for minutes; on spikes it does so below 1e-9.
LIBSVM_DIMS = (4, 7)
# In fewer dimensions one rounding of a target moves the predictions of any solver by more than 1e-8.
OUR_DIMS = (4, 8)
sizes = {"num_heads": st.integers(1, 3), "num_tokens": st.integers(2, 10), "seed": st.integers(0, 2**16)}
some = settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def tokens(name: str, *shape: int) -> Tensor:
    x = torch.randn(*shape, dtype=torch.float64)
    return (x > 0.3).double() if name == "ssa" or name.startswith("b") else x


def layer_at_work(
    name: str, options: dict, num_heads: int, head_dim: int, num_tokens: int, seed: int
) -> tuple[Attention, Tensor]:
    torch.manual_seed(seed)
    width = num_heads * head_dim
    layer = create_attention(name, width, num_heads, **options).double()
    for norm in (m for m in layer.modules() if isinstance(m, nn.BatchNorm1d)):
        norm.momentum = None
    layer(tokens(name, 2, 3, num_tokens, width))
    functional.reset_net(layer)
    return layer.eval(), tokens(name, 2, 1, num_tokens, width)


def head_outputs(layer: Attention, x: Tensor) -> list[Tensor]:
    outputs: list[Tensor] = []
    hooks = [g.register_forward_hook(lambda _m, _a, out: outputs.append(out.detach())) for g in layer.groups]
    functional.reset_net(layer)
    layer(x)
    functional.reset_net(layer)
    for hook in hooks:
        hook.remove()
    return outputs


def libsvm(svr: AttentionSVR, q: Tensor) -> Tensor:
    """scikit-learn's answer at queries it was not fitted on, one regression a head and output.

    The Gram matrix is centred, which a regression with bias does not notice, and scaled to one: libsvm keeps it in
    single precision.
    """
    problem = with_origin(svr)
    cross = nn.functional.pad(svr.cross(q), (0, problem.gram.shape[-1] - svr.h.shape[-1]))
    out = torch.empty(*cross.shape[:-1], problem.targets.shape[-1], dtype=torch.float64)
    for head in np.ndindex(*problem.targets.shape[:-2]):
        gram, rows = problem.gram[head].numpy(), cross[head].numpy()
        centre = KernelCenterer().fit(gram)
        centred = centre.transform(gram)
        unit = max(np.diagonal(centred).mean(), 1e-12)
        for e in range(out.shape[-1]):
            targets = problem.targets[head][:, e].numpy()
            size = max(np.abs(targets).max(), 1e-12)
            solver = SVR(
                kernel="precomputed",
                C=float(problem.box) * unit / size,
                epsilon=problem.epsilon / size,
                tol=1e-9 if isinstance(svr.expansion.kernel, Linear) else 1e-10,
            )
            solver.fit(centred / unit, targets / size)
            out[head][:, e] = torch.from_numpy(size * solver.predict(centre.transform(rows) / unit))
    return out


@every_layer
@some
@given(data=st.data(), **sizes)
def test_libsvm_predicts_the_layer_at_unseen_queries(
    data: st.DataObject, name: str, options: dict, **shape: int
) -> None:
    head_dim = data.draw(st.integers(*LIBSVM_DIMS))
    if name == "linear":
        shape["num_tokens"] = min(shape["num_tokens"], head_dim - 1)
    layer, x = layer_at_work(name, options, head_dim=head_dim, **shape)
    outputs = head_outputs(layer, x)
    assert len(outputs) == len(layer.groups)
    for svr, truth in zip(from_attention(layer, x), outputs, strict=True):
        assert svr.problem.bias == rows_sum_to_one(svr.expansion)
        ours = libsvm(svr, svr.points.q)
        size = truth.abs().max()  # zero where spikes never meet; libsvm gives some 1e-8 then
        assert (ours - truth).abs().max() <= 1e-6 * (size if size else 1)


@every_layer
@some
@given(head_dim=st.integers(*OUR_DIMS), **sizes)
def test_our_solver_and_the_known_solution_agree(name: str, options: dict, **shape: int) -> None:
    layer, x = layer_at_work(name, options, **shape)
    for svr, truth in zip(from_attention(layer, x), head_outputs(layer, x), strict=True):
        scale = truth.abs().max()
        assert (svr.predict(svr.points.q) - truth).abs().max() <= 1e-12 * scale
        assert kkt_residual(svr.problem, svr.beta, svr.bias).max() <= 1e-8
        assert duality_gap(svr.problem, svr.beta, svr.bias).abs().max() <= 1e-8
        solved = solve_svr(svr.problem)
        assert solved.kkt.max() <= 1e-8
        assert solved.gap.abs().max() <= 1e-8
        found = predict(svr.cross(svr.points.q), solved.beta, solved.bias)
        assert (found - truth).abs().max() <= 1e-8 * scale + 1e-14


@every_layer
def test_the_regression_is_alive(name: str, options: dict) -> None:
    """Targets that differ, dual variables of both signs, a constraint that holds: nothing above passes on zeros."""
    layer, x = layer_at_work(name, options, num_heads=2, head_dim=4, num_tokens=8, seed=1)
    for svr in from_attention(layer, x):
        assert svr.problem.targets.std() > 1e-3
        assert svr.beta.max() > 1e-3
        assert svr.problem.epsilon > 0
        if svr.problem.bias:
            assert svr.beta.min() < -1e-3
            assert svr.beta.sum(-2).abs().max() < 1e-10 * svr.beta.abs().max()
            assert svr.bias.abs().max() > 1e-3
        wrong = svr.beta + 0.01 * svr.beta.abs().max()
        assert kkt_residual(svr.problem, wrong, svr.bias).max() > 1e-4


@pytest.mark.parametrize("name", ["softmax", "bsa", "attention_bn"])
def test_padded_support_points_take_no_part(name: str) -> None:
    layer, x = layer_at_work(name, {}, num_heads=2, head_dim=4, num_tokens=7, seed=3)
    mask = torch.arange(7) < 5
    short = from_attention(layer, x[:, :, :5])
    functional.reset_net(layer)
    padded = from_attention(layer, x, mask[None])
    functional.reset_net(layer)
    for one, other in zip(short, padded, strict=True):
        assert torch.allclose(one.beta, other.beta[..., :5, :], atol=1e-10)
        assert (other.beta[..., 5:, :] == 0).all()
        assert kkt_residual(other.problem, other.beta, other.bias).max() <= 1e-8
        assert solve_svr(other.problem).kkt.max() <= 1e-8


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("softmax", {"causal": True}, "as many regressions as queries"),
        ("local", {}, "as many regressions as queries"),
        ("bsa", {"score_shift": 1}, "no inner product"),
    ],
)
def test_what_is_no_regression_is_refused(name: str, options: dict, words: str) -> None:
    layer, x = layer_at_work(name, options, num_heads=2, head_dim=4, num_tokens=5, seed=0)
    with pytest.raises(UsageError, match=words):
        from_attention(layer, x)


def test_a_box_that_is_left_is_refused() -> None:
    layer, x = layer_at_work("softmax", {}, num_heads=2, head_dim=4, num_tokens=5, seed=0)
    with pytest.raises(UsageError, match="widen it"):
        from_attention(layer, x, box=1e-3)

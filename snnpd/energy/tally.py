"""The tally: a real forward pass, watched operator by operator, with the declared letters followed through it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from spikingjelly.activation_based.neuron.base_node import BaseNode
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from snnpd.attention.layer import HeadGroup
from snnpd.attention.views import HeadView
from snnpd.energy.declared import cost_of, cost_of_node, fire, observe
from snnpd.energy.declared_attention import attend, is_shift_attention
from snnpd.energy.declared_fixed import DECLARED
from snnpd.energy.ledger import Ledger
from snnpd.energy.rules_elementwise import RULES as ELEMENTWISE
from snnpd.energy.rules_free import COPIES, CREATIONS, LOOKS, copied, written
from snnpd.energy.rules_linear import batch_norm, convolution, matrix_product
from snnpd.energy.rules_reductions import RULES as REDUCTIONS
from snnpd.energy.scene import Call, Scene, Word
from snnpd.energy.signals import Signal
from snnpd.errors import UsageError, unknown
from snnpd.neurons.base import Fired, Neuron
from snnpd.spikes import BINARY, Alphabet

Rule = Callable[[Scene, Call], Signal | None]
Alphabets = Mapping[str, Alphabet]

WRITES = ("copy_", "index_put_", "_index_put_impl_")
VIEWS_IN_PLACE = ("unsqueeze_", "squeeze_", "transpose_", "t_", "swapaxes_", "swapdims_", "detach_")
RULES: dict[str, Rule] = {
    **dict.fromkeys(("mm", "addmm", "bmm", "baddbmm", "mv", "addmv", "dot", "linear"), matrix_product),
    "convolution": convolution,
    **dict.fromkeys(
        ("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm"), batch_norm
    ),
    **ELEMENTWISE,
    **REDUCTIONS,
    **dict.fromkeys(COPIES, copied),
    **dict.fromkeys(WRITES, written),
}
_HEAVY = (nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd, nn.MultiheadAttention, nn.RNNBase)
# Kernels of torch that do the work of many layers at once.
FUSED = (
    "_native_multi_head_attention",
    "_transformer_encoder_layer_fwd",
    "lstm",
    "gru",
    "rnn_",
    "mkldnn",
    "quantized",
)


class Tally(TorchDispatchMode):
    """Counts what a batch costs while its forward pass runs inside the context.

    Raises:
        UsageError: a value outside a declared alphabet; a fused kernel that hides its operations.
    """

    def __init__(self, model: nn.Module, scene: Scene, alphabets: Alphabets) -> None:
        super().__init__()
        self.scene, self.alphabets = scene, alphabets
        self.names = {module: name or type(module).__name__ for name, module in model.named_modules()}
        self.model = model
        self.stack: list[nn.Module] = []
        self.calls: dict[str, list[int]] = defaultdict(list)
        self.num_hidden = 0

    @property
    def loops(self) -> int:
        """How often a network was called step by step: the calls of each neuron, if all were of one step."""
        calls = list(self.calls.values())
        is_stepwise = bool(calls) and all(set(steps) == {1} for steps in calls)
        return min(map(len, calls)) if is_stepwise and len({len(steps) for steps in calls}) == 1 else 1

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Counts until the context ends."""
        fastpath = torch.backends.mha.get_fastpath_enabled()
        with ExitStack() as stack:
            torch.backends.mha.set_fastpath_enabled(False)
            stack.callback(torch.backends.mha.set_fastpath_enabled, fastpath)
            for handle in (
                register_module_forward_pre_hook(self._enter),
                register_module_forward_hook(self._leave),
            ):
                stack.callback(handle.remove)
            for module in self.model.modules():
                if isinstance(module, Neuron):
                    stack.callback(_watch(module, self._fired))
                elif isinstance(module, HeadGroup) and is_shift_attention(module.expansion):
                    stack.callback(_watch(module, self._attended))
            stack.enter_context(self)
            yield

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Runs an operator and counts it, unless a declared module hides it."""
        kwargs = kwargs or {}
        if self.num_hidden:
            return func(*args, **kwargs)
        before = self._kept(func, args)
        out = func(*args, **kwargs)
        self._account(func, before, kwargs, out)
        return out

    def _kept(self, func: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, an activation that is about to be overwritten as it was."""
        name = func.overloadpacket.__name__
        if not _is_in_place(name) or not args or not isinstance(args[0], Tensor) or name in WRITES:
            return args
        signal = self.scene.signals[args[0]]
        if signal is None:
            return args
        copy = args[0].clone()
        self.scene.signals.set(copy, signal)
        return copy, *args[1:]

    def _account(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        signals, name = self.scene.signals, func.overloadpacket.__name__
        inputs = list(_tensors((args, kwargs)))
        known = [x for x in inputs if signals[x] is not None]
        if not known or name in CREATIONS:
            if not _is_alias(func) and not _is_in_place(name):
                signals.forget(list(_tensors(out)), is_zero="zeros" in name)
            return
        if func.namespace not in ("aten", "prims"):
            raise UsageError(
                f"{self.scene.layer}: the fused kernel {func.namespace}::{name} hides its operations; "
                "run the layer without it, or declare its module's letters in `alphabets`"
            )
        if name in LOOKS:
            return
        if (_is_alias(func) and not _is_in_place(name)) or name in VIEWS_IN_PLACE:
            for view in _tensors(out):
                self._viewed(name, args, known[0], view)
            return
        self._count(Call(name, args, kwargs, out), known)

    def _count(self, call: Call, known: list[Tensor]) -> None:
        signals = self.scene.signals
        is_in_place = _is_in_place(call.name)
        for x in known:
            signals.fit(x, self.scene.batch_size)
        rule = RULES.get(call.name) or RULES.get(call.name.removesuffix("_"))
        if rule is None:
            if call.name.startswith(FUSED):
                raise UsageError(
                    f"{self.scene.layer}: the fused kernel aten::{call.name} hides its operations; run the layer "
                    "without it"
                )
            self.scene.ledger.add_unpriced(
                self.scene.layer, call.name, sum(x.numel() for x in _tensors(call.out))
            )
            found: Signal | None = next(s for x in known if (s := signals[x]) is not None).analog()
        else:
            found = rule(
                self.scene, call._replace(name=call.name.removesuffix("_") if is_in_place else call.name)
            )
        for index, x in enumerate(_tensors(call.out)):
            signals.set(x, found if index == 0 or call.name in COPIES else None)

    def _viewed(self, name: str, args: tuple[Any, ...], x: Tensor, view: Tensor) -> None:
        """A view keeps the letters; one of some time steps, or of a step repeated, has other steps."""
        signals = self.scene.signals
        signal = signals[x]
        assert signal is not None
        signals.follow_view(x, view)
        if name in ("select", "unbind", "slice", "split", "narrow", "split_with_sizes", "chunk"):
            dim = next((arg for arg in args[1:2] if isinstance(arg, int)), 0)
            dim = args[2] if name.startswith("split") and len(args) > 2 else (0 if "split" in name else dim)
            if dim == 0 and x.shape[0] == signal.steps > 1:
                signals.mark_view(view, view.shape[0] if view.ndim == x.ndim else 1)
        elif name == "expand" and signal.steps == 1 and view.ndim > 1:
            is_time = view.shape[1] == self.scene.batch_size and view.numel() == x.numel() * view.shape[0]
            if is_time:
                signals.mark_view(view, view.shape[0])

    def _enter(self, module: nn.Module, args: Any) -> None:
        self.stack.append(module)
        self.scene.layer = self._name(module)
        self.num_hidden += self._is_declared(module)
        if not self.num_hidden:
            self._check_followed(module, args)

    def _check_followed(self, module: nn.Module, args: Any) -> None:
        """Lists a layer whose input has left torch on its way, or came beside the input of the network."""
        floats = [x for x in _tensors(args) if x.is_floating_point()]
        has_weights = next(module.parameters(recurse=False), None) is not None
        if has_weights and floats and all(self.scene.signals[x] is None for x in floats):
            self.scene.ledger.add_unpriced(self.scene.layer, "not followed", sum(x.numel() for x in floats))

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        if self._is_declared(module):
            if self.num_hidden == 1:  # not a part of another declared module
                with _disable_current_modes():
                    self._declare(module, args, output)
            self.num_hidden -= 1
        elif not self.num_hidden:
            self._catch_up(args, output)
        self.stack.pop()
        self.scene.layer = self._name(self.stack[-1]) if self.stack else ""

    def _catch_up(self, args: Any, output: Any) -> None:
        """Lists a module whose work was done outside torch, and goes on from its output."""
        signals = self.scene.signals
        signal = next((s for x in _tensors(args) if (s := signals[x]) is not None), None)
        floats = [x for x in _tensors(output) if x.is_floating_point()]
        if signal is None or not floats or any(signals[x] is not None for x in floats):
            return
        self.scene.ledger.add_unpriced(self.scene.layer, "not followed", sum(x.numel() for x in floats))
        for x in floats:
            signals.set(x, signals.fitting(x, signal.analog(), self.scene.batch_size))

    def _is_declared(self, module: nn.Module) -> bool:
        if isinstance(module, HeadGroup):
            return is_shift_attention(module.expansion)
        if type(module) in DECLARED:
            return True
        return isinstance(module, Neuron | BaseNode) or self._alphabet(module) is not None

    def _alphabet(self, module: nn.Module) -> Alphabet | None:
        return self.alphabets.get(self._name(module)) or self.alphabets.get(type(module).__name__)

    def _declare(self, module: nn.Module, args: Any, output: Any) -> None:
        """What a module has done, that says what it is; neurons and attention of ours have been watched."""
        if type(module) in DECLARED:
            DECLARED[type(module)](self.scene, module, args[0], output)
        elif not isinstance(module, Neuron | HeadGroup) or self._alphabet(module) is not None:
            self._declare_other(module, args, output)

    def _declare_other(self, module: nn.Module, args: Any, output: Any) -> None:
        """A module of another library whose letters are known: SpikingJelly's nodes, and those that the user names."""
        first, *others = _tensors(output)
        signal = next((s for x in _tensors(args) if (s := self.scene.signals[x]) is not None), None)
        if signal is None:
            return
        signal = self.scene.signals.fitting(first, signal, self.scene.batch_size)
        self.calls[self.scene.layer].append(signal.steps)
        cost = cost_of_node(module)
        alphabet = self._alphabet(module)
        if cost is None:
            self.scene.ledger.add_unpriced(self.scene.layer, f"neuron {type(module).__name__}", first.numel())
            observe(self.scene, first, signal, alphabet or BINARY)
        else:
            fire(self.scene, first, signal, cost)
        for x in others:
            self.scene.signals.set(x, signal.analog())

    def _fired(self, module: Neuron, fired: Fired) -> None:
        signal = self.scene.signals[fired.x]
        if signal is None or self.num_hidden > 1:
            return
        signal = self.scene.signals.fitting(fired.x, signal, self.scene.batch_size)
        self.calls[self.scene.layer].append(signal.steps)
        fire(self.scene, fired.spikes, signal, cost_of(module.spec, module))
        if fired.total is not None:
            self.scene.count("residual", "ac", signal, self.scene.per_row(fired.total.numel(), signal))
            self.scene.signals.set(fired.total, signal.analog())

    def _attended(self, module: HeadGroup, view: HeadView) -> None:
        attend(self.scene, view)

    def _name(self, module: nn.Module) -> str:
        return self.names.get(module, type(module).__name__)


def count_batch(
    model: nn.Module,
    x: Tensor,
    forward: Callable[[nn.Module, Tensor], Any] | None = None,
    *,
    given: Mapping[str, Tensor] | None = None,
    time_steps: int | None = None,
    word: Word | None = None,
    inputs: Alphabet | None = None,
    alphabets: Alphabets | None = None,
) -> Ledger:
    """The operations of one forward pass over a batch.

    Args:
        x: `[T, B, ...]`, or `[B, ...]` with `time_steps` 0 (static input; the network makes its time steps itself).
        forward: how the network is called; None calls it with x and what is given.
        given: further inputs by name, one row a sample, analog: time stamps, say.
        time_steps: T of the input; None is its first axis.
        word: the width of weights and potentials; None is as they usually are, 32-bit floats.
        inputs: the letters of the input; None takes it for analog.
        alphabets: letters of modules that declare none, by qualified name or by class name.
    """
    _check_whole(model)
    _check_alphabets(model, alphabets or {})
    steps = x.shape[0] if time_steps is None else time_steps
    scene = Scene(x.shape[1] if steps else x.shape[0], word or Word())
    signal = Signal(steps or 1)
    scene.signals.set(x, signal)
    if inputs is not None:
        scene.layer = "input"
        observe(scene, x, signal, inputs)
    given = given or {}
    for extra in given.values():
        scene.signals.set(extra, Signal(1))
    tally = Tally(model, scene, alphabets or {})
    with torch.no_grad(), tally.watching():
        model(x, **given) if forward is None else forward(model, x)
    scene.ledger.unroll(tally.loops)
    return scene.ledger


def _check_whole(model: nn.Module) -> None:
    """Raises UsageError for modules that have been compiled."""
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule) or type(module).__name__ == "OptimizedModule":
            raise UsageError(
                f"{name or type(module).__name__}: a compiled module hides its operations; report the module it "
                "was made from"
            )


def _check_alphabets(model: nn.Module, alphabets: Alphabets) -> None:
    """Raises UsageError for letters of modules that are not there, or that hold what would be hidden."""
    names = {name: module for name, module in model.named_modules() if name}
    types = {type(module).__name__: module for module in names.values()}
    types[type(model).__name__] = model
    for name, alphabet in alphabets.items():
        if name not in names and name not in types:
            raise unknown("module in alphabets", name, [*names, *types])
        if not isinstance(alphabet, Alphabet):
            raise UsageError(
                f"alphabets[{name!r}] is {alphabet!r}; give snnpd.spikes.BINARY, TERNARY or integer(n)"
            )
        chosen = [m for key, m in names.items() if name in (key, type(m).__name__)]
        if any(isinstance(part, _HEAVY) for module in chosen for part in module.modules()):
            raise UsageError(
                f"alphabets[{name!r}] would hide the linear maps inside it; name the module that makes the spikes"
            )


def _watch(module: Any, function: Callable[[Any, Any], None]) -> Callable[[], None]:
    def watcher(seen: Any) -> None:
        with _disable_current_modes():  # looking is no operation of the network
            function(module, seen)

    module.watchers.append(watcher)
    return lambda: module.watchers.remove(watcher)


def _tensors(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _tensors(value)
    elif isinstance(values, dict):
        yield from _tensors(list(values.values()))


def _is_in_place(name: str) -> bool:
    return name.endswith("_") and not name.endswith("__")


def _is_alias(func: Any) -> bool:
    """Whether the result is a view of an argument."""
    info = func._schema.returns[0].alias_info if func._schema.returns else None
    return info is not None and not info.is_write

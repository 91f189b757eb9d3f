"""Functional time: real time stamps to features, whose products are a learned kernel of the time between them."""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Float, Real
from torch import Tensor, nn

from snnpd.errors import UsageError

# By name, for the option `position` of the networks.
TIME_ENCODINGS: dict[str, str] = {
    "bochner": "snnpd.blocks.time_encoding:BochnerEncoding",
    "mercer": "snnpd.blocks.time_encoding:MercerEncoding",
}


class TimeEncoding(nn.Module, ABC):
    """Features Φ(t) of time stamps, over learned periods.

    The logarithms of the periods are learned, so that no period becomes negative and a learning rate means the
    same in microseconds as in years.

    Shapes: times `[B, N]` to `[B, N, dim]`; mask `[B, N]`, True where a token is real.

    Units: periods and time stamps share one unit, any. Phases are taken in float64. Stamps in float32 are exact
    for whole numbers up to 2^24 = 1.7e7; give longer ones as float64 or int64.

    Raises:
        UsageError: no period, or periods that are not in order; the stamp of a real token is not finite.
    """

    dim: int

    def __init__(self, num_periods: int, shortest_period: float, longest_period: float) -> None:
        super().__init__()
        if num_periods < 1:
            raise UsageError(f"time encoding: num_periods = {num_periods}; give at least 1")
        if not 0 < shortest_period <= longest_period < math.inf:
            raise UsageError(
                f"time encoding: periods from {shortest_period:g} to {longest_period:g}; "
                "they are positive, finite and the shortest comes first"
            )
        ends = math.log(shortest_period), math.log(longest_period)
        self.log_periods = nn.Parameter(torch.linspace(*ends, num_periods))

    def forward(
        self, times: Real[Tensor, "B N"], mask: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "B N F"]:
        """Φ(t) of every stamp; what padded tokens have for a stamp, NaN included, is not read."""
        times = times.double()
        if mask is not None:
            times = times.masked_fill(~mask, 0)
        if not times.isfinite().all():
            sample, token = (~times.isfinite()).nonzero()[0].tolist()
            raise UsageError(
                f"time stamp {times[sample, token].item()} of sample {sample}, token {token} is not finite; "
                "drop the token, or mask it"
            )
        phase = 2 * math.pi * times.unsqueeze(-1) / self.log_periods.double().exp()
        return self.features(phase).to(self.log_periods.dtype)

    @abstractmethod
    def features(self, phase: Float[Tensor, "B N P"]) -> Float[Tensor, "B N F"]:
        """Φ from the phases 2πt/period, one for each period."""


class BochnerEncoding(TimeEncoding):
    """Cosines and sines of learned frequencies, all of one amplitude; `dim` = 2 `num_periods`.

    Equation: Φ(t) = √(1/d) [cos ω_i t, sin ω_i t], i = 1..d; Φ(t)·Φ(t') = (1/d) Σ_i cos ω_i (t - t').

    One ω serves both blocks, hence the kernel depends on t - t' alone and |Φ| = 1, whatever is learned. The
    periods 2π/ω begin evenly spaced on a logarithmic scale.

    Source: Xu et al., "Self-attention with Functional Time Representation Learning", NeurIPS 2019 (Bochner's
    theorem), recalled; their code lets the frequencies of cosines and sines drift apart. See
    docs/math/time_encoding.md#e1-bochner.

    Example:
        >>> encoding = BochnerEncoding(num_periods=3)
        >>> early, late = (encoding(torch.tensor([[t, t + 1.5]]))[0] for t in (0.0, 40.0))
        >>> torch.allclose(early[0] @ early[1], late[0] @ late[1])
        True
    """

    def __init__(
        self, *, num_periods: int = 32, shortest_period: float = 2.0, longest_period: float = 10_000.0
    ) -> None:
        super().__init__(num_periods, shortest_period, longest_period)
        self.dim = 2 * num_periods

    def features(self, phase: Float[Tensor, "B N P"]) -> Float[Tensor, "B N F"]:
        """Cosines, then sines."""
        return torch.cat([phase.cos(), phase.sin()], -1) / math.sqrt(phase.shape[-1])


class MercerEncoding(TimeEncoding):
    """A truncated Fourier basis over each of several learned periods; `dim` = `num_periods` (1 + 2 `degree`).

    Equation: Φ(t) = [√c_i0, √c_ij cos(2πjt/p_i), √c_ij sin(2πjt/p_i)], i = 1..num_periods, j = 1..degree, with
    learned c = exp(log_coefficients) > 0; Φ(t)·Φ(t') = Σ_ij c_ij cos(2πj(t - t')/p_i).

    Cosine and sine of a harmonic share their coefficient: the kernel depends on t - t' alone. All c are equal
    at first, with |Φ| = 1, and no harmonic is then shorter than `shortest_period`.

    Source: Xu et al., "Self-attention with Functional Time Representation Learning", NeurIPS 2019 (Mercer's
    theorem), recalled; the exponential that keeps c positive is ours, and so is the shared coefficient.
    See docs/math/time_encoding.md#e2-mercer.

    Raises:
        UsageError: also where the harmonics do not fit between the shortest and the longest period.
    """

    def __init__(
        self,
        *,
        num_periods: int = 8,
        degree: int = 4,
        shortest_period: float = 2.0,
        longest_period: float = 10_000.0,
    ) -> None:
        if degree < 1:
            raise UsageError(f"Mercer encoding: degree = {degree}; give at least 1 harmonic")
        if shortest_period * degree > longest_period:
            raise UsageError(
                f"Mercer encoding: harmonic {degree} of the longest period, {longest_period:g}, is shorter than "
                f"the shortest, {shortest_period:g}; lower the degree or widen the range"
            )
        super().__init__(num_periods, shortest_period * degree, longest_period)
        self.dim = num_periods * (1 + 2 * degree)
        shape = num_periods, degree + 1
        self.log_coefficients = nn.Parameter(torch.full(shape, -math.log(math.prod(shape))))

    def features(self, phase: Float[Tensor, "B N P"]) -> Float[Tensor, "B N F"]:
        """For each period its constant, cosines and sines."""
        roots = (self.log_coefficients.double() / 2).exp()
        harmonics = torch.arange(1, roots.shape[-1], device=phase.device) * phase.unsqueeze(-1)
        constant = roots[:, :1].expand(*phase.shape, 1)
        waves = [roots[:, 1:] * harmonics.cos(), roots[:, 1:] * harmonics.sin()]
        return torch.cat([constant, *waves], -1).flatten(-2)

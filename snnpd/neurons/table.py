"""The neurons by name."""

NEURONS: dict[str, str] = {
    "if": "snnpd.neurons.modules:IF",
    "lif": "snnpd.neurons.modules:LIF",
    "plif": "snnpd.neurons.modules:ParametricLIF",
    "integer_lif": "snnpd.neurons.modules:IntegerLIF",
    "ternary_if": "snnpd.neurons.ternary:TernaryIF",
    "ternary_lif": "snnpd.neurons.ternary:TernaryLIF",
}

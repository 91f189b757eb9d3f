"""Spike-driven inference on integers, event by event: what a network really does, counted while it does it."""

from snnpd.energy.executor.run import Execution, Executor

__all__ = ["Execution", "Executor"]

"""Operations and energy of spiking networks, counted from what a network really computes."""

from snnpd.energy.costs import COST_MODELS, Access, CostModel, Operation
from snnpd.energy.ledger import Account, Count, Ledger
from snnpd.energy.measure import report
from snnpd.energy.report import EnergyReport
from snnpd.energy.scene import Word
from snnpd.energy.tally import count_batch

__all__ = [
    "COST_MODELS",
    "Access",
    "Account",
    "CostModel",
    "Count",
    "EnergyReport",
    "Ledger",
    "Operation",
    "Word",
    "count_batch",
    "report",
]

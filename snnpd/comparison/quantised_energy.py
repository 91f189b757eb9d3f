"""What a quantised network costs: narrow words where both factors are quantised, floats everywhere else."""

from dataclasses import replace

from torch import nn

from snnpd.attention.layer import HeadGroup
from snnpd.comparison.quantised import LearnedStep, bits_of
from snnpd.energy import EnergyReport
from snnpd.energy.costs import Access
from snnpd.energy.ledger import Account
from snnpd.energy.records import Tables


def narrowed(counted: EnergyReport, model: nn.Module) -> EnergyReport:
    """The report of a network that was counted in floats (`quantisation_off`), priced as it is quantised.

    Linear maps with a coded input multiply words of `bits_of(model)` bits; so does q kᵀ, half of the products of an
    attention layer (head widths of keys and values are equal). The network's first map, whose input is the sample,
    the product of softmax weights and values, norms, pools and residual sums stay in floats, as they are computed.
    Of words moved, inputs and weights of narrow maps are narrow; sums are written in floats.
    """
    modules = dict(model.named_modules())
    maps = {name for name, m in modules.items() if isinstance(getattr(m, "input_code", None), LearnedStep)}
    groups = {name for name, module in modules.items() if isinstance(module, HeadGroup)}
    bits, old = bits_of(model), counted.tables
    tables = replace(old, done={}, skipped={}, moved={})
    for account in old.done:
        narrow = account._replace(operation=account.operation._replace(bits=bits, is_float=False))
        if account.layer in maps and account.role == "linear":
            _put(tables, old, account, narrow)
        elif account.layer in groups and account.role == "product":
            _put(tables, old, account, narrow, share=2)
            _put(tables, old, account, account, share=2)
        else:
            _put(tables, old, account, account)
    for (layer, access), words in old.moved.items():
        tables.moved[layer, _narrow_access(access, bits) if layer in maps else access] = words
    return replace(counted, tables=tables)


def _put(tables: Tables, old: Tables, account: Account, new: Account, share: int = 1) -> None:
    """One part in `share` of an account's counts, under another account."""
    tables.done[new] = [(start, counts // share) for start, counts in old.done[account]]
    tables.skipped[new] = [(start, counts // share) for start, counts in old.skipped[account]]


def _narrow_access(access: Access, bits: int) -> Access:
    return access._replace(bits=bits) if access.mode == "read" else access

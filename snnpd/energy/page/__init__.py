"""A report as one HTML page that needs nothing else: charts, sortable tables, the rule behind every number."""

from snnpd.energy.page.page import render

__all__ = ["render"]

"""A comparison as one HTML page that needs nothing else: accuracy against energy, paired tests, maps and curves."""

from snnpd.comparison.page.page import render

__all__ = ["render"]

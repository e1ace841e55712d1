"""The lectures' and papers' figures: each is a page of code whose numbers are computed and compared on request."""

from .catalog import FIGURES, Figure, figure
from .reproduce import cites_of, reproduce_figures

__all__ = ["FIGURES", "Figure", "cites_of", "figure", "reproduce_figures"]

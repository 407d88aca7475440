"""How questions are put in each of the two parts of a run."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Manner:
    click_sources: dict[str, float] = field(default_factory=lambda: {"sets": 0.45, "scenes": 0.25, "regions": 0.3})
    """Shares of what is asked with clicks alone."""
    one_of_few_share: float = 0.6
    """How often, of up to three components, a click means the one under it instead of all: one of a pair of organs."""
    larger_regions: bool = False
    """Pseudo-regions are chosen in proportion to their side."""
    shifted_share: float = 0.0
    """Of the priors whose zero is moved. That is off by as much as their spread from image to image, and an answer may follow it; the
    estimate of the IoU has to tell. The mask does not learn from these rounds: on average the zero is right."""
    lone_overlap: bool = False
    """What one click alone means is anybody's guess; cross entropy would have the answer cover only what every guess
    shares, so there the overlap counts more."""


PLAIN = Manner()

BOLD = Manner(
    click_sources={"sets": 0.45, "scenes": 0.33, "regions": 0.22},
    one_of_few_share=0.35,
    larger_regions=True,
    shifted_share=0.5,
    lone_overlap=True,
)
"""Dares more, at a first click above all."""

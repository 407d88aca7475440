"""Synthetic pairs of images with masks: what a class is, drawn rather than labelled.

Few openly licensed sets are labelled; a decoder trained on those alone learns their kinds. Here a recipe is drawn at
random (an organ in a body, a cell in a smear, a dark blob in speckle, ...), then drawn twice: same looks and shapes,
other places, sizes and brightness. Everything else in the image is there to be told from the class.

Coordinates of outlines are unit coordinates: (x, y) in 0..1 over the square image. Lengths named *_px are pixels of an
image of REFERENCE_SIZE and scale with the size asked for.
"""

from .composing import Scene, scene

__all__ = ["Scene", "scene"]

"""The training curve as a picture."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


def draw_curve(curve: list[dict[str, float]], path: Path) -> None:
    """Losses on the left, validation on the right, both over batches."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 4.5))
    for axes, wanted in ((left, ("mask loss", "estimate loss")), (right, ("samples ", "scenes "))):
        for name in sorted({key for row in curve for key in row if key.startswith(wanted)}):
            rows = [row for row in curve if name in row]
            axes.plot([row["batch"] for row in rows], [row[name] for row in rows], label=name)
        axes.set_xlabel("batch")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    left.set_title("training")
    right.set_title("validation")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)

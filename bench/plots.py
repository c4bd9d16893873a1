# SPDX-License-Identifier: MIT
"""The plots of bench/compare."""
import os

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as pyplot
from matplotlib.colors import TwoSlopeNorm
from matplotlib.lines import Line2D
from numpy import log2

# Lines join the shapes of about half a million numbers; those that only memory holds stand apart. Shapes of the same
# length as another are in the table alone.
IN_CACHE = ["8192x10", "4096x32", "1024x100", "512x1000", "64x8192", "16x32000", "4x128256"]
IN_MEMORY = ["8192x1000", "256x128256"]
OFF_THE_CHART = 25  # nanoseconds: what is slower needs no line
COLOURS = {"logz": "#d62728", "eigen": "#1f77b4", "torch": "#ff7f0e", "onednn": "#2ca02c", "onednn_system": "#8fbc5a",
           "xnnpack": "#9467bd", "onnxruntime": "#8c564b", "copy": "#333333"}


def length_of(shape):
    return int(shape.split("x")[1])


def unique(rows, *keys):
    return list(dict.fromkeys(tuple(row[key] for key in keys) for row in rows))


def save(figure, folder, name):
    # The same figures give the same file.
    with matplotlib.rc_context({"svg.hashsalt": "logz", "svg.fonttype": "none"}):
        figure.savefig(os.path.join(folder, name), facecolor="white", bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)


def heat_map(folder, rows, title):
    """The ratio to the best peer of every cell."""
    rows = [row for row in rows if "ratio" in row]
    kinds, shapes = unique(rows, "function", "layout", "scalar"), unique(rows, "shape")
    ratio = {(row["function"], row["layout"], row["scalar"], row["shape"]): row["ratio"] for row in rows}
    grid = [[ratio.get((*kind, *shape), float("nan")) for shape in shapes] for kind in kinds]
    figure, axes = pyplot.subplots(figsize=(2.6 + 0.72 * len(shapes), 1 + 0.27 * len(kinds)))
    axes.imshow(log2(grid), aspect="auto", cmap="RdYlGn", norm=TwoSlopeNorm(0, -2, 4))
    axes.set_xticks(range(len(shapes)), [shape[0].replace("x", "×") for shape in shapes], fontsize=7)
    axes.set_yticks(range(len(kinds)), [" ".join(kind) for kind in kinds], fontsize=7)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for y, line in enumerate(grid):
        for x, value in enumerate(line):
            if value == value:
                weight = "bold" if value < 1 else "normal"
                axes.text(x, y, f"{value:.3g}" if value < 100 else f"{value:.0f}", ha="center", va="center", fontsize=7,
                          fontweight=weight, color="white" if value < 0.35 else "black")
    axes.set_title(f"How many times as fast as the best other library\n{title}", fontsize=8)
    save(figure, folder, "ratios.svg")


def lengths(folder, rows, scalar, names, title):
    """Nanoseconds per element over the slices' length, a panel for each function and layout."""
    rows = [row for row in rows if row["scalar"] == scalar and row["layout"] in ("contiguous", "interleaved")]
    panels = unique(rows, "function", "layout")
    if not any(row["shape"] in IN_CACHE for row in rows):
        return
    columns = min(4, len(panels))
    lines = -(-len(panels) // columns)
    figure, grid = pyplot.subplots(lines, columns, figsize=(3.1 * columns, 2.6 * lines + 0.8), sharex=True,
                                  sharey=True, squeeze=False)
    libraries = [one for one in [*names, "copy"] if any(nanoseconds(row, one) for row in rows)]
    for axes, (function, layout) in zip(grid.flat, panels):
        here = {row["shape"]: row for row in rows if (row["function"], row["layout"]) == (function, layout)}
        for library in libraries:
            style = {"color": COLOURS.get(library), "linewidth": 2.2 if library == "logz" else 1.2}
            if library == "copy":
                style["linestyle"] = ":"
            for shapes, marker in [(IN_CACHE, "o-"), (IN_MEMORY, "D")]:
                points = [(length_of(shape), nanoseconds(here[shape], library)) for shape in shapes if shape in here]
                points = [point for point in points if point[1]]
                if points:
                    hollow = {"linestyle": "none", "markerfacecolor": "white", "markersize": 4} if marker == "D" else {}
                    axes.plot(*zip(*points), marker[0], **{"linestyle": "-", "markersize": 3, **style, **hollow})
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_title(f"{function}, {layout}", fontsize=8)
        axes.grid(True, which="major", linewidth=0.4, alpha=0.6)
        axes.tick_params(labelsize=7)
    for axes in list(grid.flat)[len(panels):]:
        axes.set_axis_off()
    # The panels share the axis, so that it has its limits only when all are drawn.
    grid[0][0].set_ylim(top=min(grid[0][0].get_ylim()[1], OFF_THE_CHART))
    for line in grid:
        line[0].set_ylabel("ns per element", fontsize=8)
    for axes in grid[-1]:
        axes.set_xlabel("length of a slice", fontsize=8)
    marks = [Line2D([], [], color=COLOURS.get(one), linestyle=":" if one == "copy" else "-",
                    label=names.get(one, "copy (memcpy)")) for one in libraries]
    marks += [Line2D([], [], color="grey", marker=marker, linestyle="none", markerfacecolor=face, label=label)
              for marker, face, label in [("o", "grey", "about 0.5 million numbers"), ("D", "white", "8 and 33 million")]]
    figure.legend(handles=marks, loc="lower center", ncol=4, fontsize=8, frameon=False, bbox_to_anchor=(0.5, 0.985))
    figure.suptitle(f"{scalar}, up to {OFF_THE_CHART} ns; {title}", fontsize=8, y=0.99)
    figure.tight_layout()
    save(figure, folder, f"lengths_{scalar}.svg")


def nanoseconds(row, library):
    if library == "logz":
        return row["ns"]
    return row.get("copy_ns") if library == "copy" else row["peers"].get(library)


def draw(folder, rows, names, title):
    heat_map(folder, rows, title)
    for scalar in ["float", "double"]:
        lengths(folder, rows, scalar, names, title)

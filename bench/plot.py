# SPDX-License-Identifier: MIT
"""The plots of bench/compare, from its CSV: ratio.svg, a heat map of the ratio to the best peer, and length.svg, the
time per element of every library against the slices' length. Text stays text."""
import csv
import math
import os

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.patches import Rectangle  # noqa: E402

WIDTH = 9.4  # inches of 72 points: 900 pixels
LAYOUTS = ["contiguous", "interleaved"]
LENGTH_FUNCTIONS = ["softmax", "log_softmax", "logsumexp", "cross_entropy_with_grad"]
IN_CACHE = 2**20  # elements
COLOURS = {"logz": "#000000", "Eigen": "#0072b2", "libtorch": "#d55e00", "oneDNN": "#009e73", "XNNPACK": "#cc79a7",
           "ONNX Runtime": "#e69f00"}
STYLE = {"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": "logz", "axes.titlesize": 9,
         "font.family": "sans-serif", "savefig.facecolor": "white"}


def read(path):
    """({key: value} of the header, the rows of the layouts)"""
    with open(path, encoding="utf-8", newline="") as file:
        lines = file.read().splitlines()
    about = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# ") and ": " in line)
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return about, [row for row in rows if row["layout"] in LAYOUTS]


def unique(rows, key):
    return list(dict.fromkeys(row[key] for row in rows))


def size(shape):
    """(slices, length)"""
    return tuple(map(int, shape.split("x")))


def save(figure, directory, file_name):
    # Without the date, the same figures are the same file.
    figure.savefig(os.path.join(directory, file_name), metadata={"Date": None})
    plt.close(figure)


def subtitle(about):
    keys = ("CPU", "target", "date")
    return ", ".join(about[key] for key in keys if about.get(key))


def heading(figure, title, below):
    height = figure.get_size_inches()[1]
    figure.text(0.01, 1 - 0.16 / height, title, size=11, va="center")
    figure.text(0.01, 1 - 0.36 / height, below, va="center")


def heat_panel(axes, rows, lines, shapes, limit):
    ratios = {(row["layout"], row["function"], row["shape"]): row["ratio"] for row in rows}
    image = [[math.log2(float(ratios.get((*line, shape)) or "nan")) for shape in shapes] for line in lines]
    colours = plt.get_cmap("PuOr").copy()
    colours.set_bad("#eeeeee")
    mesh = axes.imshow(image, cmap=colours, vmin=-limit, vmax=limit, aspect="auto")
    for i, values in enumerate(image):
        for j, value in enumerate(values):
            if math.isnan(value):
                continue
            ratio = 2**value
            # Never 1.00 for what is less.
            shown = f"{min(ratio, 0.99):.2f}" if value < 0 else f"{ratio:.2f}" if ratio < 9.995 else f"{ratio:.1f}"
            axes.text(j, i, shown, ha="center", va="center", color="white" if abs(value) > 0.5 * limit else "black",
                      weight="bold" if value < 0 else "normal")
            if value < 0:
                axes.add_patch(Rectangle((j - 0.46, i - 0.44), 0.92, 0.88, fill=False, linewidth=1.4,
                                         edgecolor="#b2182b"))
    axes.set_xticks(range(len(shapes)), [shape.replace("x", " × ") for shape in shapes], rotation=30, ha="right",
                    rotation_mode="anchor")
    axes.set_yticks(range(len(lines)), [function for _, function in lines])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for layout in LAYOUTS:
        where = [i for i, line in enumerate(lines) if line[0] == layout]
        if where:
            axes.text(1.01, 1 - (sum(where) / len(where) + 0.5) / len(lines), layout, transform=axes.transAxes,
                      rotation=270, va="center")
            if where[0]:
                axes.axhline(where[0] - 0.5, color="white", linewidth=4, zorder=0.5)
    return mesh


def draw_ratios(rows, about, directory):
    rows = [row for row in rows if row["ratio"]]
    if not rows:
        return
    limit = 2
    shapes = sorted(unique(rows, "shape"), key=lambda shape: (size(shape)[0] * size(shape)[1] > IN_CACHE,
                                                              size(shape)[1], size(shape)[0]))
    panels = []
    for scalar in unique(rows, "scalar"):
        chosen = [row for row in rows if row["scalar"] == scalar]
        lines = [(layout, function) for layout in LAYOUTS for function in unique(chosen, "function")
                 if any((row["layout"], row["function"]) == (layout, function) for row in chosen)]
        panels.append((scalar, chosen, lines))
    heights = [0.24 * len(lines) + 0.75 for _, _, lines in panels]
    total = sum(heights) + 0.95
    figure, all_axes = plt.subplots(len(panels), 1, figsize=(WIDTH, total), squeeze=False,
                                    gridspec_kw={"height_ratios": [len(lines) for _, _, lines in panels]})
    figure.subplots_adjust(left=0.24, right=0.965, top=1 - 0.65 / total, bottom=1.15 / total,
                           hspace=0.75 * len(panels) / sum(len(lines) * 0.24 for _, _, lines in panels))
    for axes, (scalar, chosen, lines) in zip(all_axes[:, 0], panels):
        mesh = heat_panel(axes, chosen, lines, shapes, limit)
        axes.set_title(scalar, loc="left", weight="bold", pad=4)
    heading(figure, "Speed of logz, in multiples of the fastest other library's",
            f"{subtitle(about)}; slices × length; in a red frame: slower")
    bar = figure.add_axes([0.24, 0.42 / total, 0.5, 0.12 / total])
    steps = range(-limit, limit + 1)
    figure.colorbar(mesh, cax=bar, orientation="horizontal", extend="both", ticks=list(steps))
    bar.set_xticklabels([f"{2.0**step:g}" for step in steps])
    save(figure, directory, "ratio.svg")


def curve(rows, column):
    """Of each length the largest matrix in cache, joined; and those out of cache."""
    inside, outside = {}, []
    for row in rows:
        if not row[column]:
            continue
        slices, length = size(row["shape"])
        if slices * length > IN_CACHE:
            outside.append((length, float(row[column])))
        elif slices >= inside.get(length, (0, 0))[0]:
            inside[length] = slices, float(row[column])
    return sorted((length, ns) for length, (_, ns) in inside.items()), sorted(outside)


def length_panel(axes, rows, libraries):
    for label, column in libraries:
        line, points = curve(rows, column)
        floor = label == "copy"
        colour = "#888888" if floor else COLOURS.get(label)
        ours = label == "logz"
        style = {"color": colour, "linewidth": 2.2 if ours else 1.2, "linestyle": "--" if floor else "-",
                 "marker": None if floor else "o", "markersize": 3.5 if ours else 3, "zorder": 4 if ours else 3,
                 "label": label}
        drawn, = axes.plot(*zip(*line), **style) if line else axes.plot([], [], **style)
        if points:
            axes.plot(*zip(*points), linestyle="", marker="_" if floor else "s", markersize=5, markerfacecolor="none",
                      markeredgecolor=drawn.get_color(), zorder=style["zorder"])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(which="major", color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def draw_lengths(rows, about, directory):
    rows = [row for row in rows if row["scalar"] == "float" and row["function"] in LENGTH_FUNCTIONS]
    if not rows:
        return
    peers = [column[:-len(" ns")] for column in rows[0] if column.endswith(" ns")]
    libraries = [("logz", "ns")] + [(peer, f"{peer} ns") for peer in peers if any(row[f"{peer} ns"] for row in rows)]
    libraries.append(("copy", "copy_ns"))
    functions = [function for function in LENGTH_FUNCTIONS if function in unique(rows, "function")]
    layouts = [layout for layout in LAYOUTS if layout in unique(rows, "layout")]
    height = 0.9 + 2.35 * len(layouts)
    figure, all_axes = plt.subplots(len(layouts), len(functions), figsize=(WIDTH, height), sharex=True, sharey=True,
                                    squeeze=False)
    figure.subplots_adjust(left=0.065, right=0.99, top=1 - 0.75 / height, bottom=0.75 / height, wspace=0.08,
                           hspace=0.15)
    for layout, line in zip(layouts, all_axes):
        for function, axes in zip(functions, line):
            length_panel(axes, [r for r in rows if (r["function"], r["layout"]) == (function, layout)], libraries)
            if layout == layouts[0]:
                axes.set_title(function)
            if layout == layouts[-1]:
                axes.set_xlabel("length")
        line[0].set_ylabel(f"{layout}, ns/element")
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]
    low, high = all_axes[0, 0].get_ylim()
    shown = [tick for tick in ticks if low <= tick <= high]
    all_axes[0, 0].set_yticks(shown, [f"{tick:g}" for tick in shown])
    all_axes[0, 0].minorticks_off()
    all_axes[0, 0].set_xticks([10, 100, 1000, 10000, 100000], ["10", "100", "1000", "10⁴", "10⁵"])
    heading(figure, "Nanoseconds per element against the slices' length, float",
            f"{subtitle(about)}; lines: the largest matrix up to 2²⁰ elements; squares: larger ones")
    handles, labels = all_axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=len(libraries), frameon=False)
    save(figure, directory, "length.svg")


def draw(path, directory):
    about, rows = read(path)
    with plt.rc_context(STYLE):
        draw_ratios(rows, about, directory)
        draw_lengths(rows, about, directory)

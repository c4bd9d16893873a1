#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The README's table of errors, and its plot: logz beside the libraries that peers.py finds, on the same slices.

    tests/accuracy/report.py --accuracy build/tests/tests/accuracy/accuracy --work DIR --plot tests/accuracy/accuracy.svg

or `cmake --build --preset tests --target accuracy_report`. Three steps: the program writes the slices of its grid
`peers`, peers.py computes, the program measures all of it against MPFR.
"""
import argparse
import collections
import csv
import datetime
import os
import platform
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
OWN = ("baseline", "avx2", "avx512", "generic")
SPREAD_LENGTH = 1000  # of the slices whose spread varies
# Colour and width of each line; the table's columns and the lines come in this order, logz's drawn over the others.
STYLES = {"PyTorch": ("#0000a7", 1.2), "SciPy": ("#008176", 1.2), "NumPy": ("#b3b3b3", 1.2), "logz": ("#c1272d", 2.2)}


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def measure(program, work):
    figures = os.path.join(work, "errors.csv")
    subprocess.run([program, "--grid", "peers", "--write-inputs", work], check=True)
    if subprocess.run([sys.executable, os.path.join(HERE, "peers.py"), work], check=False).returncode != 0:
        print("Other libraries are left out: peers.py needs NumPy.")
    results = ["--results", work]
    subprocess.run([program, "--grid", "peers", "--scalars", "float,double", "--csv", figures] + results, check=False,
                   stdout=subprocess.DEVNULL)
    return figures


def read(figures):
    with open(figures, encoding="ascii") as file:
        compiler = file.readline()[2:].strip()
        rows = list(csv.DictReader(file))
    for row in rows:
        row["by"] = "logz" if row["by"] in OWN else row["by"]
        for name in ("length", "sigma", "offset", "max"):
            row[name] = float(row[name])
    return compiler, rows


def figure(error):
    return f"{error:.2f}" if error < 10 else f"{error:.0f}" if error < 1e4 else f"{error:.0e}".replace("e+0", "e").replace("e+", "e")


def worst(rows, by):
    """The largest error of each function and scalar."""
    most = collections.defaultdict(float)
    for row in rows:
        if row["by"] == by:
            most[row["function"], row["scalar"]] = max(most[row["function"], row["scalar"]], row["max"])
    return most


def libraries(rows):
    return sorted({row["by"] for row in rows}, key=lambda name: list(STYLES).index(name.split()[0]))


def print_table(rows):
    *peers, _ = libraries(rows)
    ours = worst(rows, "logz")
    normal = [row for row in rows if (row["family"], row["sigma"], row["offset"]) == ("normal", 3, 0)]
    columns = [("logz", ours)] + [(peer, worst(rows, peer)) for peer in peers]
    typical = [worst(normal, peer) for peer in peers]
    print("| function | " + " | ".join(name for name, _ in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for function in dict.fromkeys(row["function"] for row in rows):
        if not any((function, "float") in errors for _, errors in columns[1:]):
            continue
        cells = [" / ".join(figure(ours[function, scalar]) for scalar in ("float", "double"))]
        for (_, errors), usual in zip(columns[1:], typical):
            cells.append(" / ".join(f"{figure(usual[function, s])} ({figure(errors[function, s])})"
                                    for s in ("float", "double")) if (function, "float") in errors else "")
        print(f"| {function} | " + " | ".join(cells) + " |")


def draw(rows, path):
    try:
        import matplotlib
    except ImportError:
        print("The plot is left out: it needs matplotlib.")
        return
    matplotlib.use("svg")
    from matplotlib import pyplot

    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "logz", "font.size": 9})
    figure_, axes = pyplot.subplots(2, 4, figsize=(12, 5.6), sharey="col", layout="constrained")
    for column, function in enumerate(("softmax", "log_softmax", "logsumexp", "cross_entropy gradient")):
        kinds = (("length", lambda r: r["sigma"] == 3), ("sigma", lambda r: r["length"] == SPREAD_LENGTH))
        for line, (variable, wanted) in enumerate(kinds):
            axis = axes[line][column]
            for by in libraries(rows):
                points = collections.defaultdict(float)
                for row in rows:
                    if (row["function"], row["scalar"], row["by"], row["family"], row["offset"]) == \
                            (function, "float", by, "normal", 0) and wanted(row):
                        points[row[variable]] = max(points[row[variable]], row["max"], 2.0 ** -6)
                if points:
                    color, width = STYLES[by.split()[0]]
                    axis.plot(*zip(*sorted(points.items())), color=color, linewidth=width, label=by, marker=".", markersize=4)
            axis.set_xscale("log")
            axis.set_yscale("log", base=2)
            axis.grid(True, color="#eeeeee")
            axis.set_xlabel("length of the slice, spread 3" if variable == "length" else "spread of the logits, length 1000")
            if line == 0:
                axis.set_title(function)
    axes[0][0].set_ylabel("largest error, ulp of float")
    axes[1][0].set_ylabel("largest error, ulp of float")
    axes[0][0].legend(frameon=False)
    figure_.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accuracy", required=True, help="the program")
    parser.add_argument("--work", required=True, help="a directory for inputs, results and errors.csv")
    parser.add_argument("--plot", required=True, help="the SVG file")
    parser.add_argument("--keep", action="store_true", help="draws and prints the errors.csv that is there")
    args = parser.parse_args()
    os.makedirs(args.work, exist_ok=True)
    figures = os.path.join(args.work, "errors.csv") if args.keep else measure(args.accuracy, args.work)
    compiler, rows = read(figures)
    print(f"\n{cpu_model()}, {compiler}, {datetime.date.today()}. Largest error in ulp, float / double: of logz on all slices;")
    print("of the others on normal ones of spread 3 around 0 and, in brackets, on all.\n")
    print_table(rows)
    draw(rows, args.plot)


if __name__ == "__main__":
    main()

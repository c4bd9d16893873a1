#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times the library against the Eigen expression, cell by cell, and prints the ratios.

    bench/ratios.py [--build build/bench] [--rounds 5] [--filter REGEX] [--target avx2] [--peer eigen_bench]

Every round starts both executables, one after the other, on one cell; a figure is the median over the rounds and a
ratio the median of the rounds' ratios, so that what else the machine does falls on both. Columns: nanoseconds per
element of the library, of the Eigen expression compiled with -O3 -march=native and of memcpy, the library's GB/s
(what it must read and write), the ratio, and the one asked for (on an AVX-512 machine).
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys

SHAPES = ["8192x10", "4096x32", "1024x100", "512x1000", "16x32000", "8192x1000", "256x128256"]
ASKED = {
    ("softmax", "contiguous"): [7, 2.2, 2.2, 1.4, 1.3, "1.2 copies", "1.3 copies"],
    ("log_softmax", "contiguous"): [5, 1.7, 1.7, 1.3, 1.15, "1.2 copies", "1.3 copies"],
    ("softmax", "interleaved"): [5, 6, 6, 6, 5, 6, 4],
    ("log_softmax", "interleaved"): [5.5, 8.5, 8.5, 8.5, 7, 7, 5],
    ("logsumexp", "contiguous"): [5, 1.7, 1.7, 1.3, 1.15, 1, 1],
    ("logsumexp", "interleaved"): [5.5, 8.5, 8.5, 8.5, 7, 7, 5],
    ("softmax_backward", "contiguous"): [3, 1, 1, 1, 1, "1.7 copies", "1.7 copies"],
    ("softmax_backward", "interleaved"): [1.3, 1.3, 1.3, 1.3, 1.3, "1.7 copies", "1.7 copies"],
    ("log_softmax_backward", "contiguous"): [4, 1, 1, 1.3, 1.3, "1.7 copies", "1.7 copies"],
    ("log_softmax_backward", "interleaved"): [5, 5, 5, 5, 5, "1.7 copies", "1.7 copies"],
}
ASKED_DOUBLE = {
    ("softmax", "contiguous"): 1.6,
    ("log_softmax", "contiguous"): 1.4,
    ("softmax", "interleaved"): 4.7,
    ("log_softmax", "interleaved"): 4.7,
}


def asked(function, scalar, layout, shape):
    if scalar == "double":
        return ASKED_DOUBLE.get((function, layout), "") if shape == "512x1000" else ""
    row = ASKED.get((function, layout))
    return row[SHAPES.index(shape)] if row and shape in SHAPES else ""


def names(executable):
    out = subprocess.run([executable, "--benchmark_list_tests"], check=True, capture_output=True, text=True).stdout
    return out.split()


def time(executable, pattern, environment, seconds):
    command = [executable, f"--benchmark_filter={pattern}", "--benchmark_format=json",
               f"--benchmark_min_time={seconds}"]
    out = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    return {b["name"]: b for b in json.loads(out)["benchmarks"]}


def nanoseconds(run):
    per_second = {"ns": 1, "us": 1e3, "ms": 1e6}
    if "time_per_element" in run:
        return run["time_per_element"] * 1e9
    return run["real_time"] * per_second[run["time_unit"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--filter", default=".")
    parser.add_argument("--target", help="LOGZ_CPU_TARGET of the library")
    parser.add_argument("--library", default="logz_bench")
    parser.add_argument("--peer", default="eigen_bench")
    parser.add_argument("--seconds", type=float, default=0.05)
    args = parser.parse_args()
    library, peer = (os.path.join(args.build, e) for e in (args.library, args.peer))
    environment = dict(os.environ)
    if args.target:
        environment["LOGZ_CPU_TARGET"] = args.target

    print("| function | scalar | layout | shape | target | ns/element | Eigen | copy | GB/s | ratio | asked |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name in names(library):
        match = re.fullmatch(r"BM_(\w+)<(\w+)>/(\w+)/(\w+)", name)
        if not match or match[1] == "copy" or not re.search(args.filter, name):
            continue
        function, scalar, layout, shape = match.groups()
        copy = f"BM_copy<{scalar}>/contiguous/{shape}"
        ours, theirs, copies, ratios = [], [], [], []
        for _ in range(args.rounds):
            mine = time(library, f"^({re.escape(name)}|{re.escape(copy)})$", environment, args.seconds)
            other = time(peer, f"^{re.escape(name)}$", environment, args.seconds)
            ours.append(mine[name])
            theirs.append(nanoseconds(other[name]))
            if copy in mine:
                copies.append(nanoseconds(mine[copy]))
            ratios.append(theirs[-1] / nanoseconds(mine[name]))
        median = statistics.median
        run = min(ours, key=lambda r: abs(nanoseconds(r) - median(map(nanoseconds, ours))))
        speed = f"{run['bytes_per_second'] / 1e9:.1f}" if "bytes_per_second" in run else ""
        copied = f"{median(copies):.3f}" if copies else ""
        wanted = asked(function, scalar, layout, shape)
        print(f"| {function} | {scalar} | {layout} | {shape} | {run.get('label', '')} | {nanoseconds(run):.3f} "
              f"| {median(theirs):.3f} | {copied} | {speed} | {median(ratios):.2f} | {wanted} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

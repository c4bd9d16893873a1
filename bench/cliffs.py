#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Looks for cliffs: shapes that take more than 1.5 times the median of their neighbours (length ± 3, slices ± 2).

    bench/cliffs.py [--build build/bench] [--runs 3] [--csv FILE]

Each figure is the least of --runs runs of cliffs_bench: a point is a cliff only if it is one every time.
"""
import argparse
import os
import statistics
import subprocess


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/bench")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--csv")
    args = parser.parse_args()
    time = {}
    for _ in range(args.runs):
        out = subprocess.run([os.path.join(args.build, "cliffs_bench")], check=True, capture_output=True, text=True)
        for line in out.stdout.splitlines():
            form, length, slices, ns = line.split()
            key = form, int(length), int(slices)
            time[key] = min(float(ns), time.get(key, 1e300))
    if args.csv:
        with open(args.csv, "w", encoding="utf-8") as file:
            for (form, length, slices), ns in time.items():
                print(form, length, slices, ns, sep=",", file=file)
    for form in dict.fromkeys(key[0] for key in time):
        found = []
        for (f, length, slices), ns in time.items():
            if f != form:
                continue
            near = [
                time[form, l, s]
                for l in range(length - 3, length + 4)
                for s in range(slices - 2, slices + 3)
                if (l, s) != (length, slices) and (form, l, s) in time
            ]
            if ns > 1.5 * statistics.median(near):
                found.append((ns / statistics.median(near), length, slices, ns))
        found.sort(reverse=True)
        print(f"{form}: {len(found)} of {sum(key[0] == form for key in time)} points above 1.5 x their neighbours")
        for ratio, length, slices, ns in found[:8]:
            print(f"  length {length}, {slices} slices: {ns:.2f} ns/element, {ratio:.2f} x")


if __name__ == "__main__":
    main()

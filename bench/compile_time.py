#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Seconds of compile time (user + system, least of --rounds) that the library costs, at -O2.

    bench/compile_time.py [--compiler g++] [--eigen /usr/include/eigen3] [--rounds 5]
"""
import argparse
import os
import resource
import subprocess
import tempfile

PARTS = [
    ("Eigen/Core", "#include <Eigen/Core>\n"),
    ("logz/logz.hpp", "#include <logz/logz.hpp>\n"),
    ("and softmax of floats",
     "#include <logz/logz.hpp>\nvoid f(const Eigen::MatrixXf& x, Eigen::MatrixXf& y) { y = logz::softmax(x.rowwise()); }\n"),
    ("and log_softmax, logsumexp",
     "#include <logz/logz.hpp>\nvoid f(const Eigen::MatrixXf& x, Eigen::MatrixXf& y, Eigen::VectorXf& z) {\n"
     "  y = logz::softmax(x.rowwise());\n  y = logz::log_softmax(x.rowwise());\n  z = logz::logsumexp(x.rowwise());\n}\n"),
]


def seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--eigen", default="/usr/include/eigen3")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    include = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "include")
    with tempfile.TemporaryDirectory() as folder:
        times = [[] for _ in PARTS]
        for _ in range(args.rounds):  # interleaved: other work on the machine falls on all
            for number, (_, source) in enumerate(PARTS):
                path = os.path.join(folder, f"{number}.cpp")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(source)
                command = [args.compiler, "-std=c++17", "-O2", f"-I{include}", "-isystem", args.eigen, "-c", path,
                           "-o", os.path.join(folder, "out.o")]
                times[number].append(seconds(command))
    print("| what | seconds | more |\n|---|---|---|")
    last = None
    for (what, _), runs in zip(PARTS, times):
        least = min(runs)
        print(f"| {what} | {least:.2f} | {'' if last is None else f'{least - last:+.2f}'} |")
        last = least


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What including and using the library costs: seconds of compile time (user + system, least of --rounds) and bytes of
code and constants in the object, at -O2. Each use stands for the first in a source file, with all CPU targets.

    bench/cost.py [--compiler g++] [--eigen /usr/include/eigen3] [--rounds 5]
"""
import argparse
import os
import resource
import subprocess
import tempfile

ARGUMENTS = "const Eigen::MatrixXf& x, const Eigen::MatrixXf& g, Eigen::MatrixXf& y, Eigen::VectorXf& z, const std::vector<int>& t"
USES = [
    ("softmax", "y = logz::softmax(x.rowwise());"),
    ("log_softmax", "y = logz::log_softmax(x.rowwise());"),
    ("logsumexp", "z = logz::logsumexp(x.rowwise());"),
    ("softmax_backward", "y = logz::softmax_backward(g.rowwise(), x);"),
    ("cross_entropy", "return logz::cross_entropy(x.rowwise(), t);"),
    ("cross_entropy_with_grad", "return logz::cross_entropy_with_grad(x.rowwise(), t, y);"),
    ("all six", None),
]


def source(statement):
    return (f"#include <vector>\n#include <logz/logz.hpp>\nfloat f({ARGUMENTS}) {{\n"
            f"  (void)x, (void)g, (void)y, (void)z, (void)t;\n  {statement}\n  return 0;\n}}\n")


def sources():
    yield "Eigen/Core", "#include <vector>\n#include <Eigen/Core>\n"
    yield "logz/logz.hpp", "#include <vector>\n#include <logz/logz.hpp>\n"
    each = [statement for _, statement in USES if statement]
    for what, statement in USES:
        joined = " ".join(one.replace("return ", "z[0] += ") for one in each)
        yield what, source(statement or joined)


def seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def code_size(path):
    """Bytes that are loaded: code and constants, without what unwinding needs."""
    table = subprocess.run(["size", "--format=sysv", path], check=True, capture_output=True, text=True).stdout
    sizes = (line.split() for line in table.splitlines() if line.startswith((".text", ".rodata", ".data")))
    return sum(int(fields[1]) for fields in sizes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--eigen", default="/usr/include/eigen3")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    include = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "include")
    with tempfile.TemporaryDirectory() as folder:
        times, sizes = {}, {}
        for _ in range(args.rounds):  # interleaved: other work on the machine falls on all
            for what, text in sources():
                path, object_file = os.path.join(folder, "use.cpp"), os.path.join(folder, "use.o")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                command = [args.compiler, "-std=c++17", "-O2", f"-I{include}", "-isystem", args.eigen, "-c", path,
                           "-o", object_file]
                times.setdefault(what, []).append(seconds(command))
                sizes[what] = code_size(object_file)
    print("| what | seconds | over the header | KiB of code |\n|---|---|---|---|")
    header = min(times["logz/logz.hpp"])
    for what, runs in times.items():
        more = f"{min(runs) - header:+.1f}" if what not in ("Eigen/Core", "logz/logz.hpp") else ""
        print(f"| {what} | {min(runs):.1f} | {more} | {sizes[what] / 1024:.0f} |")


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: MIT
"""Prints what this Python's packages hold of other libraries, as name=value lines for CMake."""
import importlib.metadata
import importlib.util
import os


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def installed(package, name):
    """Path of the file called `name` that the package brought."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((os.path.realpath(f.locate()) for f in files if f.name == name), None)


def main():
    torch = importlib.util.find_spec("torch")  # to import it takes seconds
    if torch and torch.origin:
        print(f"torch={os.path.dirname(torch.origin)}")
    # The package has had several names, one for each way of using threads.
    kinds = ["", "-cpu-gomp", "-cpu-iomp", "-cpu-tbb", "-cpu-dpcpp-gpu-dpcpp"]
    for kind in kinds:
        header = installed("onednn-devel" + kind, "dnnl.hpp")
        library = installed("onednn" + kind, "libdnnl.so")
        if header and library:
            include = os.path.dirname(header)
            while os.path.basename(include) != "include":
                include = os.path.dirname(include)
            print(f"onednn_include={include}\nonednn_library={library}")
            break
    needed = ["numpy", "onnx", "onnxruntime", "google-benchmark"]
    missing = [package for package in needed if not version(package)]
    print(f"onnxruntime_missing={' '.join(missing)}")
    print(f"onnxruntime={version('onnxruntime')}")


if __name__ == "__main__":
    main()

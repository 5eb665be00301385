"""What the compiler makes of each kernel: registers, shared memory, spills, and its code."""

import concurrent.futures
import pathlib
import re
import subprocess
import tempfile


class Kernel:
    def __init__(self):
        self.registers = None
        self.stack = self.spilled = 0  # bytes
        self.shared = 0  # bytes, static
        self.ptx = self.sass = ""


def ptx_in(objects):
    """The PTX of each source file. Skips runtime/, which has kernels of other projects."""
    ours = (path for path in objects if path.parent.name != "runtime")
    texts = [
        text for path in ours for text in re.findall(rb"\.version \d[^\0]*", path.read_bytes())
    ]
    return [text.decode() for text in texts if b".entry" in text]


def compile_ptx(ptxas, nvdisasm, ptx, architecture):
    """The compiler's report and, with nvdisasm, the machine code as text."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "kernels.ptx"
        source.write_text(ptx)
        cubin = source.with_suffix(".cubin")
        command = [ptxas, "-v", f"-arch={architecture}", str(source), "-o", str(cubin)]
        report = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True).stderr
        if not nvdisasm:
            return report, ""
        return (
            report,
            subprocess.run(
                [nvdisasm, "-c", str(cubin)], capture_output=True, text=True, check=True
            ).stdout,
        )


def read_report(report, kernels):
    kernel = None
    for line in report.splitlines():
        if match := re.search(r"Compiling entry function '(\S+)'", line):
            kernel = kernels.setdefault(match[1], Kernel())
        elif match := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores", line):
            # Of the kernel, and of each function that it calls.
            kernel.stack, kernel.spilled = max(kernel.stack, int(match[1])), max(
                kernel.spilled, int(match[2])
            )
        elif match := re.search(r"Used (\d+) registers", line):
            kernel.registers = int(match[1])
            if match := re.search(r"(\d+) bytes smem", line):
                kernel.shared = int(match[1])


def kernels_of(ptxas, objects, architecture, nvdisasm=None):
    """Kernels by mangled name. The objects must contain uncompressed PTX."""
    kernels = {}
    texts = ptx_in(objects)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda ptx: compile_ptx(ptxas, nvdisasm, ptx, architecture), texts))
    for ptx, (report, sass) in zip(texts, results):
        read_report(report, kernels)
        # Up to the next function, because a brace alone on a line may also end a block.
        for match in re.finditer(r"\.entry (\w+)\((.*?)(?=\.entry |\.func |\Z)", ptx, re.DOTALL):
            kernels[match[1]].ptx = match[2]
        for match in re.finditer(
            r"^\.text\.(\w+):$(.*?)(?=^\.text\.|\Z)", sass, re.DOTALL | re.MULTILINE
        ):
            kernels[match[1]].sass = match[2]
    return kernels


def readable(cxxfilt, names):
    """Short demangled names by mangled name."""
    listing = subprocess.run(
        [cxxfilt], input="\n".join(names), capture_output=True, text=True, check=True
    ).stdout
    short = (
        re.sub(r"ripieno::kernels::|\(anonymous namespace\)::|^void ", "", name)
        for name in listing.splitlines()
    )
    return dict(zip(names, short))

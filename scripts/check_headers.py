#!/usr/bin/env python3
"""Every header compiles alone: the public ones as plain C17 and as C++17, with include/ alone and
-Wpedantic; the internal ones as C (some hold C atomics), with the flags that follow "--". Prints each
one that does not; exits 1 where there is one."""
import argparse
import concurrent.futures
import glob
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STRICT = ["-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
PUBLIC = STRICT + ["-Wpedantic", "-I", os.path.join(ROOT, "include")]
INTERNAL = STRICT + ["-D_GNU_SOURCE", "-I", ROOT, "-I", os.path.join(ROOT, "include")]
AREAS = ("core", "lua", "bpf", "apiserver", "agent", "controllers", "schedulers", "cmd")
# Read by clang for the BPF machine only.
BPF_ONLY = ("bpf/vmlinux_min.h", "bpf/slots.bpf.h")
# All public headers at once, in a translation unit like a plugin's.
PLUGIN = """
static const struct opr_plugin plugin = {OPR_PLUGIN_HEADER, .name = "p", .version = "1"};
OPR_PLUGIN_ENTRY(plugin)
"""


def compile_text(compiler, language, standard, flags, text):
    words = [*compiler.split(), f"-std={standard}", *flags, "-x", language, "-"]
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


def jobs(options):
    public = sorted(glob.glob("include/operon/*.h", root_dir=ROOT))
    for path in public:
        text = f"#include <{path.removeprefix('include/')}>\n"
        yield path, options.cc, "c", "c17", PUBLIC, text
        yield path, options.cxx, "c++", "c++17", PUBLIC, text
    if not public:
        sys.exit("check_headers: include/operon has no headers")
    everything = "".join(f"#include <{p.removeprefix('include/')}>\n" for p in public)
    # A designated initializer that leaves members out is how a plugin is meant to be written.
    lenient = PUBLIC + ["-Wno-missing-field-initializers", "-Wno-missing-prototypes"]
    yield "a plugin", options.cc, "c", "c17", lenient, everything + PLUGIN
    yield "all headers", options.cxx, "c++", "c++17", PUBLIC, everything
    for area in AREAS:
        for path in sorted(glob.glob(f"{area}/**/*.h", root_dir=ROOT, recursive=True)):
            if path not in BPF_ONLY:
                text = f'#include "{path}"\n'
                yield path, options.cc, "c", "gnu17", INTERNAL + options.flags, text


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cc", default=os.environ.get("CC", "cc"))
    parser.add_argument("--cxx", default=os.environ.get("CXX", "c++"))
    parser.add_argument("flags", nargs="*", help="more flags for internal headers, after --")
    options = parser.parse_args()
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        work = [(job, pool.submit(compile_text, *job[1:])) for job in jobs(options)]
        for job, future in work:
            error = future.result()
            if error:
                failed += 1
                print(f"{job[0]} does not compile alone as {job[3]}:\n{error}\n")
    print(f"headers: {len(work)} compilations, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

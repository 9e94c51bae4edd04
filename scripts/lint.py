#!/usr/bin/env python3
"""Checks that need no compiler: who includes whom (the table in docs/ARCHITECTURE.md), sizes of files
and functions, formatting where clang-format is installed. Prints each breach; exits 1 where there is
one."""
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.chdir(ROOT)

DESIGN = "docs/ARCHITECTURE.md"


def read_table():
    """Folder to the folders that it may include, from the table of the design page."""
    allowed = {}
    with open(DESIGN, encoding="utf-8") as f:
        rows = f.read().split("| folder | may include, beside itself |")[1].split("\n\n")[0]
    for row in rows.strip().split("\n")[1:]:
        cells = [re.findall(r"`([^`]+)`", cell) for cell in row.strip("|").split("|")]
        allowed[cells[0][0]] = cells[1]
    return allowed


ALLOWED = read_table()
ONLY_IN = {
    "ev.h": ["core/net"],
    "curl/curl.h": ["core/net"],
    "lua.h": ["lua"],
    "lauxlib.h": ["lua"],
    "lualib.h": ["lua"],
    "bpf/libbpf.h": ["bpf"],
    "bpf/bpf.h": ["bpf"],
}
SOURCE = (".c", ".h", ".cc")
breaches = []


def report(path, line, text):
    breaches.append(f"{path}:{line}: {text}")


def sources():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True,
                            text=True, check=True).stdout.split("\n")
    return sorted(p for p in listed if p.endswith(SOURCE) and os.path.exists(p))


def area_of(path):
    best = ""
    for area in ALLOWED:
        if (path == area or path.startswith(area + "/")) and len(area) > len(best):
            best = area
    return best


def check_includes(path, text):
    area = area_of(path)
    if not area:
        return
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not match:
            continue
        system, name = match.group(1) == "<", match.group(2)
        if name in ONLY_IN and not any(path.startswith(a + "/") for a in ONLY_IN[name]):
            report(path, number, f"only {', '.join(ONLY_IN[name])} may include <{name}>")
        if system:
            if name.startswith("operon/") and area == "include":
                continue
            if area in ("include", "controllers", "schedulers") and "/" in name and \
                    not name.startswith(("operon/", "sys/")):
                report(path, number, f"{area} includes <operon/...> and C headers only, not <{name}>")
            continue
        target = area_of(name)
        own = name.startswith(area + "/") or (not os.path.dirname(name) and
                                              os.path.exists(os.path.join(os.path.dirname(path), name)))
        if own or os.path.exists(os.path.join(os.path.dirname(path), name)):
            continue
        if target == "include" or name.startswith("include/"):
            report(path, number, f'write <operon/...> instead of "{name}"')
        elif target and target != area and target not in ALLOWED[area]:
            report(path, number, f"{area} may not include {target} ({name})")
        elif not target and area != "" and name.split("/")[0] in ("cmd", "tests"):
            report(path, number, f"{area} may not include {name}")


def check_size(path, text):
    lines = text.split("\n")
    limit = 300 if path.startswith("include/") else 800
    if len(lines) > limit + 1:
        report(path, 1, f"{len(lines)} lines, the limit is {limit}")
    if not path.endswith(".c"):
        return
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            if number - start - 1 > 80:
                report(path, start, f"a function of {number - start - 1} lines, the limit is 80")
            start = None


def check_format(paths):
    tool = shutil.which("clang-format")
    if not tool:
        print("lint: clang-format is not installed, formatting was not checked")
        return
    version = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout
    if " 14." not in version:
        print(f"lint: formatting is checked by clang-format 14 only ({version.strip()})")
        return
    done = subprocess.run([tool, "--dry-run", "-Werror"] + paths, capture_output=True, text=True)
    for line in done.stderr.split("\n"):
        if "error:" in line:
            breaches.append(line)


def main():
    paths = sources()
    for path in paths:
        with open(path, encoding="utf-8") as f:
            text = f.read()
        check_includes(path, text)
        check_size(path, text)
    check_format([p for p in paths if not p.endswith(".bpf.c")])
    for breach in breaches:
        print(breach)
    print(f"lint: {len(paths)} files, {len(breaches)} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())

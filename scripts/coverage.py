#!/usr/bin/env python3
"""A table of line coverage by folder, from a build with OPR_COVERAGE that has run its tests.
usage: coverage.py BUILD [--missed]   (--missed: also the lines of each file that never ran)"""
import concurrent.futures
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
AREAS = ("core", "lua", "bpf", "apiserver", "agent", "controllers", "schedulers", "cmd", "include")


def notes(build):
    for folder, _, files in os.walk(build):
        for name in files:
            if name.endswith(".gcno"):
                yield os.path.join(folder, name)


def read(note):
    """(file, line, count) of one object; an object that never ran counts with zeros."""
    done = subprocess.run(["gcov", "--json-format", "--stdout", note], capture_output=True, check=False,
                          cwd=os.path.dirname(note))
    found = []
    for text in done.stdout.splitlines():
        data = json.loads(text)
        for file in data["files"]:
            path = os.path.relpath(os.path.join(data["current_working_directory"], file["file"]), ROOT)
            if path.split("/")[0] in AREAS:
                found += [(path, line["line_number"], line["count"]) for line in file["lines"]]
    return found


def collect(build):
    lines = {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(read, sorted(notes(build))):
            for path, number, count in found:
                file = lines.setdefault(path, {})
                file[number] = file.get(number, 0) + count
    return lines


def folder_of(path):
    return "/".join(path.split("/")[:-1][:2])


def print_table(lines):
    folders = {}
    for path, file in lines.items():
        ran, total = folders.get(folder_of(path), (0, 0))
        folders[folder_of(path)] = (ran + sum(1 for count in file.values() if count), total + len(file))
    width = max(map(len, folders))
    for name, (ran, total) in sorted(folders.items()):
        print(f"{name:<{width}}  {ran:6} of {total:6} lines  {100 * ran / total:5.1f} %")
    ran, total = (sum(v[i] for v in folders.values()) for i in (0, 1))
    print(f"{'all':<{width}}  {ran:6} of {total:6} lines  {100 * ran / total:5.1f} %")


def print_missed(lines):
    for path, file in sorted(lines.items()):
        missed = sorted(number for number, count in file.items() if not count)
        if missed:
            print(f"{path}: {' '.join(map(str, missed))}")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    lines = collect(os.path.abspath(sys.argv[1]))
    if not lines:
        sys.exit(f"coverage: {sys.argv[1]} holds no coverage notes; configure it with OPR_COVERAGE=ON")
    if "--missed" in sys.argv[2:]:
        print_missed(lines)
    print_table(lines)


if __name__ == "__main__":
    main()

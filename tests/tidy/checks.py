"""The layout checks. Each is a generator of (place, message) over a Tree; nothing means all is well."""

import concurrent.futures
import os
import pathlib
import re
import subprocess

import cxx

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 70

# Top to bottom. Includes point down only, and the folders of one band are strangers.
LAYERS = (
    ("connect.cc", "runtime.cc", "run_process.cc", "serve.cc"),
    ("options.cc", "interrupt.cc"),
    ("options.h", "interrupt.h"),
    ("debug", "hook"),
    ("io", "task"),
    ("reactor", "sync", "offload"),
    ("sched",),
    ("fiber", "time"),
    ("base",),
)
RANK = {folder: rank for rank, band in enumerate(reversed(LAYERS)) for folder in band}

# Spelt in pieces, because this file is checked too.
FORBIDDEN = (
    (re.compile(r"(?<![\w./-])/(?:work|home|root)/"), "a path of one machine"),
    (re.compile("/tmp/bash" + "_jobs"), "a path of one machine"),
    (re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b"), "a note to oneself; do it, or file it"),
)


class Tree:
    """The files that are tracked or about to be; the text of each is read once."""

    def __init__(self, root):
        self.root = pathlib.Path(root).resolve()
        self.files = sorted(self._git_files() or self._walk())
        self._texts = {}

    def _git_files(self):
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        try:
            listed = subprocess.run(command, cwd=self.root, check=True, text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        except (OSError, subprocess.CalledProcessError):  # a release tarball has no git
            return []
        return [f for f in listed.split("\0") if f and (self.root / f).is_file()]

    def _walk(self):
        for path in self.root.rglob("*"):
            name = path.relative_to(self.root)
            if path.is_file() and not {"build", ".git", "__pycache__"} & set(name.parts):
                yield str(name)

    def text(self, name):
        if name not in self._texts:
            self._texts[name] = (self.root / name).read_text(errors="replace")
        return self._texts[name]

    def cpp(self, *folders):
        return [f for f in self.files if f.endswith((".cc", ".h"))
                and (not folders or f.split("/")[0] in folders)]

    def public_headers(self):
        return [f for f in self.files if f.startswith("runtime/include/weft/") and f.endswith(".h")]


def _layer(path):
    """The layer of a path below runtime/; None for the public headers."""
    first = path.split("/")[0]
    return None if first == "include" else first


def check_layers(tree):
    for name in tree.cpp("runtime"):
        own = _layer(name.removeprefix("runtime/"))
        if own is not None and own not in RANK:
            yield name, f"'{own}' is no layer; the layers are listed in tests/tidy/checks.py"
            continue
        for line, delimiter, path in cxx.includes(tree.text(name)):
            if delimiter == "<":
                continue
            if problem := _include_problem(own, path):
                yield f"{name}:{line}", problem
    for name in tree.cpp("examples"):
        for line, delimiter, path in cxx.includes(tree.text(name)):
            if delimiter == '"' and path.split("/")[0] in RANK:
                yield f"{name}:{line}", f'an example includes "{path}"; it may see public headers only'


def _include_problem(own, path):
    other = path.split("/")[0]
    if other == "weft":
        return f'"{path}" is a public header: write <{path}>'
    if other not in RANK:
        return f'"{path}" does not name a layer; includes start at runtime/'
    if own is None:
        return f'a public header includes the internal "{path}"'
    if own != other and RANK[other] >= RANK[own]:
        relation = "a stranger in the same band" if RANK[other] == RANK[own] else "a layer above"
        return f'{own} includes "{path}": {other} is {relation}'
    return None


def check_sizes(tree):
    for name in tree.files:
        if name.split("/")[0] in ("runtime", "examples", "tests", "bench"):
            lines = tree.text(name).count("\n")
            if lines > MAX_FILE_LINES and name.endswith((".cc", ".h", ".py", ".build", ".sh", ".go", ".rs")):
                yield name, f"{lines} lines, more than {MAX_FILE_LINES}: a concept is missing"
    for name in tree.cpp():
        for function, first, last in cxx.functions(tree.text(name)):
            if last - first + 1 > MAX_FUNCTION_LINES:
                yield (f"{name}:{first}",
                       f"{function} has {last - first + 1} lines, more than {MAX_FUNCTION_LINES}")


def check_words(tree):
    for name in tree.files:
        if "\0" in tree.text(name):
            continue  # a picture: its bytes spell words by chance
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            for pattern, what in FORBIDDEN:
                if match := pattern.search(line):
                    yield f"{name}:{number}", f"'{match.group()}' is {what}"


def check_headers(tree):
    for name in tree.cpp():
        if name.endswith(".h") and not re.search(r"^#pragma once$", tree.text(name), re.M):
            yield name, "has no #pragma once"
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from filter(None, pool.map(lambda h: _compile_alone(tree, h), tree.public_headers()))


def _compile_alone(tree, header):
    """Twice, so that a guard that does not guard shows; with the public include path and no other."""
    include = f"#include <{header.removeprefix('runtime/include/')}>\n"
    command = [os.environ.get("CXX_FOR_TIDY", "g++"), "-std=c++20", "-Wall", "-Wextra", "-Wpedantic",
               "-Werror", "-fsyntax-only", f"-I{tree.root}/runtime/include", "-x", "c++", "-"]
    run = subprocess.run(command, input=include * 2, text=True, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
    if run.returncode == 0:
        return None
    return header, "does not compile on its own:\n" + "\n".join(run.stdout.splitlines()[:12])


def check_lists(tree):
    """Whatever is found by no list is never built, and nobody notices."""
    yield from _unlisted(tree, "runtime", ".cc", lambda path: f"'{path}'")
    yield from _unlisted(tree, "tests/soak", ".cc", lambda path: f"'{path}'")
    for suite in ("unit", "integration", "stress", "faults", "model", "hook"):
        yield from _unlisted(tree, f"tests/{suite}", "_test.cc",
                             lambda path: f"'{path.removesuffix('_test.cc')}'")
    yield from _unlisted(tree, "examples", ".cc", lambda path: f"'{path.removesuffix('.cc')}'")
    yield from _tests_without_a_subject(tree)


def _unlisted(tree, folder, ending, entry):
    files = [f for f in tree.files if f.startswith(folder + "/") and f.endswith(ending)]
    build_file = f"{folder}/meson.build"
    listed = tree.text(build_file) if build_file in tree.files else ""
    for name in files:
        path = name.removeprefix(folder + "/")
        if entry(path) not in listed:
            yield name, f"is not listed in {build_file} as {entry(path)}"


def _tests_without_a_subject(tree):
    for name in tree.files:
        if match := re.fullmatch(r"tests/unit/(\w+)/(\w+)_test\.cc", name):
            layer, subject = match.groups()
            candidates = (f"runtime/{layer}/", "runtime/include/weft/")
            stems = {f.rsplit("/", 1)[1].rsplit(".", 1)[0] for f in tree.cpp("runtime")
                     if f.startswith(candidates)}
            if layer not in RANK:
                yield name, f"'{layer}' is no layer; tests/unit/ mirrors runtime/"
            elif not any(subject == stem or subject.startswith(stem + "_") for stem in stems):
                yield name, f"mirrors no runtime/{layer}/{subject}.h or .cc"

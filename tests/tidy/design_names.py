"""Names that runtime/DESIGN.md puts in backticks must exist: a map to things long gone misleads."""

import re

import cxx

# Libraries' names may be spoken of without being called.
FOREIGN_NAMESPACES = ("std::", "boost::", "moodycamel::", "asio::", "testing::")
FOREIGN_NAMES_FILE = "tests/tidy/foreign_names.txt"

_FILE_ENDINGS = r"(?:cc|h|py|md|build|txt|sh|go|rs|S)"
_PATH = re.compile(rf"<?(?P<path>[\w.-]+(?:/[\w.*-]*)+|[\w.-]+\.{_FILE_ENDINGS})>?")
_NAME = re.compile(r"(?P<name>~?[A-Za-z_]\w*(?:::~?[A-Za-z_]\w*)*)(?:<[^()]*>)?(?P<call>\([^)]*\))?")


def check_design(tree):
    document = "runtime/DESIGN.md"
    if document not in tree.files:
        yield document, "is missing"
        return
    index = _Index(tree)
    fenced = False
    for number, line in enumerate(tree.text(document).splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        if fenced:
            continue
        for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", line):
            if problem := _problem(span.strip(), index):
                yield f"{document}:{number}", problem


class _Index:
    def __init__(self, tree):
        sources = [f for f in tree.cpp() if f.split("/")[0] in ("runtime", "tests", "bench", "examples")]
        self.files = set(tree.files) | {"/".join(f.split("/")[:n]) for f in tree.files
                                        for n in range(1, f.count("/") + 1)}
        self.basenames = {f.rsplit("/", 1)[-1] for f in tree.files}
        self.code = {f: cxx.code_only(tree.text(f)) for f in sources}
        self.words = {f: set(re.findall(r"\w+", code)) for f, code in self.code.items()}
        self.all_words = set().union(*self.words.values()) if self.words else set()
        self.options = {w for f in tree.files if f.endswith((".build", "meson_options.txt"))
                        for w in re.findall(r"\w+", tree.text(f))}
        # Strings count for environment variables alone, which have no other place in the code.
        self.variables = {w for f in sources for w in re.findall(r"\bWEFT_\w+", tree.text(f))}
        foreign = tree.text(FOREIGN_NAMES_FILE) if FOREIGN_NAMES_FILE in tree.files else ""
        self.foreign = {w for w in foreign.split("\n") if w and not w.startswith("#")}

    def has_path(self, path):
        path = path.rstrip("/")
        if "/" not in path:
            return path in self.basenames or path in self.files or f"runtime/{path}" in self.files
        return any(prefix + path in self.files for prefix in ("", "runtime/", "runtime/include/"))


def _problem(span, index):
    if span in index.foreign:
        return None
    path = _PATH.fullmatch(span)
    if path and not _is_placeholder(path["path"]):
        return None if index.has_path(path["path"]) else f"`{span}` is no file or folder of this tree"
    name = _NAME.fullmatch(span)
    if name and not span.startswith(FOREIGN_NAMESPACES):
        return _name_problem(span, name["name"].removeprefix("weft::"), bool(name["call"]), index)
    return None


def _is_placeholder(path):
    return "*" in path or any(part.isupper() for part in re.split(r"[/._]", path) if len(part) > 2
                              and part not in ("DESIGN", "STYLE", "README", "CHANGELOG", "CONTRIBUTING",
                                               "LICENSE", "API", "BENCH"))


def _name_problem(span, name, is_call, index):
    parts = [part.lstrip("~") for part in name.split("::")]
    if span == name and len(parts) == 1 and not _looks_like_code(name):
        return None
    if name in index.foreign or parts[0] in index.foreign:
        return None
    if name.startswith("WEFT_") and name in index.variables | index.options:
        return None
    if is_call and not any(re.search(rf"\b{re.escape(parts[-1])}\s*[(<]", code)
                           for code in index.code.values()):
        return f"`{span}`: nothing in this tree is called {parts[-1]}()"
    # A qualified name is real where one file knows all of its parts.
    if any(words.issuperset(parts) for words in index.words.values()):
        return None
    return f"`{span}` names nothing in this tree"


def _looks_like_code(word):
    """CamelCase, kConstant, snake_case, WEFT_MACRO. Plain words and kernel constants are prose."""
    if word.isupper():
        return word.startswith("WEFT_")
    return "_" in word.strip("_") or word.endswith("_") or re.search(r"[a-z][A-Z]", word) is not None

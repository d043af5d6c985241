"""Just enough C++ reading for the layout checks: blanking comments, finding functions, names."""

import re

_TOKEN = re.compile(
    r"""
    (?P<line>//(?:\\\n|[^\n])*)
  | (?P<block>/\*.*?\*/)
  | (?P<raw>\b(?:u8|[uUL])?R"(?P<delim>[^()\s\\]{0,16})\(.*?\)(?P=delim)")
  | (?P<number>\b\d[\w.']*)                       # so that 1'000 opens no character literal
  | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    """,
    re.X | re.S,
)


def _blank(text):
    return "".join(c if c == "\n" else " " for c in text)


def code_only(text):
    """The text with comments and the insides of literals blanked; lines stay where they were."""

    def replace(match):
        if match.group("number"):
            return match.group()
        if match.group("line") or match.group("block"):
            return _blank(match.group())
        quote = match.group()[-1]
        return quote + _blank(match.group()[1:-1]) + quote

    return _TOKEN.sub(replace, text)


def includes(text):
    """(line number, delimiter, path) of every #include."""
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line):
            yield number, match.group(1), match.group(2)


def _without_preprocessor(code):
    """Directives blanked, and of every #if only the first branch kept: braces then balance."""
    out, skipping, depth, continued = [], 0, 0, False
    for line in code.split("\n"):
        directive = re.match(r"\s*#\s*(\w+)", line)
        is_directive = continued or directive
        continued = bool(is_directive) and line.endswith("\\")
        if directive and directive.group(1) in ("if", "ifdef", "ifndef"):
            depth += 1
        elif directive and directive.group(1) in ("else", "elif") and not skipping:
            skipping = depth
        elif directive and directive.group(1) == "endif":
            skipping = 0 if skipping == depth else skipping
            depth -= 1
        out.append("" if is_directive or skipping else line)
    return "\n".join(out)


_LABEL = re.compile(r"\s*(?:\b(?:public|private|protected)\s*:(?!:)\s*)*")
_CONTAINER = re.compile(r"(?:template\s*<.*>\s*|\b(?:inline|typedef|static|const|constexpr)\b\s*)*"
                        r"(?:namespace|class|struct|union|enum|extern\s*\")", re.S)
_ENDS_PARAMETERS = re.compile(r"\)\s*(?:\b(?:const|noexcept|override|final|mutable)\b\s*|&\s*|->.*)*$",
                              re.S)
_MEMBER_INITIALIZER = re.compile(r"\)\s*(?:noexcept\s*)?(?<!:):(?!:).*[\w>]\s*$", re.S)


def _brace_kind(head):
    """What the brace after this text opens, outside of any function body."""
    if _CONTAINER.match(head):
        before_bases = re.split(r"(?<!:):(?!:)", head)[0]
        return "function" if _ENDS_PARAMETERS.search(before_bases) else "other"
    if _MEMBER_INITIALIZER.search(head):
        return "initializer"
    return "function" if "(" in head else "other"


def functions(text):
    """(name, first line, last line) of every function body, a lambda counting for its function."""
    code = _without_preprocessor(code_only(text))
    open_braces, found = [], []
    head_start = 0
    for position, char in ((m.start(), m.group()) for m in re.finditer(r"[{};]", code)):
        if char == "{":
            start = _LABEL.match(code, head_start, position).end()
            head = code[start:position]
            inside = any(kind == "function" for kind, _, _ in open_braces)
            open_braces.append(("other" if inside else _brace_kind(head), head, start))
        elif char == "}" and open_braces:
            kind, head, start = open_braces.pop()
            if kind == "function":
                found.append((_name(head), code.count("\n", 0, start) + 1,
                              code.count("\n", 0, position) + 1))
            if kind == "initializer":  # `: a_{1}, b_{2} {`: the head goes on after this brace
                head_start = start
                continue
        elif open_braces and open_braces[-1][0] == "initializer":
            continue
        head_start = position + 1
    return found


def _name(head):
    if match := re.search(r"\b(TEST\w*)\s*\(\s*(\w+)\s*,\s*(\w+)", head):
        return f"{match.group(2)}.{match.group(3)}"
    match = re.search(r"([\w:~]+|operator\s*\S+)\s*\(", head)
    return match.group(1) if match else "a function"

#!/usr/bin/env python3
"""Writes docs/reference, the API reference, from the public headers.

    write_reference.py [--check] [ROOT]

A page per folder: for each header its opening comment, its include line, and its types and functions with their
comments. Private members and function bodies are left out. Public headers are those that a CMakeLists.txt
lists as HEADERS of ripieno_library(). With --check nothing is written: the exit status is 1 if a page is stale.

This reads C++ as clang-format lays it out in this repository; it is not a C++ parser.
"""
import pathlib
import re
import sys
import textwrap
from dataclasses import dataclass, field

WIDTH = 100
LAYERS = ("kernels", "core", "distributed", "io", "training")
COMMAND = "scripts/write_reference.py"


# Which headers are public: CMake.

def calls(text):
    """(command, its arguments) in the order of a CMakeLists.txt."""
    text = re.sub(r"#.*", "", text)
    for match in re.finditer(r"(\w+)\s*\(([^()]*)\)", text):
        yield match[1].lower(), match[2].split()


def headers_of(layer_folder):
    """The HEADERS of the layer's ripieno_library(), with variables replaced by all they are ever set to."""
    variables, headers = {}, []
    for command, arguments in calls((layer_folder / "CMakeLists.txt").read_text()):
        if command == "set" and arguments:
            variables.setdefault(arguments[0], []).extend(arguments[1:])
        if command == "ripieno_library" and "HEADERS" in arguments:
            for argument in arguments[arguments.index("HEADERS") + 1:]:
                if argument.isupper():
                    break
                variable = re.fullmatch(r"\$\{(\w+)\}", argument)
                headers += variables.get(variable[1], []) if variable else [argument]
    return sorted({header for header in headers if header.endswith(".h")})


def public_headers(root):
    """Folder -> paths of its headers, relative to the root."""
    folders = {}
    for layer in LAYERS:
        if (root / layer / "CMakeLists.txt").exists():
            for header in headers_of(root / layer):
                path = pathlib.PurePosixPath(layer, header)
                folders.setdefault(path.parent, []).append(path)
    return dict(sorted(folders.items(), key=lambda folder: (LAYERS.index(folder[0].parts[0]), folder[0])))


# Tokens.

TOKEN = re.compile(r"""
    (?P<space>\s+|/\*.*?\*/)
  | (?P<comment>//[^\n]*)
  | (?P<directive>\#(?:[^\n]*\\\n)*[^\n]*)
  | (?P<string>R"(?P<fence>[^(]*)\(.*?\)(?P=fence)"|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)+')
  | (?P<word>[A-Za-z_]\w*|\d[\w.']*)
  | (?P<mark>::|->|\.\.\.|.)
""", re.X | re.S)
CLOSERS = {"(": ")", "[": "]", "{": "}"}


@dataclass
class Token:
    kind: str
    text: str
    start: int
    end: int
    line: int
    column: int
    is_first: bool  # on its line


def tokens_of(source):
    tokens = []
    for match in TOKEN.finditer(source):
        if match.lastgroup != "space":
            start = match.start()
            line_start = source.rfind("\n", 0, start) + 1
            tokens.append(Token(match.lastgroup, match[0], start, match.end(), source.count("\n", 0, start),
                                start - line_start, not source[line_start:start].strip()))
    return tokens


def matching_brackets(tokens):
    """The index of each opening bracket -> that of its closing one."""
    match, open_ones = {}, []
    for i, token in enumerate(tokens):
        if token.kind == "mark" and token.text in CLOSERS:
            open_ones.append(i)
        elif token.kind == "mark" and token.text in CLOSERS.values():
            match[open_ones.pop()] = i
    return match


# Declarations.

@dataclass
class Declaration:
    kind: str  # "type", "function", "macro", "other" or "hidden": not part of a reference
    name: str
    start: int  # of its text in the source
    end: int
    first_line: int
    last_line: int
    comment: list = field(default_factory=list)  # tokens: the lines above it
    trailing: list = field(default_factory=list)  # and those beside it
    body: tuple = ()  # of a struct or class: the indices of its braces
    is_enum: bool = False
    namespace: str = ""


class Header:
    """The declarations of one header."""

    def __init__(self, source):
        self.source = source
        self.tokens = tokens_of(source)
        self.match = matching_brackets(self.tokens)
        self.opening, start = self.comments_from(0)
        self.declarations = list(self.scope(start, len(self.tokens), ""))

    def text(self, i):
        return self.tokens[i].text if i < len(self.tokens) else ""

    def comments_from(self, i):
        """Comment lines that follow each other without a gap, and the index after them."""
        lines = []
        while i < len(self.tokens) and self.tokens[i].kind == "comment":
            if lines and self.tokens[i].line != lines[-1].line + 1:
                break
            lines.append(self.tokens[i])
            i += 1
        return lines, i

    def trailing_from(self, i):
        """The comment beside what ends before token i, with its further lines below."""
        lines = []
        while i < len(self.tokens) and self.tokens[i].kind == "comment":
            before, token = self.tokens[i - 1], self.tokens[i]
            beside = not token.is_first and token.line == before.line
            continued = lines and token.line == before.line + 1 and token.column == before.column
            if not (beside or continued):
                break
            lines.append(token)
            i += 1
        return lines, i

    def scope(self, i, end, namespace):
        """The declarations between two tokens, at namespace level."""
        comment = []
        while i < end:
            token = self.tokens[i]
            if token.kind == "comment":
                comment, i = self.comments_from(i)
            elif token.kind == "directive":
                if macro := re.match(r"#define (\w+)\(", token.text):
                    lines = (token.line, token.line + token.text.count("\n"))
                    yield Declaration("macro", macro[1], token.start, token.end, *lines, comment)
                comment, i = [], i + 1
            elif token.text == "namespace":
                words = i + 1
                while self.text(i) not in ("{", ";", "="):
                    i += 1
                name = "".join(self.text(j) for j in range(words, i))
                if self.text(i) == "{":
                    if name and not name.endswith(("internal", "detail")):
                        yield from self.scope(i + 1, self.match[i], f"{namespace}::{name}".strip(":"))
                    i = self.match[i]
                comment, i = [], i + 1
            elif token.text.isupper() and self.text(i + 1) == "(":  # a macro
                comment, i = [], self.match[i + 1] + 1
            else:
                declaration, i = self.declaration(i, end, comment)
                declaration.namespace = namespace
                comment = []
                yield declaration

    def members(self, body, is_class):
        """(access, its label, declaration) of a struct's or class's members."""
        access, label, comment = ("private" if is_class else "public"), None, []
        i, end = body[0] + 1, body[1]
        while i < end:
            token = self.tokens[i]
            if token.kind == "comment":
                comment, i = self.comments_from(i)
            elif token.kind == "directive":
                comment, i = [], i + 1
            elif token.text in ("public", "protected", "private") and self.text(i + 1) == ":":
                access, label, comment, i = token.text, f"{' ' * token.column}{token.text}:", [], i + 2
            else:
                declaration, i = self.declaration(i, end, comment)
                comment = []
                yield access, label, declaration

    def declaration(self, i, end, comment):
        """What begins at token i, and the index after it."""
        first, body, after = i, (), None
        keyword = name = None
        has_parameters = has_value = False
        is_hidden = self.text(i) in ("static_assert", "friend", "extern")
        if self.text(i) == "template" and (self.text(i + 1) != "<" or self.text(i + 2) == ">"):
            is_hidden = True  # an instantiation or a specialization
        while i < end:
            token = self.tokens[i]
            if token.kind in ("comment", "directive", "string"):
                pass
            elif token.text == "operator" and not has_parameters:
                start, i = i, i + 1
                while self.text(i) != "(" or i == start + 1 and self.text(i + 1) == ")":
                    i = i + 2 if self.text(i) == "(" else i + 1
                gap = " " if self.tokens[start + 1].kind == "word" else ""
                name = "operator" + gap + "".join(self.text(j) for j in range(start + 1, i))
                continue
            elif token.text in ("class", "struct", "enum", "union") and not (keyword or has_parameters or name):
                keyword = token.text
            elif token.text == "<" and not has_value:
                i = self.after_angles(i)
                continue
            elif token.text == "=":
                has_value = True
            elif token.text == "(":
                word = self.text(i - 1)
                if not has_value and word not in ("requires", "alignas", "noexcept", "explicit", "decltype"):
                    name, has_parameters = name or word, True
                i = self.match[i]
            elif token.text == "[":
                i = self.match[i]
            elif token.text == "{" and keyword and not has_parameters and not has_value:
                body = (i, self.match[i])
                name = self.type_name(first, i)
                i = self.match[i]
            elif token.text == "{" and has_parameters and not has_value:
                after = self.match[i] + 1
                break
            elif token.text == "{":
                i = self.match[i]
            elif token.text == ":" and has_parameters and not has_value:
                after = self.match[self.constructor_body(i)] + 1
                break
            elif token.text == ";":
                break
            i += 1
        last = i - 1 if after else i  # of what is shown
        after = after or i + 1
        if keyword and not has_parameters and not body:
            is_hidden = True  # a forward declaration
        if not name:
            name = self.variable_name(first, i)
        kind = "hidden" if is_hidden else "type" if body else "function" if has_parameters else "other"
        trailing, following = self.trailing_from(after)
        is_class = any(self.text(j) == "class" for j in range(first, body[0])) if body else False
        is_enum = any(self.text(j) == "enum" for j in range(first, body[0])) if body else False
        lines = [self.tokens[first].line, self.tokens[following - 1].line]
        result = Declaration(kind, name, self.tokens[first].start, self.tokens[last].end, *lines, comment, trailing,
                             body and (*body, is_class), is_enum)
        return result, following

    def after_angles(self, i):
        depth = 0
        while True:
            depth += {"<": 1, ">": -1}.get(self.text(i), 0)
            i = self.match[i] + 1 if self.text(i) in CLOSERS else i + 1
            if depth == 0:
                return i

    def constructor_body(self, i):
        """The brace of the body behind the member initializers that begin with the colon at i."""
        while True:
            while self.text(i) not in ("(", "{"):
                i = self.after_angles(i) if self.text(i) == "<" else i + 1
            i = self.match[i] + 1
            if self.text(i) != ",":
                return i

    def type_name(self, first, brace):
        """The word before a base class list or the body."""
        i = first if self.text(first) != "template" else self.after_angles(first + 1)
        words = []
        while i < brace and self.text(i) not in (":", "<", "final"):
            if self.tokens[i].kind == "word":
                words.append(self.text(i))
            i = self.match[i] + 1 if self.text(i) == "(" else i + 1
        return words[-1]

    def variable_name(self, first, end):
        if self.text(first) == "using":
            end = self.index_of("=", first, end)
            return self.text(end - 1)
        end = min(self.index_of(mark, first, end) for mark in "={[;")
        words = [self.text(j) for j in range(first, end) if self.tokens[j].kind == "word"]
        return words[-1] if words else ""

    def index_of(self, mark, first, end):
        return next((j for j in range(first, end) if self.text(j) == mark), end)

    # As code.

    def code(self, declaration):
        """The declaration as it stands, without function bodies and private members."""
        if declaration.kind == "macro":
            return self.source[declaration.start:declaration.end]
        if declaration.kind == "type" and not declaration.is_enum:
            text = self.type_code(declaration)
        else:
            text = self.source[declaration.start:declaration.end]
        if not declaration.trailing:
            return text if text.endswith(";") else text + ";"
        first, *further = declaration.trailing
        gap = self.source[declaration.end:first.start] if text.endswith(";") else ";  "
        return text + gap + first.text + "".join(f"\n{' ' * token.column}{token.text}" for token in further)

    def type_code(self, declaration):
        opening, closing, is_class = declaration.body
        shown = self.source[declaration.start:self.tokens[opening].end]
        tail = self.source[self.tokens[closing].start:declaration.end]
        lines, label_shown, last_line = [], None, None
        for access, label, member in self.members((opening, closing), is_class):
            if access == "private" or member.kind == "hidden":
                continue
            if label != label_shown:
                lines += ["", label] if lines else [label]
                label_shown, last_line = label, None
            first_line = member.comment[0].line if member.comment else member.first_line
            if last_line is not None and first_line > last_line + 1:
                lines.append("")
            lines += [" " * token.column + token.text for token in member.comment]
            column = member.start - self.source.rfind("\n", 0, member.start) - 1
            lines.append(" " * column + self.code(member))
            last_line = member.last_line
        if not lines:
            return shown + tail
        indent = self.source[self.source.rfind("\n", 0, self.tokens[closing].start) + 1:self.tokens[closing].start]
        indent = indent if not indent.strip() else ""
        return "\n".join([shown, *lines, indent + tail])

    def groups(self):
        """Declarations that share a comment: those that follow each other without a gap."""
        groups = []
        for declaration in self.declarations:
            if declaration.kind == "hidden":
                continue
            last = groups[-1][-1] if groups else None
            follows = last and declaration.first_line == last.last_line + 1 and not declaration.comment
            if follows and declaration.namespace == last.namespace:
                groups[-1].append(declaration)
            else:
                groups.append([declaration])
        return groups


# Markdown.

# What is shown as code: `marked` words, files, calls, elements, types and names.
CODE = re.compile(r"""
    `[^`]+`
  | (?:[\w-]+/)*\w+\.(?:h|cpp|cu|cuh|md|json|jsonl|html)\b
  | ~?\b(?:\w+(?:::|\.|->))*\w+\([\w\s:,./&*+\[\]>-]*\)
  | \b\w+\[[\w\s:,+-]*\]
  | \b\w+(?:::\w+)+(?:<[\w:,\s]+>)?
  | \b\w*[a-z0-9]_\w*
""", re.X)
DOCUMENT = re.compile(r"docs/(\w+\.md)")


def escaped(text):
    return re.sub(r"([\\*_<>\[\]|~#])", r"\\\1", text)


def as_code(text):
    if document := DOCUMENT.fullmatch(text):
        return f"[{text}](../{document[1]})"
    return text if text.startswith("`") else f"`{text}`"


def marked_up(text):
    """Prose of a comment: names as code, and nothing that Markdown would take for markup."""
    parts, end = [], 0
    for match in CODE.finditer(text):
        parts += [escaped(text[end:match.start()]), as_code(match[0])]
        end = match.end()
    return "".join(parts) + escaped(text[end:])


def wrapped(text, indent=""):
    lines = textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    # A line must not begin as a list or a heading does.
    return [re.sub(r"^([-+=]|\d+[.)])(?=\s|$|=)", r"\\\1", line) if i else line for i, line in enumerate(lines)]


def fenced(code):
    return ["```cpp", *code.split("\n"), "```", ""]


def prose(comment):
    """The lines of a comment as paragraphs; what is indented is code."""
    result, paragraph, code = [], [], []

    def flush():
        if paragraph:
            result.extend([*wrapped(marked_up(" ".join(paragraph))), ""])
        if code:
            result.extend(fenced(textwrap.dedent("\n".join(code))))
        paragraph.clear()
        code.clear()

    for token in comment:
        line = token.text[2:]
        if not line.strip() or line.strip().startswith("clang-format"):
            flush()
        elif line.startswith("   "):
            if paragraph:
                flush()
            code.append(line)
        else:
            if code:
                flush()
            paragraph.append(line.strip())
    flush()
    return result


def first_sentence(comment):
    words = []
    for token in comment:
        if token.text == "//" or token.text.startswith("//   "):
            break
        words.append(token.text[2:].strip())
    text = " ".join(words)
    match = re.match(r".*?\.(?=\s|$)", text)
    return match[0] if match else text.rstrip(":")


def names_of(group):
    names = []
    for declaration in group:
        namespace = re.sub(r"^ripieno(::)?", "", declaration.namespace)
        name = f"{namespace}::{declaration.name}" if namespace else declaration.name
        if name not in names:
            names.append(name)
    return names


def heading_of(group):
    names = names_of(group)
    heading = "### " + ", ".join(names)
    while len(heading) > WIDTH - 3 and len(names) > 1:
        names.pop()
        heading = "### " + ", ".join(names) + ", …"
    return heading


def header_lines(path, header):
    lines = [f"## {path.name}", "", *prose(header.opening)]
    lines += fenced(f"#include <ripieno/{path}>")
    for group in header.groups():
        lines += [re.sub(r"([*<>\[\]])", r"\\\1", heading_of(group)), ""]
        lines += prose(group[0].comment)
        lines += fenced("\n".join(header.code(declaration) for declaration in group))
    return lines


def page_name(folder):
    return str(folder).replace("/", "_") + ".md"


def anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


NOTE = f"<!-- Written by {COMMAND} from the headers: change those, and run it again. -->"


def folder_page(folder, headers):
    lines = [f"# {folder}", "", NOTE, "", "[All folders](README.md)", ""]
    for path, header in headers.items():
        lines += header_lines(path, header)
    return text_of(lines)


def index_page(folders):
    lines = ["# API reference", "", NOTE, ""]
    lines += wrapped("All public headers, by folder. Names are those of namespace `ripieno`; private members are left "
                     "out. `#include <ripieno/ripieno.h>` includes what a training program needs; any header "
                     "can also be included by itself.")
    for folder, headers in folders.items():
        lines += ["", f"## [{folder}]({page_name(folder)})", ""]
        for path, header in headers.items():
            link = f"* [{path.name}]({page_name(folder)}#{anchor(path.name)})"
            sentence = marked_up(first_sentence(header.opening))
            one = f"{link}: {sentence}" if sentence else link
            lines += wrapped(one, "  ")
    return text_of(lines)


def text_of(lines):
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip("\n") + "\n"


def pages(root):
    """File name -> text."""
    folders = {}
    for folder, paths in public_headers(root).items():
        folders[folder] = {path: Header((root / path).read_text()) for path in paths}
    result = {"README.md": index_page(folders)}
    for folder, headers in folders.items():
        result[page_name(folder)] = folder_page(folder, headers)
    return result


def stale_page(folder, wanted):
    """The first page that is not as it must be, and what it is; nothing if all are."""
    for name, text in wanted.items():
        path = folder / name
        if not path.exists():
            return f"{name} is missing"
        if path.read_text() != text:
            return f"{name} is stale"
    for path in sorted(folder.glob("*.md")):
        if path.name not in wanted:
            return f"{path.name} belongs to no folder of public headers"
    return None


def main():
    arguments = sys.argv[1:]
    check = "--check" in arguments
    roots = [argument for argument in arguments if argument != "--check"]
    if len(roots) > 1 or any(argument.startswith("-") for argument in roots):
        sys.exit(__doc__)
    root = pathlib.Path(roots[0]).resolve() if roots else pathlib.Path(__file__).resolve().parent.parent
    folder = root / "docs/reference"
    wanted = pages(root)
    if check:
        if stale := stale_page(folder, wanted):
            sys.exit(f"docs/reference/{stale}; run {COMMAND}")
        return
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()

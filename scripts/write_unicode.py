#!/usr/bin/env python3
"""Writes io/data/tokenizers/unicode_tables.cpp: character classes and normalization data.

    scripts/write_unicode.py           # writes the file
    scripts/write_unicode.py --check   # exits with 1 if it differs

The data are those of Unicode 16.0.0, of the unicodedata module of Python 3.14 or of the package
unicodedata2 (16.0.0). Any other version is refused, since token ids depend on it.
"""
import argparse
import pathlib
import sys

try:
    import unicodedata2 as unicodedata
except ImportError:
    import unicodedata

VERSION = "16.0.0"
FILE = pathlib.Path(__file__).parent.parent / "io/data/tokenizers/unicode_tables.cpp"
CODE_POINTS = 0x110000
BLOCK = 128
LINE = 100
SURROGATES = range(0xD800, 0xE000)
HANGUL = range(0xAC00, 0xAC00 + 11172)
HANGUL_VOWELS_AND_TAILS = set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))

# As in unicode.h.
UPPER, LOWER, BOTH, MARK, NUMBER, SPACE, LINE_END, UNSTABLE = (1 << bit for bit in range(8))
CLASSES = {"Lu": UPPER, "Lt": UPPER, "Ll": LOWER, "Lm": BOTH, "Lo": BOTH, "Mn": MARK, "Mc": MARK,
           "Me": MARK, "Nd": NUMBER, "Nl": NUMBER, "No": NUMBER, "Zs": SPACE, "Zl": SPACE,
           "Zp": SPACE}
WHITE_CONTROLS = {9, 10, 11, 12, 13, 0x85}  # White_Space beside the categories Z


def decompositions():
    """{code point: its canonical decomposition in one step}, without Hangul syllables."""
    found = {}
    for code in range(CODE_POINTS):
        text = unicodedata.decomposition(chr(code))
        if text and not text.startswith("<") and code not in HANGUL:
            found[code] = [int(part, 16) for part in text.split()]
    return found


def compositions(decomposed):
    """{(first, second): composed}: the pairs that NFC composes."""
    return {tuple(parts): code for code, parts in decomposed.items()
            if len(parts) == 2 and unicodedata.normalize("NFC", chr(code)) == chr(code)}


def class_of(code, unstable):
    category = "Cs" if code in SURROGATES else unicodedata.category(chr(code))
    bits = CLASSES.get(category, 0)
    if code in WHITE_CONTROLS:
        bits |= SPACE
    if code in (10, 13):
        bits |= LINE_END
    return bits | (UNSTABLE if code in unstable else 0)


def unstable_characters(composed):
    """Characters whose presence can mean that a text is not in NFC."""
    found = {second for _, second in composed} | HANGUL_VOWELS_AND_TAILS
    for code in range(CODE_POINTS):
        character = chr(code)
        if unicodedata.combining(character) or (
                code not in SURROGATES and unicodedata.normalize("NFC", character) != character):
            found.add(code)
    return found


def two_stages(values):
    """(index of each block, the distinct blocks one after the other)."""
    blocks, indices = {}, []
    for begin in range(0, len(values), BLOCK):
        block = tuple(values[begin:begin + BLOCK])
        indices.append(blocks.setdefault(block, len(blocks)))
    assert len(blocks) <= 256, "an index is a byte"
    return indices, [value for block in blocks for value in block]


def ranges_of_combining():
    """[(first, last, combining class)], without those of class 0."""
    ranges = []
    for code in range(CODE_POINTS):
        value = unicodedata.combining(chr(code))
        if not value:
            continue
        if ranges and ranges[-1][1] == code - 1 and ranges[-1][2] == value:
            ranges[-1][1] = code
        else:
            ranges.append([code, code, value])
    return ranges


def array(declaration, items):
    """A C++ array, filled to the column limit."""
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > LINE:
            lines.append(line)
            line = "   "
        line += f" {item},"
    return f"{declaration} = {{\n" + "\n".join([*lines, line]) + "\n};\n"


def braces(rows):
    return ["{" + ", ".join(f"{value:#x}" for value in row) + "}" for row in rows]


def contents():
    decomposed = decompositions()
    composed = compositions(decomposed)
    unstable = unstable_characters(composed)
    indices, blocks = two_stages([class_of(code, unstable) for code in range(CODE_POINTS)])
    parts = [
        f"// Written by scripts/write_unicode.py from the data of Unicode {VERSION}. Do not edit.\n"
        "// clang-format off\n"
        '#include "ripieno/io/data/tokenizers/unicode_tables.h"\n\n'
        "namespace ripieno::io::unicode {\n",
        array(f"const uint8_t kBlocks[{CODE_POINTS // BLOCK}]", map(str, indices)),
        array(f"const uint8_t kClasses[{len(blocks)}]", map(str, blocks)),
        array("const Decomposition kDecompositions[]",
              braces((code, *parts, *[0] * (2 - len(parts)))
                     for code, parts in sorted(decomposed.items()))),
        f"const std::size_t kDecompositionCount = {len(decomposed)};\n",
        array("const Composition kCompositions[]",
              braces((*pair, code) for pair, code in sorted(composed.items()))),
        f"const std::size_t kCompositionCount = {len(composed)};\n",
        array("const CombiningRange kCombining[]", braces(ranges_of_combining())),
        f"const std::size_t kCombiningCount = {len(ranges_of_combining())};\n",
        "}  // namespace ripieno::io::unicode\n"]
    return "\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    if unicodedata.unidata_version != VERSION:
        sys.exit(f"write_unicode: this Python has the data of Unicode "
                 f"{unicodedata.unidata_version}, required is {VERSION}; use Python 3.14 or "
                 f"install unicodedata2=={VERSION}")
    text = contents()
    if not arguments.check:
        FILE.write_text(text)
    elif FILE.read_text() != text:
        sys.exit(f"write_unicode: {FILE} differs from what this script writes")


if __name__ == "__main__":
    main()

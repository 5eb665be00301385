#!/usr/bin/env python3
"""Writes tests/messages.txt and the list in docs/when_something_goes_wrong.md: what users read.

    scripts/write_messages.py BUILD_FOLDER [--replace | --check]

tests/messages.txt has the help of each program and the message of each exception that the tests
throw, so that all wording can be reviewed in one place. scripts/run_tests.py records the messages in
BUILD_FOLDER/messages.tsv; numbers, paths and the like are replaced, so that the file does not depend
on the machine. Messages that the last run did not provoke stay, because it may have been a part of
the tests; after all tests, --replace removes them. --check writes nothing; it fails if a help text differs or a recorded message is not
in the file, except for errors of storage and communication, which depend on timing.
"""
import difflib
import os
import pathlib
import re
import socket
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE = ROOT / "tests/messages.txt"
PAGE = ROOT / "docs/when_something_goes_wrong.md"
BEGIN, END = "<!-- begin of the generated list -->\n", "<!-- end of the generated list -->\n"
PROGRAMS = [["train_gpt"], ["train_image_classifier"], ["generate"], ["ripieno"], ["ripieno", "inspect"],
            ["ripieno", "verify"], ["ripieno", "convert"], ["ripieno", "diff"], ["ripieno", "doctor"],
            ["ripieno", "explain"], ["ripieno", "launch"], ["ripieno", "plan"], ["ripieno", "prepare"],
            ["ripieno", "report"], ["ripieno", "rerun"], ["ripieno", "runs"], ["ripieno", "tokenize"],
            ["ripieno", "train_tokenizer"], ["ripieno", "watch"]]
SCRIPTS = ["quickstart.sh", "make_bundle.sh", "gpu_check.sh"]
# Of the library's exceptions, in the order of the page: the exit status and what it means.
TYPES = {
    "ConfigurationError": (78, "The configuration or the environment cannot work. Change what the message names."),
    "UsageError": (64, "The command line is invalid. Each program explains its options with `--help`."),
    "DataError": (65, "Data or a checkpoint is damaged, or is not what it is used as."),
    "StorageError": (74, "Reading or writing failed: a full disk, missing permissions, a server that does not respond."),
    "OutOfMemory": (71, "A device or the host has too little memory."),
    "CommunicationFailure": (76, "Another rank was lost, or did not arrive in time. The first rank to fail "
                                 "reports the cause; run the same command again to continue."),
    "RankFailure": ("72, 79 or that of the failed rank",
                    "Ranks hold different values (72; see docs/train_in_parallel.md), a loss, a gradient or a "
                    "parameter is not finite (79), or one rank failed, whose message and status all ranks end with."),
    "Error": (70, "The library was called incorrectly, or has a bug."),
}
# Which of them a run of the tests provokes does not depend on timing.
CHECKED = {"ConfigurationError", "UsageError", "DataError", "Error"}
HOST = re.compile(rf"(?<![\w.-]){re.escape(socket.gethostname())}(?![\w-])")
PATHS = re.compile(r"/?(?:[\w.@+-]+/)+[\w.@+-]*|(?<![\w.])/[\w.@+-]+")
QUOTED = re.compile(r"(?<!\w)\"[^\"]*\"?")
HEXADECIMAL = re.compile(r"\b(?=[a-f]*\d)[0-9a-f]{8,}\b")
NUMBER = re.compile(r"(?<![A-Za-z_\d])[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?")
MAX_CHARACTERS = 400  # characters of a message that are kept


def normalized(message):
    message = "".join(c if c.isprintable() else "?" for c in message[:MAX_CHARACTERS])
    message = message.replace("Input/output error", "Input|output error")  # is no path
    for pattern, word in ((HOST, "HOST"), (QUOTED, '"…"'), (PATHS, "PATH"), (HEXADECIMAL, "HEX"), (NUMBER, "N")):
        message = pattern.sub(word, message)
    return re.sub(r"\bN(?:(?:, | x |x| )N)+\b", "N, …", message).replace("Input|output error", "Input/output error").strip()


def recorded(build):
    """The messages of the last run of the tests: "type: message"."""
    messages = set()
    path = build / "messages.tsv"
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    for line in set(lines):
        kind, _, message = line.partition("\t")
        if message and "failing on demand" not in message:
            messages.add(f"{kind.rpartition('::')[2]}: {normalized(message)}")
    return messages


def help_texts(build):
    environment = {**os.environ, "COLUMNS": "80"}
    commands = [[str(build / "bin" / program), *rest] for program, *rest in PROGRAMS]
    commands += [[str(ROOT / "scripts" / script)] for script in SCRIPTS]
    for command in commands:
        name = " ".join([pathlib.Path(command[0]).name, *command[1:]])
        text = subprocess.run([*command, "--help"], env=environment, capture_output=True, text=True, check=True,
                              stdin=subprocess.DEVNULL).stdout
        yield f"==== {name} --help\n\n{text.strip()}\n"


def stored():
    text = FILE.read_text() if FILE.exists() else ""
    helps, _, messages = text.partition("==== Messages\n\n")
    return helps, set(messages.splitlines())


def wrapped(text, indent=""):
    """Lines of at most 100 columns, as scripts/check_documents.py requires."""
    return textwrap.fill(text, 100, subsequent_indent=indent, break_on_hyphens=False)


def list_for_page(messages):
    sections = []
    for kind, (status, meaning) in TYPES.items():
        lines = sorted(message.partition(": ")[2] for message in messages if message.startswith(kind + ": "))
        if lines:
            messages_of_kind = "\n".join(wrapped(line, "    ") for line in lines)
            sections.append(f"## Exit status {status}: {kind}\n\n{wrapped(meaning)}\n\n```\n{messages_of_kind}\n```\n")
    return "\n".join(sections)


def main():
    arguments = [argument for argument in sys.argv[1:] if argument not in ("--check", "--replace")]
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.exit(__doc__)
    build = pathlib.Path(arguments[0]).resolve()
    helps, messages = "\n".join(help_texts(build)) + "\n", recorded(build)
    old_helps, old_messages = stored()
    if "--check" in sys.argv:
        differences = list(difflib.unified_diff(old_helps.splitlines(), helps.splitlines(), "tests/messages.txt",
                                                "now", lineterm="", n=1))
        differences += [f"+{message}" for message in sorted(messages - old_messages)
                        if message.partition(":")[0] in CHECKED]
        if differences:
            sys.exit("\n".join(differences) + "\nmessages: tests/messages.txt is not up to date; if these words are "
                     f"right, run scripts/write_messages.py {arguments[0]}")
        print(f"messages: {len(messages)} recorded, all are in tests/messages.txt")
        return
    if "--replace" not in sys.argv:
        messages |= old_messages
    FILE.write_text(helps + "==== Messages\n\n" + "\n".join(sorted(messages)) + "\n")
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + "\n" + list_for_page(messages) + "\n" + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()

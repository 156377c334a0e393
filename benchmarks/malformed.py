"""Malformed texts, tables, expressions and files: what is right with something changed in it, by chance."""

from __future__ import annotations

import copy
import json
import random
import string
import struct
from hashlib import sha256

from neuro_mpc.descriptions.toml_text import parse_toml, to_toml
from neuro_mpc.runfile import checkpoint

VALUES = [
    -1,
    0,
    1,
    2**63,
    -(2**70),
    10**400,
    1e308,
    -1e-320,
    float("inf"),
    float("nan"),
    True,
    "",
    "x",
    "x" * 5000,
    "\x00",
    "../../etc/passwd",
    "hidden",
    "relu(r)",
    [],
    [[]],
    [1, 2],
    ["a"],
    {},
    {"a": {"b": 1}},
    "ü" * 50,
]
TOKENS = [
    "r",
    "n",
    "m",
    "pi",
    "1",
    "0",
    "2.5",
    "1e999",
    "1e-999",
    "9" * 400,
    "0x1f",
    "+",
    "-",
    "*",
    "/",
    "**",
    "//",
    "%",
    "@",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    ":",
    ":=",
    "=",
    "==",
    "<",
    "if",
    "else",
    "for",
    "in",
    "lambda",
    "not",
    "exp(",
    "log(",
    "sqrt(",
    "tanh(",
    "relu(",
    "normal(0, 1)",
    "identity()",
    "__import__('os')",
    "().__class__",
    "r.__class__",
    "f'{r}'",
    "'a'",
    "None",
    "True",
    "print(r)",
    "eval('1')",
    "\\",
    "\n",
    "#",
    "é",
    "\x00",
]
HOSTILE = [
    "tanh(r)",
    "r**2/(1 + r**2)",
    "m/n",
    "m**2*pi/n**2",
    "normal(0, sqrt(n))",
    "uniform(-1, 1)",
    "relu(r)",
    "abs(m)",
    "9**9**9**9",
    "r**r**r**r**r",
    "exp(" * 40 + "r" + ")" * 40,
    "(" * 300 + "r" + ")" * 300,
    "-" * 900 + "r",
    "+".join(["r"] * 500),
    "*".join(["(r+1)"] * 100),
    "(r+1)**20*(r+2)**20*(r+3)**20",
    "1/(r-r)",
    "log(0)*r",
    "sqrt(-1)*r",
    "r" * 1000,
    "tanh(" * 20 + "r**20" + ")" * 20,
    "exp(exp(exp(exp(exp(9)))))*r",
    "relu(r)**-20",
]


def mutated_text(text: str, chance: random.Random) -> bytes:
    """A text with some of its bytes or lines changed."""
    lines = text.splitlines(keepends=True)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(lines) or 1)
        what = chance.randrange(7)
        if what == 0 and lines:
            del lines[at]
        elif what == 1 and lines:
            lines.insert(at, chance.choice(lines))
        elif what == 2:
            lines.insert(at, "".join(chance.choices(string.printable, k=chance.randint(1, 60))))
        elif what == 3:
            deep = ["[" * 2000, "a." * 500 + "b = 1\n", "x = " + "[" * 1500 + "]" * 1500, '"""']
            lines.insert(at, chance.choice(deep))
        elif what == 4 and lines:
            line = lines[at]
            cut = chance.randrange(len(line))
            lines[at] = line[:cut] + chance.choice(string.printable + "é\x00") + line[cut + chance.randint(0, 3) :]
        elif what == 5:
            lines = lines[:at]
        elif lines:
            lines[at] = lines[at].replace("=", chance.choice(["", "==", "= -", "= 1e400 #"]))
    content = bytearray("".join(lines).encode())
    for _ in range(chance.choice([0, 0, 0, 1, 5])):
        if content:
            content[chance.randrange(len(content))] = chance.randrange(256)
    return bytes(content)


def mutated_tables(text: str, chance: random.Random) -> bytes:
    """The tables of a text with some entries replaced, renamed, removed or added."""
    tables = copy.deepcopy(parse_toml(text))
    for _ in range(chance.randint(1, 3)):
        table = tables
        while (inner := [each for each in table.values() if isinstance(each, dict)]) and chance.random() < 0.8:
            table = chance.choice(inner)
        key = chance.choice(list(table) or ["new"])
        what = chance.randrange(4)
        if what == 0:
            table.pop(key, None)
        elif what == 1:
            table[chance.choice(["n", "r", "pi", "x" * 100, "a b", "role", "size", key.upper()])] = table.pop(key, 1)
        else:
            table[key] = chance.choice([*VALUES, *HOSTILE, expression(chance)])
    try:
        return to_toml(tables).encode()
    except (TypeError, ValueError, UnicodeEncodeError):
        return b"name = 1"


def expression(chance: random.Random) -> str:
    if chance.random() < 0.3:
        return chance.choice(HOSTILE)
    return " ".join(chance.choices(TOKENS, k=chance.randint(1, 12)))


def mutated_bytes(content: bytes, chance: random.Random) -> bytes:
    """A file with bytes changed, cut off or put in."""
    what = chance.randrange(6)
    if what == 0:
        return content[: chance.randrange(len(content))]
    if what == 1:
        return content[:8] + chance.randbytes(chance.randrange(3000))
    if what == 2:
        return chance.randbytes(chance.randrange(3000))
    changed = bytearray(content)
    for _ in range(chance.choice([1, 3, 20, 200])):
        # Most of a file's structure stands at its beginning.
        value = chance.choice([0, 255, chance.randrange(256)])
        changed[chance.randrange(min(len(changed), chance.choice([100, 5000, 10**9])))] = value
    return bytes(changed)


def forged(content: bytes, chance: random.Random) -> bytes:
    """A checkpoint whose sha256 is right and whose header is not."""
    whole = checkpoint.FOOTER.size
    records, arrays, length, _, mark = checkpoint.FOOTER.unpack(content[-whole:])
    header = json.loads(content[records + arrays : records + arrays + length])
    key = chance.choice(list(header))
    table = header[key] if isinstance(header[key], dict) and chance.random() < 0.7 else None
    value = chance.choice([*VALUES, "[" * 3000, "[population.a]\nsize = 1"])
    if table is None:
        header[key] = value
    else:
        table[chance.choice(list(table))] = value
    if chance.random() < 0.3:
        header["arrays"] = {"a": [chance.choice(["<f4", "|O", "<f8", 3]), chance.choice([10**15, -1, "x", 2.5])]}
    text = json.dumps(header).encode() if chance.random() < 0.8 else b"[" * 100_000
    sizes = (records, arrays, len(text)) if chance.random() < 0.8 else (2**63, 2**63, 5)
    body = content[: records + arrays] + text
    return body + struct.pack(f"<3Q32s{len(mark)}s", *sizes, sha256(body).digest(), mark)

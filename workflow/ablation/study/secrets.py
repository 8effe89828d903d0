"""Which names and which values can be secrets: the one rule for studies, environments, logs and messages.

A name is judged by its words. A value is judged by its length and its form: `1`, `true` or a number of threads is in
every line of a log, so that a value that short is never removed from a text. Eight characters are the least that NIST
SP 800-63B (5.1.1.1) lets a service take as a password; tokens are longer.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path

SHORTEST = 8

# The last word of a name that holds a secret, or its end where words are written together (PGPASSWORD).
_ENDINGS = (
    *("TOKEN", "PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "CREDENTIAL", "CREDENTIALS"),
    *("APIKEY", "ACCESSKEY", "SECRETKEY", "PRIVATEKEY", "AUTHORIZATION"),
)
_ONE_OF_SEVERAL = {"PASS", "PWD", "BEARER"}  # PWD alone is the shell's folder
_KEYS = {"API", "ACCESS", "SECRET", "PRIVATE", "ENCRYPTION", "SIGNING", "AUTH", "ACCOUNT"}
_KEYS |= {"STORAGE", "MASTER", "LICENSE", "SSH", "SUBSCRIPTION", "HMAC"}
# `HF_HUB_DISABLE_IMPLICIT_TOKEN` is a switch; `EOS_TOKEN` and `..._PER_TOKEN` are tokens of a model.
_SWITCHES = {"DISABLE", "ENABLE", "USE", "ALLOW", "SKIP", "REQUIRE", "IGNORE"}
_OF_A_MODEL = re.compile(
    "PER|EOS|BOS|PAD|UNK|SEP|CLS|MASK|STOP|START|END|SPECIAL|IMAGE|VIDEO|AUDIO|NEXT|FIRST|LAST|DECODE|PREFILL|BONUS|DRAFT"
    "|PROMPT"
)
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")

# What a person writes where a secret is asked for and none is needed.
PLACEHOLDERS = frozenset(
    {"", "0", "1", "x", "xxx", "none", "null", "empty", "dummy", "fake", "test", "true", "false", "auto"}
    | {"token", "default", "unused", "placeholder", "not-needed", "changeme", "disabled", "enabled"}
)  # fmt: skip

# Tokens by their makers' prefixes; a private key in PEM; a user and a password in a URL.
_TOKENS = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}|\bsk-[A-Za-z0-9_-]{20,}|\bgh[opsur]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}"
    r"|\bglpat-[\w-]{16,}|\bnvapi-[\w-]{20,}|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bxox[abprs]-[\w-]{10,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
)
_IN_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@", re.I)
_HEX = re.compile(r"[0-9a-f][0-9a-f-]{30,}[0-9a-f]", re.I)


def secret_name(name: str) -> bool:
    """Whether a variable or an argument of this name holds a secret: HF_TOKEN, api-key, PGPASSWORD."""
    words = [word.upper() for word in _WORD.findall(name)]
    if not words or _SWITCHES & set(words[:-1]):
        return False
    last, before = words[-1], words[-2:-1]
    if last == "TOKEN" and any(map(_OF_A_MODEL.fullmatch, before)):
        return False
    if last.endswith(_ENDINGS) or (before and last in _ONE_OF_SEVERAL):
        return True
    if words[-3:] == ["ACCESS", "KEY", "ID"]:
        return True
    return last in ("KEY", "KEYS") and bool(_KEYS & set(before))


def secret_form(text: str) -> bool:
    """Whether a text holds a secret by its form alone: a token with its maker's prefix, a URL with a password."""
    return bool(_TOKENS.search(text) or _IN_URL.search(text))


def hides(name: str, value: str, *, declared: bool = False) -> bool:
    """Whether a variable's value has to be removed from whatever is stored.

    That of a secret's name, or of one `declared` to be a secret, unless it is shorter than 8 characters, a placeholder
    or a path of this host. Under any other name only what has the form of a secret or looks drawn at random: a name of
    a backend or a device stands in the lines that prove a treatment, and must stay there.
    """
    if len(value) < SHORTEST:
        return False
    if declared or secret_name(name):
        return value.lower() not in PLACEHOLDERS and not _is_path(value)
    return secret_form(value) or _looks_random(value)


def too_short(value: str) -> bool:
    """Whether a secret can neither be hidden (every line would be mangled) nor be left; a placeholder is no secret."""
    return 0 < len(value) < SHORTEST and value.lower() not in PLACEHOLDERS


def texts_of(value: str) -> list[str]:
    """What of a secret's value may stand in a text: all of it, and each of its lines (a log prints them apart)."""
    parts = [value, value.strip(), *(line.strip() for line in value.splitlines())]
    return list(dict.fromkeys(part for part in parts if len(part) >= SHORTEST))


def refuse_secret_args(args: Mapping[str, object]) -> None:
    """Refuse server arguments that carry a secret, at any depth. Raises ValueError, without the value.

    `hf-token: true` is none (vLLM then takes the token that is stored on the host); a number counts something.
    """
    for name, value in args.items():
        _refuse(str(name), value, secret=secret_name(str(name)))


def _refuse(where: str, value: object, *, secret: bool) -> None:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _refuse(f"{where}.{name}", inner, secret=secret_name(str(name)))
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            _refuse(f"{where}[{number}]", inner, secret=secret)
    elif isinstance(value, str) and (inside := _json(value)) is not None:
        _refuse(where, inside, secret=secret)
    elif isinstance(value, str) and ((secret and value) or secret_form(value)):
        raise ValueError(
            f"{where}: a secret as an argument stands in the command line, in the plan and in every report; "
            "export it in your shell as the variable that the server reads (HF_TOKEN for the hub) and list that "
            "variable's name under server.pass_env"
        )


def _json(text: str) -> Mapping[str, object] | None:
    """The mapping that a text is in JSON, as vLLM takes it; None where it is none."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_path(value: str) -> bool:
    if not value.startswith(("/", "~", "./", "../")):
        return False
    try:
        return Path(value).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False


def _looks_random(value: str) -> bool:
    """Without a gap or a folder, and either hexadecimal or of small and capital letters and digits in no order."""
    if re.search(r"[\s/,;=]", value) or _is_number(value):
        return False
    if _HEX.fullmatch(value):
        return True
    kinds = (str.islower, str.isupper, str.isdigit)
    return len(value) >= 20 and all(any(map(kind, value)) for kind in kinds)


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False

"""Citations: BibTeX for every method, net and data set that Striate uses."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from .errors import UnknownNameError


@dataclass(frozen=True)
class Citation:
    """One entry of a ``.bib`` file in ``core/bib``: its key, its fields, its BibTeX text."""

    key: str
    author: str
    title: str
    year: str
    bibtex: str

    @property
    def short(self) -> str:
        """Author and year as in running text: ``"Simonyan et al. 2013"``."""
        names = [name.split(",")[0].strip() for name in self.author.split(" and ")]
        who = names[0] if len(names) == 1 else f"{names[0]} & {names[1]}" if len(names) == 2 else f"{names[0]} et al."
        return f"{who} {self.year}"


def cite(key: str) -> Citation:
    """The citation with this key; an unknown key raises with the nearest known ones."""
    known = citations()
    if key not in known:
        raise UnknownNameError("citation", key, known)
    return known[key]


def bibtex(keys: tuple[str, ...] | list[str]) -> str:
    """BibTeX text of the named entries, each once, in the order given."""
    return "\n\n".join(cite(key).bibtex for key in dict.fromkeys(keys))


@cache
def citations() -> dict[str, Citation]:
    """Every citation by its key."""
    folder = files("striate.core").joinpath("bib")
    shelves = sorted(each.name for each in folder.iterdir() if each.name.endswith(".bib"))
    text = "\n".join(folder.joinpath(name).read_text(encoding="utf-8").strip() for name in shelves)
    entries = {}
    for block in re.split(r"\n(?=@)", text.strip()):
        match = re.match(r"@\w+\{([^,]+),", block)
        if match:
            found = dict(re.findall(r"^\s*(\w+)\s*=\s*\{(.*)\},?\s*$", block, flags=re.MULTILINE))
            key = match.group(1)
            author, title = (plain(found.get(name, "")) for name in ("author", "title"))
            entries[key] = Citation(key, author, title, found.get("year", ""), block.strip())
    return entries


_MARKS = {  # combining signs
    '"': "\u0308", "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303", "c": "\u0327", "v": "\u030c",
    "H": "\u030b", "=": "\u0304", ".": "\u0307", "u": "\u0306", "r": "\u030a", "k": "\u0328",
}  # fmt: skip
_LETTERS = {"ae": "æ", "AE": "Æ", "o": "ø", "O": "Ø", "aa": "å", "AA": "Å", "ss": "ß", "l": "ł", "L": "Ł", "i": "ı"}


def plain(text: str) -> str:
    r"""Text of BibTeX as people read it: accents set, braces gone.

    >>> plain(r"S{\"u}sstrunk and {I}mmerk{\ae}r")
    'Süsstrunk and Immerkær'
    """

    def accent(match: re.Match[str]) -> str:
        letter = {"\\i": "i", "\\j": "j"}.get(match.group(2), match.group(2))
        return unicodedata.normalize("NFC", letter + _MARKS[match.group(1)])

    text = text.replace("$", "").replace("\\ell_", "ℓ")
    text = re.sub(r"\\([\"'`^~=.])\s*\{?(\\[ij]|[A-Za-z])\}?", accent, text)
    text = re.sub(r"\\([cvHurk])(?:\s+|\{)(\\[ij]|[A-Za-z])\}?", accent, text)
    text = re.sub(r"\\(ae|AE|aa|AA|ss|o|O|l|L|i)(?![A-Za-z])\s*", lambda match: _LETTERS[match.group(1)], text)
    return re.sub(r"[{}]", "", text).replace("\\&", "&").replace("--", "–")

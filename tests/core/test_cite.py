"""Citations."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from striate.core.cite import Citation, bibtex, citations, cite
from striate.core.errors import UnknownNameError

ENTRY = re.compile(r"^@\w+\{([^,]+),(.*?)^\}", flags=re.MULTILINE | re.DOTALL)


def shelves() -> dict[str, dict[str, str]]:
    """Text of every entry by file and key."""
    found: dict[str, dict[str, str]] = {}
    for shelf in files("striate.core").joinpath("bib").iterdir():
        if shelf.name.endswith(".bib"):
            pairs = ENTRY.findall(shelf.read_text(encoding="utf-8"))
            found[shelf.name] = dict(pairs)
            assert len(found[shelf.name]) == len(pairs), f"{shelf.name} holds a key twice"
    return found


def test_every_entry_of_every_shelf_is_read_with_author_title_and_year() -> None:
    assert set(citations()) == {key for shelf in shelves().values() for key in shelf}
    for key, entry in citations().items():
        assert entry.author, key
        assert entry.title, key
        assert re.fullmatch(r"\d{4}", entry.year), key
        assert entry.bibtex.count("{") == entry.bibtex.count("}"), key
        assert entry.bibtex.rstrip().endswith("}"), key


def test_a_key_on_two_shelves_is_the_same_work() -> None:
    titles: dict[str, set[str]] = {}
    for shelf in shelves().values():
        for key, text in shelf.items():
            title = re.search(r"^\s*title\s*=\s*\{(.*)\},?\s*$", text, flags=re.MULTILINE)
            assert title, key
            titles.setdefault(key, set()).add(re.sub(r"[{}\W]", "", title.group(1)).casefold())
    assert [key for key, different in titles.items() if len(different) > 1] == []


def test_a_citation_is_found_by_its_key() -> None:
    entry = cite("salmon2011parallel")
    assert entry.year == "2011"
    assert entry.title == "Parallel random numbers: as easy as 1, 2, 3"
    assert entry.short == "Salmon et al. 2011"
    assert entry.bibtex.startswith("@inproceedings{salmon2011parallel,")


@pytest.mark.parametrize(
    ("author", "short"),
    [
        ("Wilson, Edwin B.", "Wilson 1999"),
        ("Zeiler, Matthew D. and Fergus, Rob", "Zeiler & Fergus 1999"),
        ("A, B. and C, D. and E, F.", "A et al. 1999"),
    ],
)
def test_running_text_names_one_author_two_or_the_first(author: str, short: str) -> None:
    assert Citation("k", author, "t", "1999", "").short == short


def test_bibtex_of_several_holds_each_once_in_the_order_given() -> None:
    text = bibtex(["wilson1927probable", "salmon2011parallel", "wilson1927probable"])
    assert text.count("@") == 2
    assert text.index("wilson1927probable") < text.index("salmon2011parallel")
    assert bibtex([]) == ""


def test_an_unknown_key_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown citation 'salmon2011'.*salmon2011parallel"):
        cite("salmon2011")

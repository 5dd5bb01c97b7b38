"""What every resource of IIIF has, in Presentation API 2 and 3: type, identity, texts in several languages."""

import json
from collections.abc import Iterator

from artpipe.errors import ArtpipeError
from artpipe.sources.iiif_image import Json, as_list
from artpipe.sources.plain_text import plain_text, storable

ANY_LANGUAGE = ("none", "@none", "und", "")


class NotIiifError(ArtpipeError):
    """What an address sent is no resource of IIIF that can be read."""


def parsed(body: bytes, url: str) -> dict[str, Json]:
    """The JSON object of a response.

    Raises:
        NotIiifError: it is none.
    """
    if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise NotIiifError(
            f"{url} is a web page or XML, not JSON; give the address of the manifest or collection itself."
        )
    try:
        value = json.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else error
        raise NotIiifError(f"{url} is not JSON ({why}); open it in a browser, and tell its publisher.") from error
    if not isinstance(value, dict):
        raise NotIiifError(f"{url} is JSON but no object, so it is neither manifest nor collection.")
    return value


def texts(value: Json, languages: tuple[str, ...], *, with_lines: bool = False) -> list[str]:
    """The texts of a label or a value in the best of its languages, as plain text.

    Args:
        value: a text, `{"@value": ..., "@language": ...}` or a list of them (version 2), or `{language: [texts]}`
            (version 3).
        languages: those that are preferred, best first; `en` includes `en-GB`.
        with_lines: whether line ends stay.
    """
    by_language: dict[str, list[str]] = {}
    for language, text in in_languages(value):
        lines = map(plain_text, text.split("\n")) if with_lines else (plain_text(text),)
        if (plain := "\n".join(filter(None, lines))) and plain not in by_language.setdefault(language, []):
            by_language[language].append(plain)
    found = {language: kept for language, kept in by_language.items() if kept}
    for wanted in (*(language.casefold() for language in languages), *ANY_LANGUAGE):
        for language, kept in found.items():
            if language == wanted or (wanted and language.split("-")[0] == wanted):
                return kept
    return next(iter(found.values()), [])


def in_languages(value: Json) -> Iterator[tuple[str, str]]:
    """Each text of a label or a value with its language, folded; empty where it has none."""
    for each in as_list(value):
        if isinstance(each, dict):
            if "@value" in each:
                yield str(each.get("@language") or "").casefold(), str(each["@value"])
                continue
            for language, values in each.items():
                for text in as_list(values):
                    if isinstance(text, str | int | float) and not isinstance(text, bool):
                        yield str(language).casefold(), str(text)
        elif isinstance(each, str | int | float) and not isinstance(each, bool):
            yield "", str(each)


def kind_of(value: Json) -> str:
    """The type of a resource without its prefix, such as `Manifest`; "" where nothing says."""
    if not isinstance(value, dict):
        return ""
    said = value.get("type") or value.get("@type")
    said = said[0] if isinstance(said, list) and said else said
    return said.split(":")[-1] if isinstance(said, str) else ""


def short_id(url: str) -> str:
    """The identity of what is at an address: the address without its scheme, which a museum may change."""
    return storable(url.split("://", 1)[-1])

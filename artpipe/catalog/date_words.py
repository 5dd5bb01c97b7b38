"""Words of German, French, Italian, Spanish and Dutch in date texts, as the English ones that `date_tokens` knows.

A word counts only where a year or a century follows, so that a name or a title in a date text stays what it is.
"""

import re
import unicodedata

_OF = r"\s*(?:(?:des|der|du|de la|del|dell|de|di|van de|van het|van)(?![^\W\d_])'?\s*)*"
_IS_FOREIGN = re.compile(
    r"si[eè]cles?|jh\.?|jahrhunderts?|jhdt?\.?|secolo|sec\.|siglos?|eeuw|(?<![a-z])s\.\s*[ivx]|[0-9]{3}0er(?![a-z])"
)
"""A century or a decade: without one, no word is a part of it."""
_PARTS = {
    "early": r"anfang|beginn|fr[uü]hes|fr[uü]hen|d[eé]but|inizio|inizi|principio|principios|comienzos|begin",
    "mid": r"mitte|milieu|met[aà]|mediados|midden",
    "late": r"ende|sp[aä]tes|sp[aä]ten|fin|fine|finales|fines|einde?",
}
_NTH = {
    "first": r"1\.|erste[sr]?|1[eè]?re|1er|premi[eè]re?|prim[oa]|primera?|eerste",
    "second": r"2\.|zweite[sr]?|2n?de?|2e|2[eè]me|deuxi[eè]me|seconde?|second[oa]|segund[oa]|tweede",
    "third": r"3\.|dritte[sr]?|3[eè]me|3e|troisi[eè]me|terz[oa]|tercera?|derde",
    "fourth": r"4\.|vierte[sr]?|4[eè]me|4e|quatri[eè]me|quart[oa]|cuart[oa]|vierde",
    "last": r"letzte[sr]?|derni[eè]re?|ultim[oa]|[uú]ltim[oa]|laatste",
}
_SHARES = {
    "half": r"h[aä]lfte|moiti[eé]|met[aà]|mitad|helft",
    "quarter": r"viertel|quart|quarto|cuarto|kwart",
    "third": r"drittel|tiers|terzo|tercio|derde",
    "decade": r"jahrzehnt|d[eé]cennie|decennio|decenio|decennium",
}
_YEAR_AHEAD = r"(?=\s*(?:(?:dem|den|het|il|l'an|el|a[nñ]o|ca\.?|circa|um|vers|c\.?)\s*)*[0-9]{3,4}(?![0-9]))"
_SIDES = {
    "before": r"vor|avant|prima del|antes del?|v[oó][oó]r",
    "after": r"nach|apr[eè]s|dopo|despu[eé]s del?|na",
    "circa": r"etwa|gegen|wohl|zirka|environ|verso|hacia|omstreeks|ongeveer|rond",
    "": r"zwischen|entre|tra il|fra il|tussen|ann[eé]es|jaren",
}
_JOINS = re.compile(r"(?<=[0-9])(\s+)(?:und|et|e|y|en|oder|ou|o|of)(?=\s+[0-9])")

_WORD_RULES = [
    *(
        (re.compile(rf"(?<!\w)(?:{nth})\s+(?:{share})(?!\w){_OF}"), f"{nth_in_english} {share_in_english} ")
        for nth_in_english, nth in _NTH.items()
        for share_in_english, share in _SHARES.items()
    ),
    *((re.compile(rf"(?<!\w)(?:{words})(?!\w){_OF}"), f"{part} ") for part, words in _PARTS.items()),
    (re.compile(r"(?<![0-9])([0-9]{3}0)er(?:\s+jahren?)?(?![a-z])"), r"\1s"),
    (re.compile(r"(?<![0-9])([0-9]{1,2})(?:ste|de|e)?\s+eeuw(?![a-z])"), r"\1th century"),
]
_YEAR_RULES = [
    *((re.compile(rf"(?<!\w)(?:{words})(?!\w){_YEAR_AHEAD}"), f"{word} ") for word, words in _SIDES.items()),
    (_JOINS, r"\1and"),
    (re.compile(r"^([0-9]{4}(?:\s*[-/]\s*[0-9]{1,4})?)\s+(?:circa|ca\.?|environ)$"), r"circa \1"),
]


def in_english(text: str) -> str:
    """A lower-case date text with its words of other languages in English; any other text as it is."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if _IS_FOREIGN.search(text):
        for rule, english in _WORD_RULES:
            text = rule.sub(english, text)
    for rule, english in _YEAR_RULES:
        text = rule.sub(english, text)
    return text

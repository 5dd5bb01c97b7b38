"""The painters of the sample gallery: invented names, lives and schools, all from one seed.

`plan.py` assigns works to them.
"""

import random
import unicodedata
from dataclasses import dataclass, replace

from artpipe.schema import STYLES

YEARS = {
    "Medieval": (1270, 1400),
    "Early Renaissance": (1410, 1495),
    "Northern Renaissance": (1430, 1560),
    "High Renaissance": (1480, 1545),
    "Mannerism": (1525, 1600),
    "Baroque": (1600, 1710),
    "Rococo": (1710, 1775),
    "Neoclassicism": (1765, 1830),
    "Romanticism": (1795, 1860),
    "Realism": (1835, 1895),
    "Impressionism": (1865, 1925),
    "Art Nouveau": (1885, 1960),
}
"""When each style was painted, first and last year; neighbours overlap, as they did."""

SCHOOLS = ("Italian", "Flemish", "French", "German", "Spanish", "Dutch")
_SURNAMES = {
    "Italian": ("MORANTI", "BELVEGA", "CASTELÙ", "FIORAVALLE", "ROSSIGNA", "TARVISI", "VERDOLINI", "QUARESMI",
                "LAMBERZO", "NIEVOLI", "GARDESCO", "PIETRALTA", "SCARVINO", "DELLORTE", "ZUCCAVERDE", "OLIVIERA"),
    "Flemish": ("VAN DER WOELDE", "MEERSTRAET", "DE KEYNE", "HOUTHAEGEN", "VAN LOOMEN", "BRAECKELAER", "TERWILLE",
                "CLAESBERGH", "GOOSSENAER", "VERSCHUERE", "WAUTIERS", "PEPERKAMP", "SNELLAERT", "RIJKEVORST"),
    "French": ("BEAUVARLET", "DE LAFONTELLE", "GRANDVIGNE", "MOREAULT", "SAINT-AUBRY", "LÉPINARD", "CHARDONNET",
               "DUVERGNE", "ROCHEBLANC", "THÉVENARD", "BOISGELIN", "FAUCHERY", "PERRONVAL", "VILLEDIEU"),
    "German": ("ALTENRIEDER", "BRÜCKNAGEL", "HOLZMÜLLER", "KRANICHFELD", "LINDENSCHMIDT", "OBERWALD", "PFEILSTICKER",
               "ROTHENHAUS", "STEINHÖFER", "TANNEBERG", "WEISSENBACH", "ZELLERMANN", "EICHENDORN", "FALKENRATH"),
    "Spanish": ("ALMANSEDO", "DE VALDENEGRO", "ESCARTINA", "FUENMAYO", "GARCÍANO", "LUZONDA", "MONTALVEZ", "OLAVERRI",
                "PEÑARROJO", "QUINTANAR", "RIBADESO", "SALVATIER", "TORREBLANCO", "ZUMALDE"),
    "Dutch": ("BLOEMENDAAL", "COORNVELT", "DE RUYSDEK", "EVERTSZ", "HOOGSTEEN", "KALKWIJCK", "LEYENBORGH", "MAATSUYKER",
              "NIEUWLANT", "OOSTERZEE", "PORCELLEN", "STREEKHUYS", "TULPENRODE", "VLIEGENHART"),
}  # fmt: skip
_FIRST = {
    "Italian": ("Aurelio", "Bettina", "Cosimo", "Dario", "Elvira", "Fiore", "Gentile", "Livia", "Nerio", "Orsola"),
    "Flemish": ("Adriaen", "Barbara", "Cornelis", "Dierick", "Godelieve", "Joos", "Lieven", "Maaike", "Pauwel"),
    "French": ("Amélie", "Bastien", "Colette", "Étienne", "Gabriel", "Hélène", "Julien", "Marcelline", "Rémy"),
    "German": ("Albrecht", "Brigitte", "Conrad", "Elsbeth", "Gottfried", "Jörg", "Käthe", "Lucas", "Veit"),
    "Spanish": ("Alonso", "Beatriz", "Diego", "Inés", "Jerónimo", "Leonor", "Martín", "Pilar", "Vicente"),
    "Dutch": ("Aelbert", "Clara", "Dirck", "Emanuel", "Geertruid", "Hendrick", "Jacoba", "Pieter", "Willem"),
}
CITIES = ("Altenau", "Belmonte", "Carvalle", "Dorenburg", "Estrada", "Fiumara", "Gravenloo", "Halmstedt", "Isolabella",
          "Jonkerveld", "Königswiek", "Lormont", "Mirabel", "Novigrad", "Orvena", "Pontalba")  # fmt: skip
_EASTERN = (("ŚLIWNICKI, Władysław", "Polish"), ("HORÁČEK, Vojtěch", "Bohemian"))
"""Names that a catalogue in the code page of Western Europe cannot hold."""


@dataclass(frozen=True)
class Artist:
    """An invented painter.

    Attributes:
        name: as the artist list has it, `SURNAME, First`.
        folder: where the works lie, such as `m/moranti`.
        active: the first and last year of work known, for those whose birth and death are not.
        catalog_name: as the catalogue has it, sometimes damaged.
        is_listed: whether the artist list knows the name.
        is_linked: whether the artist list links it to the folder.
    """

    name: str
    folder: str
    born: int
    died: int
    style: str
    school: str
    city: str
    life_shape: str = "exact"
    catalog_name: str = ""
    is_listed: bool = True
    is_linked: bool = True

    @property
    def list_dates(self) -> str:
        """The life as the artist list writes it."""
        shapes = {
            "exact": "({0}-{1})",
            "circa": "(c. {0}-{1})",
            "vague": "(c. {0}-c. {1})",
            "active": "(active {2}-{3})",
        }
        return shapes[self.life_shape].format(self.born, self.died, self.born + 24, self.died - 4)

    @property
    def catalog_dates(self) -> str:
        """The life as the catalogue writes it."""
        shapes = {
            "exact": "(b. {0}, {4}, d. {1}, {4})", "circa": "(b. ca. {0}, {4}, d. {1}, {4})",
            "vague": "(b. ca. {0}, {4}, d. ca. {1}, {4})", "active": "(active {2}-{3} in {4})",
        }  # fmt: skip
        return shapes[self.life_shape].format(self.born, self.died, self.born + 24, self.died - 4, self.city)


def invent_artists(seed: int, count: int) -> list[Artist]:
    """Painters of all styles in turn; among them two with eastern names, one without a link and one not listed."""
    rng = random.Random(f"artists {seed}")
    names = {school: rng.sample(surnames, len(surnames)) for school, surnames in _SURNAMES.items()}
    used: set[str] = set()
    found: list[Artist] = []
    for number in range(count):
        style = STYLES[number % len(STYLES)]
        school = SCHOOLS[(number * 5 + number // len(STYLES)) % len(SCHOOLS)]
        if not names[school]:
            school = max(names, key=lambda each: len(names[each]))
        surname = names[school].pop() if names[school] else f"{rng.choice(_SURNAMES[school])}-{number}"
        name = f"{surname}, {rng.choice(_FIRST[school])}"
        born, died = _life(style, rng)
        artist = Artist(
            name=name, folder=_folder(surname, used), born=born, died=died, style=style, school=school,
            city=rng.choice(CITIES), life_shape=rng.choice(("exact",) * 6 + ("circa", "circa", "vague", "active")),
            catalog_name=name,
        )  # fmt: skip
        found.append(artist)
    for place, (name, school) in zip((9, 10), _EASTERN, strict=True):
        damaged = name.encode("cp1250").decode("cp1252")
        folder = _folder(name.partition(",")[0], used)
        found[place] = replace(found[place], name=name, catalog_name=damaged, folder=folder, school=school)
    nameless = "MASTER of the Empty Niche"
    found[12] = replace(found[12], name=nameless, catalog_name=nameless, folder="m/master/niche", is_linked=False)
    unknown = "UNKNOWN MASTER, Flemish"
    found[14] = replace(found[14], name=unknown, catalog_name=unknown, folder="m/master/zunk", is_listed=False)
    return found


def _life(style: str, rng: random.Random) -> tuple[int, int]:
    first, last = YEARS[style]
    begun = rng.randint(first, last - 20)
    born = begun - rng.randint(18, 26)
    return born, min(begun + rng.randint(22, 46), last + 15)


def _folder(surname: str, used: set[str]) -> str:
    """A folder as the site makes them: eight plain letters, made different by an `x` where they are taken."""
    plain = unicodedata.normalize("NFKD", surname.lower().replace("ł", "l")).encode("ascii", "ignore").decode()
    plain = "".join(char for char in plain if char.isalpha())
    folder = f"{plain[0]}/{plain[:8]}"
    while folder in used:
        folder += "x"
    used.add(folder)
    return folder

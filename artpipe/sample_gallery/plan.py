"""The works of the sample gallery: what each shows, when it was made, its catalogue row, and its defects.

`drawing.py` draws a work, `site.py` writes the files that a gallery serves. Each work has a random generator of its
own, so that it looks the same whatever else is in the gallery.
"""

import random
from collections import Counter
from dataclasses import dataclass, replace

from artpipe.sample_gallery.artists import CITIES, YEARS, Artist, invent_artists
from artpipe.schema import STYLES, TYPES

FEWEST = 60
"""Paintings that a gallery needs to hold every style and every oddity."""
STRAY_STYLES = 0.10
"""Share of works painted in the manner of the style before or after: styles overlap."""
STRAY_TYPES = 0.03
"""Share of works whose type the catalogue has wrong, as catalogues do."""

_PEOPLE = (
    "Madame Corvel", "Don Alonso Brañas", "Lady Winterley", "the Merchant Holbek", "Doctor Amsinck", "Signora Tolvi",
    "Canon Verrault", "a Young Woman", "an Old Man", "a Man with a Glove", "Countess Zelma", "Captain Ruis",
)  # fmt: skip
_SAINTS = ("Alban", "Brice", "Cyra", "Donat", "Emmeram", "Fina", "Gall", "Hedda", "Ita", "Kilian")
_TITLES = {
    "religious": ("Madonna with St {saint}", "The Annunciation", "Crucifixion with St {saint}", "St {saint} Enthroned",
                  "Adoration of the Child", "Altarpiece of {city}", "Saints {saint} and {other_saint}"),
    "portrait": ("Portrait of {person}", "Portrait of {person}", "Self-Portrait at {city}", "{person}"),
    "landscape": ("View of {city}", "River near {city}", "Hills at {city}", "The Road to {city}", "Evening at {city}",
                  "Ships off {city}"),
    "mythological": ("Bathing Nymphs", "The Triumph of Flora", "Venus at {city}", "Diana Resting", "The Three Graces",
                     "Cupid and the Shepherdess"),
    "genre": ("The Card Players", "Supper at {city}", "The Music Lesson", "The Letter", "Village Feast at {city}",
              "Peasants at Table"),
    "still-life": ("Still-Life", "Still-Life with Fruit", "Still-Life with a Jug", "Breakfast Piece",
                   "Flowers in a Vase", "Vanitas"),
    "interior": ("Interior with a Window", "The Empty Room", "Interior of the Church at {city}", "The Studio",
                 "Room at {city}"),
    "study": ("Study of a Head", "Study of Drapery", "Sketch of a Standing Figure", "Study for {person}",
              "Sheet of Heads"),
    "historical": ("The Battle of {city}", "Entry into {city}", "The Surrender of {city}", "The Oath of the Captains",
                   "Sea Fight off {city}"),
    "other": ("Ornament", "Decorative Panel", "Arms of {city}", "Heraldic Panel", "Rosette with Palms"),
}  # fmt: skip
_COMMON = {
    "Medieval": ("religious", "religious", "religious", "other"),
    "Early Renaissance": ("religious", "religious", "portrait", "mythological"),
    "Northern Renaissance": ("portrait", "religious", "genre", "landscape"),
    "High Renaissance": ("religious", "portrait", "mythological", "study"),
    "Mannerism": ("mythological", "portrait", "religious", "historical"),
    "Baroque": ("still-life", "genre", "interior", "portrait", "religious", "landscape"),
    "Rococo": ("mythological", "portrait", "genre", "landscape"),
    "Neoclassicism": ("historical", "portrait", "mythological", "interior"),
    "Romanticism": ("landscape", "historical", "portrait", "study"),
    "Realism": ("genre", "landscape", "interior", "still-life"),
    "Impressionism": ("landscape", "landscape", "portrait", "still-life", "interior"),
    "Art Nouveau": ("other", "portrait", "mythological", "study"),
}
_MISTAKEN = {
    "religious": "mythological", "portrait": "study", "landscape": "historical", "mythological": "religious",
    "genre": "interior", "still-life": "other", "interior": "genre", "study": "portrait", "historical": "genre",
    "other": "still-life",
}  # fmt: skip
_HOUSES = ("Museum of Fine Arts", "Galleria Civica", "Musée Municipal", "Städtische Sammlung", "Town Hall", "Cathedral")
_OTHER_FORMS = (
    ("sculpture", "Marble, height {} cm"), ("graphics", "Etching, {} x 20 cm"), ("tapestry", "Wool and silk"),
    ("illumination", "Manuscript, {} x 14 cm"),
)  # fmt: skip
_ODD_FILES = ("truncated", "page", "empty", "grey", "cmyk", "palette", "turned", "truncated")
_ODD_DATES = ("1{0}", "c, {0}", "{0},", "{0}{1:02d}", "{0} ?", "begun c. {0}, finished {2}", "{0}{0}")


@dataclass(frozen=True)
class Work:
    """A row of the catalogue and the picture that belongs to it.

    Attributes:
        seed: the gallery's; with the id it decides how the work is drawn.
        slug: the last part of its address.
        year: when it was made, whatever its `date_text`.
        type: its type in the catalogue; `drawn_type` is what it shows.
        drawn_style: the style it is painted in, sometimes a neighbour of its artist's.
        picture: `drawn`, `detail`, `second photograph`, `missing`, or how its file is spoiled or unusual: `truncated`,
            `page`, `empty`, `grey`, `cmyk`, `palette`, `turned`.
        parent: the painting that a detail or a second photograph shows.
    """

    seed: int
    artist: Artist
    slug: str
    title: str
    year: int
    date_text: str
    type: str
    drawn_type: str
    drawn_style: str
    form: str
    technique: str
    location: str
    picture: str = "drawn"
    parent: "Work | None" = None

    @property
    def artwork_id(self) -> str:
        """The path that its page and its image share."""
        return f"{self.artist.folder}/{self.slug}"


@dataclass(frozen=True)
class SampleGallery:
    """Everything in the sample gallery; change it with `dataclasses.replace` to make another.

    Attributes:
        malformed_rows: lines of the catalogue that are no rows.
    """

    seed: int
    artists: tuple[Artist, ...]
    works: tuple[Work, ...]
    malformed_rows: tuple[str, ...] = ()

    @property
    def paintings(self) -> tuple[Work, ...]:
        """The works that have pictures."""
        return tuple(work for work in self.works if work.form == "painting")


def plan_gallery(seed: int = 0, artworks: int = 900) -> SampleGallery:
    """Invent a gallery.

    Args:
        seed: another seed is another gallery.
        artworks: how many of its rows are paintings, at least `FEWEST`; rows of other forms come on top.

    Raises:
        ValueError: too few works to hold every style and every oddity.
    """
    if artworks < FEWEST:
        raise ValueError(f"{artworks} works are too few for a gallery; give {FEWEST} or more")
    artists = invent_artists(seed, max(24, min(96, artworks // 10)))
    works: list[Work] = []
    number = 0
    of_style: Counter[str] = Counter()
    while len(works) < artworks:
        artist = artists[number % len(artists)]
        # Each style shows each type once before chance takes over, so that a small gallery has them all too.
        turn = of_style[artist.style]
        kind = TYPES[(turn + STYLES.index(artist.style)) % len(TYPES)] if turn < len(TYPES) else None
        of_style[artist.style] += 1
        work = _work(artist, number, seed, kind)
        works.append(work)
        if number % 17 == 5 and len(works) < artworks:
            works.append(_detail(work))
        if number % 29 == 11 and len(works) < artworks:
            works.append(_second_photograph(work))
        number += 1
    paintings = _with_oddities(works, seed)
    others = [_other_form(artists[(7 * i) % len(artists)], i, seed) for i in range(max(6, artworks // 30))]
    return SampleGallery(seed, tuple(artists), (*paintings, *others), ("MORANTI, Aurelio\tA row that broke off",))


def _work(artist: Artist, number: int, seed: int, kind: str | None = None) -> Work:
    rng = random.Random(f"{seed} work {number}")
    usual = rng.choice(_COMMON[artist.style]) if rng.random() < 0.55 else rng.choice(TYPES)
    kind = kind or usual
    first, last = YEARS[artist.style]
    begun = max(artist.born + 18, first)
    year = rng.randint(begun, max(begun, min(artist.died, last)))
    place = STYLES.index(artist.style) + (rng.choice((-1, 1)) if rng.random() < STRAY_STYLES else 0)
    saint, other_saint = rng.sample(_SAINTS, 2)
    title = rng.choice(_TITLES[kind]).format(
        city=rng.choice(CITIES), person=rng.choice(_PEOPLE), saint=saint, other_saint=other_saint
    )
    support = "panel" if year < 1500 else rng.choice(("canvas", "canvas", "canvas", "copper", "panel"))
    paint = "Tempera" if year < 1470 else "Oil"
    house = rng.choice(_HOUSES)
    return Work(
        seed=seed,
        artist=artist,
        slug=f"{kind.replace('-', '')[:5]}{number:03d}",
        title=title[0].upper() + title[1:],
        year=year,
        date_text=_date_text(year, rng),
        type=_MISTAKEN[kind] if rng.random() < STRAY_TYPES else kind,
        drawn_type=kind,
        drawn_style=STYLES[min(max(place, 0), len(STYLES) - 1)],
        form="painting",
        technique=f"{paint} on {support}, {rng.randint(30, 220)} x {rng.randint(25, 180)} cm",
        location="Private collection" if rng.random() < 0.12 else f"{house}, {rng.choice(CITIES)}",
    )


def _date_text(year: int, rng: random.Random) -> str:
    century = year // 100 + 1
    shapes = (
        (0.42, f"{year}"),
        (0.58, f"c. {year}"),
        (0.68, f"{year}-{(year + rng.randint(1, 4)) % 100:02d}"),
        (0.75, f"{year // 10 * 10}s"),
        (0.79, f"after {year}"),
        (0.82, f"{year} or {year + 2}"),
        (0.85, f"{century}th century"),
        (0.87, f"begun c. {year}"),
        (0.89, f"{year}/{(year + 1) % 100:02d}"),
        (0.91, f"before {year + 1}"),
        (0.93, f"June {year}, {rng.choice(CITIES)}"),
        (0.95, f"early {year // 10 * 10}s"),
    )
    draw = rng.random()
    return next((text for limit, text in shapes if draw < limit), "-")


def _detail(parent: Work) -> Work:
    return replace(parent, slug=f"{parent.slug}d", title=f"{parent.title} (detail)", picture="detail", parent=parent)


def _second_photograph(parent: Work) -> Work:
    return replace(parent, slug=f"{parent.slug}b", picture="second photograph", parent=parent)


def _other_form(artist: Artist, number: int, seed: int) -> Work:
    form, technique = _OTHER_FORMS[number % len(_OTHER_FORMS)]
    made = _work(artist, 9000 + number, seed)
    return replace(
        made, slug=f"{form[:4]}{number:03d}", form=form, technique=technique.format(20 + number % 70), picture="missing"
    )


def _with_oddities(works: list[Work], seed: int) -> list[Work]:
    """Dead links, spoiled and unusual files, typos in dates and a date after the artist's death, drawn by lot."""
    rng = random.Random(f"oddities {seed}")
    parents = {id(work.parent) for work in works if work.parent}
    free = [i for i, work in enumerate(works) if work.picture == "drawn" and id(work) not in parents]
    files = ["missing"] * max(3, round(len(works) / 110)) + list(_ODD_FILES)
    places = rng.sample(free, len(files) + len(_ODD_DATES) + 1)
    changed = list(works)
    for place, picture in zip(places, files, strict=False):
        changed[place] = replace(works[place], picture=picture)
    for place, shape in zip(places[len(files) :], _ODD_DATES, strict=False):
        year = works[place].year
        changed[place] = replace(works[place], date_text=shape.format(year, (year + 2) % 100, year + 3))
    late = places[-1]
    changed[late] = replace(works[late], date_text=str(works[late].artist.died + 40))
    return changed

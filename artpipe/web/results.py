"""What the page of results shows: what was asked, how it was understood, what answers it and what leads on."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake
from artpipe.search.filters import UnknownFilterValueError
from artpipe.search.predictions import sure_tasks
from artpipe.search.text import NoTextIndexError
from artpipe.web.catalogue import Catalogue, Found
from artpipe.web.collection_summary import held_out_accuracy
from artpipe.web.questions import Question

if TYPE_CHECKING:
    from artpipe.web.links import Links
    from artpipe.web.tokens import EncodedPicture

_NO_WORDS = "Words cannot be searched here yet; pictures and filters can."


def results_page(
    lake: DataLake,
    catalogue: Catalogue,
    question: Question,
    picture: "EncodedPicture | None",
    links: "Links",
    abstain_below: float,
    *,
    is_comparing: bool = False,
) -> dict[str, Any]:
    """The answer to a question; a filter that no work passes is an empty answer with its reason.

    Args:
        lake: what is served.
        catalogue: its works.
        question: what is asked.
        picture: the picture that its token stands for.
        links: where the page's links lead.
        abstain_below: a label that is less probable is told as unsure.
        is_comparing: whether a verdict on the picture, where it has none yet, will come.

    Raises:
        UnknownArtworkError: a work to compare with is not in the collection.
        UnusableQuestionError: the question contradicts itself.
    """
    found, reason = _found(catalogue, question, picture)
    marked = urlencode({"works": "|".join(str(work["artwork_id"]) for work in found.works)})
    return verdict_shown(catalogue, picture, is_comparing=is_comparing) | {
        "question": question,
        "picture": picture,
        "is_sure": sure_tasks(picture.predictions, abstain_below) if picture else {},
        "abstain_below": abstain_below,
        "liked": [catalogue.get(one) for one in question.like],
        "unlike": [catalogue.get(one) for one in question.unlike],
        "found": found,
        "facets": found.facets,
        "reason": reason,
        "labels": catalogue.labels_called(question.words) if question.words else [],
        "accuracy": held_out_accuracy(lake) if picture else {},
        "heading": heading(question, catalogue),
        "on_map": f"{links.map()}#{marked}" if found.works and lake.table("art_map").exists() else "",
    }


def verdict_shown(
    catalogue: Catalogue, picture: "EncodedPicture | None", *, is_comparing: bool = False
) -> dict[str, Any]:
    """Whether a picture shows a very painting of the collection, or is unlike all of them."""
    verdict = picture.verdict if picture else None
    held = verdict.artwork_id if verdict else None
    is_verdict_pending = picture is not None and picture.is_verdict_pending
    # Which painting it shows is known better than how far its looks are from the others'.
    is_unlike = False
    if picture is not None and held is None and not (is_verdict_pending and is_comparing):
        is_unlike = bool(catalogue.novelty(picture).is_unlike_collection)
    return {
        "verdict": verdict,
        "match": _painting(catalogue, held) if held is not None and held in catalogue else None,
        "is_verdict_pending": is_verdict_pending,
        "is_comparing": is_verdict_pending and is_comparing,
        "is_unlike": is_unlike,
    }


def heading(question: Question, catalogue: Catalogue) -> str:
    """What was asked, in a few words.

    Raises:
        UnknownArtworkError: a work to compare with is not in the collection.
    """
    if question.image is not None:
        start = "Looks like your picture" + (" and more" if question.like else "")
    elif len(question.like) == 1:
        start = f"Looks like “{catalogue.get(question.like[0])['title'] or 'this work'}”"
    elif question.like:
        start = f"Looks like these {len(question.like)} works"
    else:
        return f"“{question.words}”" if question.words else "All works" if not question.filters else "Works"
    return start + (f", with “{question.words}”" if question.words else "")


def _painting(catalogue: Catalogue, artwork_id: str) -> dict[str, Any]:
    """The painting that a picture shows: the work as a whole, where the picture is a detail of it."""
    work = catalogue.get(artwork_id)
    return catalogue.get(work["work_id"]) if work["work_id"] in catalogue else work


def _found(catalogue: Catalogue, question: Question, picture: "EncodedPicture | None") -> tuple[Found, str]:
    try:
        return catalogue.search(question, picture), ""
    except UnknownFilterValueError as error:
        reason, wider = _sentence(error), question.without(*question.filters)
    except NoTextIndexError:
        reason, wider = _NO_WORDS, question.without_words()
    try:
        facets = catalogue.search(wider, picture).facets
    except NoTextIndexError:
        facets = catalogue.search(wider.without_words(), picture).facets
    return Found([], 0, 1, facets, 0.0), reason


def _sentence(error: ArtpipeError) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]

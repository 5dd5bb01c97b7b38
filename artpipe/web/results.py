"""The context of the results page: the question, its answer, and the links that lead on."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from artpipe.catalog.names import labels_known_as, normalized_name
from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake
from artpipe.models.served import is_refit_served
from artpipe.search.filters import UnknownFilterValueError
from artpipe.search.predictions import sure_tasks
from artpipe.search.text import NoTextIndexError
from artpipe.search.text_encoder import NoTextEncoderError, UnknownWordsError
from artpipe.web.catalogue import Catalogue, ResultPage
from artpipe.web.collection_summary import held_out_accuracy
from artpipe.web.questions import Question

if TYPE_CHECKING:
    from artpipe.web.links import Links
    from artpipe.web.tokens import EncodedPicture

_NO_TEXT_INDEX = "Words cannot be searched here yet; pictures and filters can."


def results_context(
    lake: DataLake,
    catalogue: Catalogue,
    question: Question,
    picture: "EncodedPicture | None",
    links: "Links",
    abstain_below: float,
    *,
    is_comparing: bool = False,
) -> dict[str, Any]:
    """The values of the results page; a filter value that no work has gives an empty answer with its reason.

    Args:
        lake: the served lake.
        catalogue: its works.
        question: the search.
        picture: the picture that its token stands for.
        links: where the page's links lead.
        abstain_below: a label with a lower probability is shown as unsure.
        is_comparing: whether a comparison that will give the picture a verdict is running.

    Raises:
        UnknownArtworkError: a work to compare with is not in the collection.
        UnusableQuestionError: the question contradicts itself.
    """
    found, reason, meant = _found(catalogue, question, picture)
    if not reason:
        meant = {
            one.text: replace(question, words=one.text, page=1) for one in catalogue.meant_by(question.words, found)
        }
    on_map = urlencode({"works": "|".join(str(work["artwork_id"]) for work in found.works)})
    return verdict_context(catalogue, picture, is_comparing=is_comparing) | {
        "question": question,
        "picture": picture,
        "is_sure": sure_tasks(picture.labels, abstain_below) if picture else {},
        "abstain_below": abstain_below,
        "liked": [catalogue.get(one) for one in question.like],
        "unlike": [catalogue.get(one) for one in question.unlike],
        "found": found,
        "facets": {name: _choices(name, found, question) for name in found.facets},
        "years": found.years,
        "reason": reason,
        "meant": meant,
        "labels": catalogue.labels_called(question.words) if question.words else [],
        "is_known_by_looks": bool(question.words) and catalogue.not_known_by_looks(question.words) is not None,
        "unknown_looks": catalogue.not_known_by_looks(question.looks) or () if question.looks else (),
        "accuracy": held_out_accuracy(lake) if picture else {},
        "is_measured_on_another": picture is not None and is_refit_served(lake),
        "heading": heading(question, catalogue),
        "on_map": f"{links.map()}#{on_map}" if found.works and lake.table("art_map").exists() else "",
    }


def verdict_context(
    catalogue: Catalogue, picture: "EncodedPicture | None", *, is_comparing: bool = False
) -> dict[str, Any]:
    """Whether a picture shows a painting of the collection, is none at all, or is out of distribution."""
    verdict = picture.verdict if picture else None
    match = verdict.artwork_id if verdict else None
    is_verdict_pending = picture is not None and picture.is_verdict_pending
    # A match by local features is surer than a distance between embeddings.
    is_out_of_distribution = False
    if picture is not None and match is None and not (is_verdict_pending and is_comparing):
        is_out_of_distribution = bool(catalogue.novelty(picture).is_out_of_distribution)
    return {
        "verdict": verdict,
        "match": (painting := _painting(catalogue, match) if match is not None and match in catalogue else None),
        "match_labels": [painting[task] for task in catalogue.collection.tasks if painting and painting[task]],
        "is_mirrored": picture is not None and picture.view.is_mirrored,
        "is_verdict_pending": is_verdict_pending,
        "is_comparing": is_verdict_pending and is_comparing,
        "is_out_of_distribution": is_out_of_distribution,
        "is_not_painting": picture is not None and picture.is_not_painting,
    }


def heading(question: Question, catalogue: Catalogue) -> str:
    """The search in a few words.

    Raises:
        UnknownArtworkError: a work to compare with is not in the collection.
    """
    if question.looks is not None:
        others = question.image is not None or question.like
        start = f"Looks like “{question.looks}”" + (" and your choice" if others else "")
    elif question.image is not None:
        start = "Looks like your picture" + (" and more" if question.like else "")
    elif len(question.like) == 1:
        start = f"Looks like “{catalogue.get(question.like[0])['title'] or 'this work'}”"
    elif question.like:
        start = f"Looks like these {len(question.like)} works"
    else:
        return f"“{question.words}”" if question.words else "All works" if not question.filters else "Works"
    return start + (f", with “{question.words}”" if question.words else "")


@dataclass(frozen=True)
class Choice:
    """A label that a visitor may filter by."""

    label: str
    works: int
    is_chosen: bool


def _choices(name: str, found: ResultPage, question: Question) -> list[Choice]:
    """The labels of a filter, also chosen ones that no work would be found with."""
    chosen: dict[str, set[str]] = {
        value: set(map(normalized_name, (value, *labels_known_as(name, value)))) for value in question.values(name)
    }
    meant = set[str]().union(*chosen.values())
    listed = {label: Choice(label, works, normalized_name(label) in meant) for label, works in found.facets[name]}
    known = set(map(normalized_name, listed))
    return [*listed.values(), *(Choice(value, 0, is_chosen=True) for value, of in chosen.items() if not of & known)]


def _painting(catalogue: Catalogue, artwork_id: str) -> dict[str, Any]:
    """The painting that a picture shows: the work as a whole, where the picture is a detail of it."""
    work = catalogue.get(artwork_id)
    return catalogue.get(work["work_id"]) if work["work_id"] in catalogue else work


def _found(
    catalogue: Catalogue, question: Question, picture: "EncodedPicture | None"
) -> tuple[ResultPage, str, dict[str, Question]]:
    """The answer, why there is none, and what may have been meant."""
    meant: dict[str, Question] = {}
    try:
        return catalogue.search(question, picture), "", meant
    except UnknownFilterValueError as error:
        reason, wider = _sentence(error), question.without_filters()
        meant = {name: question.with_filter(error.column, name) for name in error.similar}
    except NoTextIndexError:
        reason, wider = _NO_TEXT_INDEX, question.without_words()
    except (UnknownWordsError, NoTextEncoderError) as error:
        unlike = question.unlike if question.like or question.image else ()
        reason, wider = _sentence(error), replace(question, looks=None, unlike=unlike)
    try:
        others = catalogue.search(wider, picture)
    except NoTextIndexError:
        others = catalogue.search(wider.without_words(), picture)
    nothing = replace(others, works=[], total=0, passing=0, page=1, word_match=None)
    return nothing, reason, meant


def _sentence(error: ArtpipeError) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]

"""Answers that are no content: pages that want a browser, and headers that reserve what is sent.

Both are obeyed: a challenge stops the host, a reservation is the outcome of that one request.
"""

from collections.abc import Mapping

from artpipe.crawler.wire import RawResponse

_IMPERVA_MARKS = (b"_Incapsula_Resource", b"Incapsula incident")
_LONGEST_CHALLENGE = 64 * 1024


def challenge(answer: RawResponse) -> str | None:
    """What an answer demands where it is a challenge page; None where it is none.

    Cloudflare marks its own with a header
    (https://developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response/); Imperva
    (Incapsula) sends a small page with status 200 instead of what was asked for.
    """
    if answer.headers.get("cf-mitigated", "").strip().lower() == "challenge":
        return "answers with a challenge page of Cloudflare"
    is_small = answer.status == 200 and len(answer.body) <= _LONGEST_CHALLENGE
    if is_small and any(mark in answer.body for mark in _IMPERVA_MARKS):
        return "answers with a challenge page of Imperva"
    return None


def reservation(headers: Mapping[str, str], product: str) -> str | None:
    """The header by which a response reserves its content against machine learning or text and data mining.

    Args:
        headers: of the response; their names in any case.
        product: how robots rules address us: a rule for another robot does not count.

    Returns:
        The rule, such as `X-Robots-Tag: noai`; None where there is none. Source of the second kind: the TDM Reservation
        Protocol, https://www.w3.org/community/reports/tdmrep/CG-FINAL-tdmrep-20240202/.
    """
    for line in headers.get("X-Robots-Tag", "").split(","):
        robot, has_robot, rule = line.strip().lower().rpartition(":")
        if rule.strip() in ("noai", "noimageai") and (not has_robot or robot.strip() in ("*", product.lower())):
            return f"X-Robots-Tag: {line.strip()}"
    if headers.get("tdm-reservation", "").strip() == "1":
        return "tdm-reservation: 1"
    return None

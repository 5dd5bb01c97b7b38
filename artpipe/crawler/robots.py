"""A host's robots.txt, by RFC 9309."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from artpipe.crawler.outcome import Outcome, Response

if TYPE_CHECKING:
    from protego import Protego

ROBOTS_PATH = "/robots.txt"
MAX_ROBOTS_BYTES = 5_000_000
MAX_CRAWL_DELAY_S = 60.0
"""A longer Crawl-delay is cut to this; a site that means "stay away" has Disallow."""

KEEP_RULES_S = 24 * 3600.0
"""RFC 9309, 2.4: rules should not be used for longer than a day."""
KEEP_FAILURE_S = 60.0
"""How long an unreadable robots.txt forbids its host before it is requested again."""


@dataclass(frozen=True)
class RobotsRules:
    """The rules of one host.

    Args:
        product: the name in our User-Agent that rules are addressed to.
        crawl_delay_s: minimum time between two requests; 0 where there is none.
        parsed: the rules, or None when everything is allowed.
        problem: why the rules are unknown; nothing may be requested of the host then.
        outcome: of every request while they are unknown.
    """

    product: str
    crawl_delay_s: float = 0.0
    parsed: "Protego | None" = None
    problem: str | None = None
    outcome: Outcome = Outcome.FAILED

    @property
    def keep_s(self) -> float:
        """How long these rules are valid before they are requested again."""
        return KEEP_FAILURE_S if self.problem else KEEP_RULES_S

    def refusal(self, url: str) -> Response | None:
        """The response in place of a forbidden request, or None where it is allowed."""
        if self.problem:
            return Response(self.outcome, error=self.problem)
        if self.parsed is None or self.parsed.can_fetch(url, self.product):
            return None
        return Response(Outcome.REFUSED, error=f"robots.txt does not allow {self.product} to request {url}")


def robots_rules(url: str, answer: Response, product: str) -> RobotsRules:
    """The rules in a response to the request for robots.txt.

    No such file (4xx) allows everything. No usable response (5xx, none at all) forbids everything.
    """
    if answer.outcome is Outcome.OK:
        from protego import Protego

        parsed = Protego.parse(answer.body.decode("utf-8-sig", errors="replace"))
        delay_s = float(parsed.crawl_delay(product) or 0.0)
        return RobotsRules(product, min(max(delay_s, 0.0), MAX_CRAWL_DELAY_S), parsed)
    # 429 is a client error by its number, but means "not now", not "no rules here".
    if answer.status is not None and 400 <= answer.status < 500 and answer.status != 429:
        return RobotsRules(product)
    if answer.outcome is Outcome.REFUSED:  # by ourselves, as the host is on a private network
        return RobotsRules(product, problem=answer.error, outcome=Outcome.REFUSED)
    reason = answer.error or f"answered {answer.status}"
    return RobotsRules(product, problem=f"{url} could not be read, so nothing may be requested of its host: {reason}")

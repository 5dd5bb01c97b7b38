"""The API keeps to its own OpenAPI description, whatever is asked."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings

from artpipe.web.app import create_app

OPERATIONS = 8


def asked_of(operation: Any, checks: list[Callable[..., Any]]) -> Callable[[], None]:
    """A test that sends an operation what its description allows, and what it does not."""

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        case.call_and_validate(checks=checks)

    return ask


def test_the_api_answers_as_its_description_says(web_lake, colour_model):
    import schemathesis
    from schemathesis import checks

    schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(web_lake, encoder=colour_model))
    kept = [checks.not_a_server_error, checks.status_code_conformance, checks.content_type_conformance]
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == OPERATIONS
    for operation in operations:
        asked_of(operation, kept)()

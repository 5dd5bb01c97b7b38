"""The API conforms to its own OpenAPI description, whatever the request."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings

from artpipe.web.app import create_app

OPERATIONS = 9


def conformance_test(operation: Any, checks: list[Callable[..., Any]]) -> Callable[[], None]:
    """A test that sends an operation valid and invalid requests."""

    @settings(max_examples=20, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy())
    def test(case: Any) -> None:
        case.call_and_validate(checks=checks)

    return test


def test_the_api_conforms_to_its_description(web_lake, colour_model):
    import schemathesis
    from schemathesis import checks

    schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(web_lake, encoder=colour_model))
    required = [checks.not_a_server_error, checks.status_code_conformance, checks.content_type_conformance]
    operations = [operation.ok() for operation in schema.get_all_operations()]
    assert len(operations) == OPERATIONS
    for operation in operations:
        conformance_test(operation, required)()

"""Arguments against a JSON schema, for tools that have no Python signature."""

from __future__ import annotations

from typing import Any

import jsonschema

from gateway.bridge.tools.built_in import arguments_of
from gateway.errors import ToolError


def checked(tool: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    """What the model wrote, as an object that fits. Raises ToolError, which says what does not."""
    arguments = arguments_of(tool, text)
    validator = jsonschema.validators.validator_for(schema)(schema)
    problems = [
        f"{'.'.join(map(str, error.absolute_path)) or 'arguments'}: {error.message}"
        for error in sorted(validator.iter_errors(arguments), key=lambda error: list(error.absolute_path))
    ]
    if problems:
        raise ToolError(tool, "; ".join(problems[:5]))
    return arguments

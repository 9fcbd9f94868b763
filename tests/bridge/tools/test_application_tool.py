import pytest

from gateway.bridge.tools.application_tool import ApplicationTool
from gateway.errors import ToolError


def test_its_functions_are_not_ours_to_run():
    with pytest.raises(ToolError):
        ApplicationTool("lookup", {"type": "function", "name": "lookup"}).bind("{}", None, "c")

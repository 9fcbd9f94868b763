import ast
from pathlib import Path
from typing import get_args

from gateway.bridge import call_runner
from gateway.bridge.call.actions import Action


def test_whoever_runs_a_call_does_all_that_it_may_want():
    tree = ast.parse(Path(call_runner.__file__).read_text())
    done = {
        node.cls.id for node in ast.walk(tree) if isinstance(node, ast.MatchClass) and isinstance(node.cls, ast.Name)
    }
    assert {kind.__name__ for kind in get_args(Action)} <= done

import resource

import pytest

from gateway import limits


@pytest.mark.parametrize(
    ("soft", "hard", "set_to"),
    [
        (1024, 4096, 4096),
        (4096, 4096, None),
        (1024, resource.RLIM_INFINITY, limits.MOST),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None),
        (1 << 20, 1 << 30, None),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_it_may(monkeypatch, soft, hard, set_to):
    done = []
    monkeypatch.setattr(resource, "getrlimit", lambda what: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda what, to: done.append(to))
    assert limits.raise_open_files() == (set_to or min(soft if soft > 0 else limits.MOST, limits.MOST))
    assert done == ([(set_to, hard)] if set_to else [])


def test_what_calls_need():
    assert limits.needed(500) == 1500 + limits.OTHERS

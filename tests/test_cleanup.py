import structlog

from gateway.cleanup import finish


def test_every_step_is_taken_and_every_fault_is_told():
    taken = []

    def fails():
        raise ValueError("no")

    with structlog.testing.capture_logs() as logs:
        finish("a call", lambda: taken.append(1), fails, lambda: taken.append(2), fails)
    assert taken == [1, 2]
    assert [(one["event"], one["what"], one["step"].rpartition(".")[2]) for one in logs] == [
        ("gateway.end_failed", "a call", "fails")
    ] * 2

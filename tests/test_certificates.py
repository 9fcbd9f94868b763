import pytest

from gateway.certificates import Certificates, days_left, warnings_of
from tests.certificates import make_certificate


def test_how_long_a_certificate_lasts_and_when_that_is_said(tmp_path):
    (tmp_path / "new").mkdir()
    soon, _, _ = make_certificate(tmp_path, "soon", ends=1)
    late, _, _ = make_certificate(tmp_path / "new", "late", ends=90)
    assert days_left(soon) == pytest.approx(1, abs=0.01)
    known = Certificates()
    found = known.days((soon, late, str(tmp_path / "none.pem"), __file__), 0.0)
    assert found == {soon: pytest.approx(1, abs=0.01), late: pytest.approx(90, abs=0.01)}
    assert warnings_of(found) == [f"the certificate {soon} ends in 1.0 days"]
    assert warnings_of({soon: -2.0}) == [f"the certificate {soon} ended 2.0 days ago"]


def test_a_file_is_read_again_after_an_hour(tmp_path):
    path, _, _ = make_certificate(tmp_path, "one", ends=1)
    known = Certificates()
    known.days((path,), 0.0)
    make_certificate(tmp_path, "one", ends=90)
    assert known.days((path,), 1800.0)[path] < 1
    assert known.days((path,), 3600.0)[path] > 89

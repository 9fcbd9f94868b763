import pytest
from pydantic import ValidationError

from gateway.config.http import Http, http_of
from gateway.errors import ConfigError


def held(name, key):
    assert key == "admin_key_env"
    return f"what {name} holds"


def test_files_lie_beside_the_gateways_file_and_the_key_in_the_environment(tmp_path):
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("x")
    row = Http(tls={"certificate": "cert.pem", "key": "key.pem"}, admin_key_env="ADMIN")
    settings = http_of(row, "gateway.yaml", tmp_path, held)
    assert settings.tls.certificate == tmp_path / "cert.pem"
    assert settings.admin_key == "what ADMIN holds"
    assert "holds" not in repr(settings)
    (tmp_path / "key.pem").unlink()
    with pytest.raises(ConfigError, match=r"http\.tls: there is no file .*key\.pem"):
        http_of(row, "gateway.yaml", tmp_path, held)


def test_what_cannot_be():
    for wrong in ({"auth": "never"}, {"url": "gateway.example"}, {"rate_limit": -1}, {"colour": "red"}):
        with pytest.raises(ValidationError):
            Http(**wrong)

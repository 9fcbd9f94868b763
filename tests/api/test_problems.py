import orjson

from gateway import errors
from gateway.api.problems import about, problem


def test_each_error_has_its_status_and_says_what_it_knows():
    for error, status, more in (
        (errors.NoSuchCall("c"), 404, {}),
        (errors.WrongState("c", "ringing", "not yet"), 409, {"state": "ringing", "call_id": "c"}),
        (errors.BadCommand("digits", "is wrong"), 422, {"errors": [{"field": "digits", "problem": "is wrong"}]}),
        (errors.NodeSilent("n", 5.0), 504, {}),
        (errors.StoreUnavailable("redis://h", "gone"), 503, {}),
        (errors.ConfigError("a", "b"), 500, {}),
    ):
        answer = about(error)
        body = orjson.loads(answer.body)
        assert (answer.status_code, body["status"], body["detail"]) == (status, status, str(error))
        assert more.items() <= body.items()
        assert ("retry-after" in answer.headers) == (status == 503)


def test_it_is_what_rfc_9457_says():
    body = orjson.loads(problem(404, "no such thing", request_id="r").body)
    assert body == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "no such thing",
        "request_id": "r",
    }

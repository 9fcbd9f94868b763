import pytest

from gateway.sip.message.message import Headers, Request, Response
from gateway.sip.message.uri import Uri
from gateway.sip.register.digest import (
    ALGORITHMS,
    MAX_NONCES,
    NONCE_SECONDS,
    Credentials,
    DigestAuthenticator,
    DigestResult,
    Login,
    challenges,
)

BOB = Credentials("bob", "zanzibar")
HOST = "203.0.113.9"


def asked(method="INVITE", uri="sip:bob@biloxi.com"):
    headers = Headers([("From", "<sip:a@b>;tag=1"), ("To", "<sip:c@d>"), ("Call-ID", "x"), ("CSeq", f"1 {method}")])
    return Request(headers, method=method, uri=Uri.parse(uri))


def refusal(*values, status=401):
    name = "Proxy-Authenticate" if status == 407 else "WWW-Authenticate"
    return Response(Headers([(name, value) for value in values]), status=status)


def test_the_example_of_rfc_2617_with_sip_names():
    """From draft-smith-sipping-auth-examples-01 section 3.4: qop auth, nc 1, cnonce 0a4f113b."""
    login = Login(BOB, token=lambda: "0a4f113b")
    request = asked()
    challenge = (
        'Digest realm="biloxi.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", qop="auth,auth-int", '
        'opaque="5ccc069c403ebaf9f0171e9517f40e41", algorithm=MD5'
    )
    assert login.take(refusal(challenge), request)
    login.sign(request)
    value = request.headers.get("Authorization")
    assert 'response="89eb0059246c02b2f6ee02c7961d5ea3"' in value
    assert "nc=00000001" in value
    assert 'opaque="5ccc069c403ebaf9f0171e9517f40e41"' in value


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
    ],
)
def test_the_examples_of_rfc_7616_section_3_9_1(algorithm, response):
    from gateway.sip.register.digest import _response

    assert (
        _response(
            algorithm, "Mufasa", "http-auth@example.org", "Circle of Life", "GET", "/dir/index.html",
            "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        )
        == response
    )  # fmt: skip


def test_the_peers_order_decides_among_what_is_known():
    offered = refusal(
        'Digest realm="r", nonce="1", algorithm=SHA-1024', 'Digest realm="r", nonce="2", algorithm=SHA-512-256',
        'Digest realm="r", nonce="3"', "Basic x", "Digest", 'Digest realm="r", nonce="',
        'Digest qop="auth-int", nonce=4',
    )  # fmt: skip
    assert [(one.nonce, one.algorithm) for one in challenges(offered)] == [("2", "SHA-512-256"), ("3", "MD5")]


def test_401_and_407_are_answered_together_and_counted():
    login = Login(BOB)
    request = asked()
    assert login.take(refusal('Digest realm="proxy", nonce="1", qop="auth"', status=407), request)
    login.sign(request)
    assert login.take(refusal('Digest realm="server", nonce="2", qop="auth"'), request)
    login.sign(request)
    assert "nc=00000002" in request.headers.get("Proxy-Authorization")
    assert "nc=00000001" in request.headers.get("Authorization")


def test_wrong_credentials_are_tried_once_but_a_stale_nonce_again():
    login = Login(BOB)
    request = asked()
    assert login.take(refusal('Digest realm="r", nonce="1", qop="auth"'), request)
    login.sign(request)
    assert not login.take(refusal('Digest realm="r", nonce="1", qop="auth"'), request)
    assert not login.take(refusal('Digest realm="r", nonce="2", qop="auth"'), request)
    assert login.take(refusal('Digest realm="r", nonce="3", qop="auth", stale=TRUE'), request)
    login.sign(request)
    assert 'nonce="3"' in request.headers.get("Authorization")


def test_a_nonce_that_served_before_is_replaced_without_a_word():
    login, request = Login(BOB), asked()
    assert login.take(refusal('Digest realm="r", nonce="1"'), request)
    login.sign(request)
    login.sign(request)  # the next request, an hour later
    assert login.take(refusal('Digest realm="r", nonce="2"'), request)


def test_a_challenge_that_cannot_be_answered_ends_it():
    assert not Login(BOB).take(refusal('Digest realm="r", nonce="1", algorithm=X'), asked())
    assert not Login(BOB).take(refusal(), asked())


def test_an_old_peer_without_qop():
    login, request = Login(BOB), asked()
    assert login.take(refusal('Digest realm="r", nonce="1"'), request)
    login.sign(request)
    assert "nc=" not in request.headers.get("Authorization")


def logged_in(guard, algorithm="SHA-256", now=0.0, credentials=BOB):
    response = Response(status=401)
    guard.challenge(response, now, HOST)
    only = [value for value in response.headers.all("WWW-Authenticate") if f"algorithm={algorithm}" in value]
    login, request = Login(credentials), asked()
    assert login.take(refusal(*only), request)
    login.sign(request)
    return login, request


def proven(guard, request, now, host=HOST):
    verdict = guard.verify(request, now, host)
    return verdict.user, verdict.stale


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_both_sides_agree(algorithm):
    guard = DigestAuthenticator("gateway", {"bob": BOB})
    _, request = logged_in(guard, algorithm)
    assert guard.verify(request, 1.0, HOST) == DigestResult("bob", False, "bob", True)


def test_a_replay_and_an_old_nonce_are_stale_not_wrong():
    guard = DigestAuthenticator("gateway", {"bob": BOB})
    login, request = logged_in(guard)
    assert proven(guard, request, 1.0) == ("bob", False)
    assert proven(guard, request, 2.0) == ("", True)
    login.sign(request)
    assert proven(guard, request, 3.0) == ("bob", False)
    login.sign(request)
    assert proven(guard, request, NONCE_SECONDS + 1) == ("", True)


def test_a_nonce_is_for_the_address_that_it_was_sent_to():
    guard = DigestAuthenticator("gateway", {"bob": BOB})
    _, request = logged_in(guard)
    assert guard.verify(request, 1.0, "198.51.100.1") == DigestResult("", True, "bob", False)


def test_wrong_names_passwords_and_nonces_are_not_let_in():
    guard = DigestAuthenticator("gateway", {"bob": BOB})
    assert guard.verify(asked(), 0, HOST) == DigestResult()
    wrong = logged_in(guard, credentials=Credentials("bob", "wrong"))[1]
    assert guard.verify(wrong, 0, HOST) == DigestResult("", False, "bob", True)
    nobody = logged_in(guard, credentials=Credentials("eve", "zanzibar"))[1]
    assert guard.verify(nobody, 0, HOST) == DigestResult("", False, "", True)
    _, request = logged_in(DigestAuthenticator("gateway", {"bob": BOB}))  # another's nonce
    assert proven(guard, request, 0) == ("", True)
    request = asked()
    request.headers.add("Authorization", 'Digest username="bob", realm="gateway", qop=auth, response="", nonce=x')
    assert guard.verify(request, 0, HOST) == DigestResult("", False, "bob", False)


def test_nonces_in_use_are_bounded():
    guard = DigestAuthenticator("gateway", {"bob": BOB})
    for number in range(MAX_NONCES + 5):
        guard._fresh(guard._nonce(f"{number}.x", HOST), "1", number)
    assert len(guard._used) == MAX_NONCES


def test_a_password_is_not_shown():
    assert "zanzibar" not in repr(BOB)

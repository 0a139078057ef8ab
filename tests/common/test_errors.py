import pytest

from services.common.errors import PROBLEM_KINDS, ProblemError


def test_a_problem_survives_the_wire() -> None:
    sent = ProblemError("several_faces", "portrait: 3 faces; give `face`", param="face", faces=[[1, 2, 3, 4]])

    received = ProblemError.from_json(sent.as_json("req-1"))

    assert (received.code, received.detail, received.param) == (sent.code, sent.detail, sent.param)
    assert received.extra == {"faces": [[1, 2, 3, 4]]}


def test_the_body_follows_rfc_9457_and_names_code_param_and_retryable() -> None:
    body = ProblemError("overloaded", "16 requests wait already").as_json("req-1")

    assert body["type"] == "about:blank"
    assert body["status"] == 503
    assert body["code"] == "overloaded"
    assert body["retryable"] is True
    assert body["param"] is None
    assert body["request_id"] == "req-1"


def test_an_unknown_code_from_elsewhere_becomes_internal() -> None:
    assert ProblemError.from_json({"code": "who_knows", "detail": "odd"}).code == "internal"


def test_an_unknown_code_cannot_be_raised() -> None:
    with pytest.raises(KeyError):
        ProblemError("no_such_code", "x")


@pytest.mark.parametrize("code", sorted(PROBLEM_KINDS))
def test_every_code_is_an_error_status_with_a_title(code: str) -> None:
    kind = PROBLEM_KINDS[code]

    assert 400 <= kind.status < 600
    assert kind.title

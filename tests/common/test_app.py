from fastapi import APIRouter, UploadFile
from fastapi.testclient import TestClient

from services.common.app import create_app
from services.common.errors import ProblemError

router = APIRouter()


@router.get("/broken")
async def broken() -> None:
    raise RuntimeError("secret detail")


@router.get("/busy")
async def busy() -> None:
    raise ProblemError("overloaded", "3 requests wait already")


@router.get("/number/{number}")
async def number(number: int) -> int:
    return number


@router.post("/upload")
async def upload(photo: UploadFile) -> int:
    return len(await photo.read())


def client(state: str = "ready") -> TestClient:
    async def ready() -> dict[str, str]:
        return {"model": state}

    app = create_app(title="test", version="0", routers=[router], ready=ready, max_body_bytes=1000)
    return TestClient(app, raise_server_exceptions=False)


def test_alive_even_where_not_ready() -> None:
    assert client("loading").get("/livez").status_code == 200
    assert client("loading").get("/readyz").status_code == 503
    assert client("loading").get("/readyz").json()["parts"] == {"model": "loading"}
    assert client().get("/readyz").status_code == 200


def test_an_unexpected_error_tells_the_request_id_and_nothing_of_the_inside() -> None:
    response = client().get("/broken", headers={"X-Request-ID": "abc"})

    assert response.status_code == 500
    assert response.json()["code"] == "internal"
    assert response.json()["request_id"] == "abc"
    assert "secret" not in response.text


def test_busy_says_when_to_come_back() -> None:
    response = client().get("/busy")

    assert response.status_code == 503
    assert response.headers["Retry-After"].isdigit()
    assert response.headers["Content-Type"] == "application/problem+json"


def test_a_wrong_value_is_named_with_its_rule() -> None:
    body = client().get("/number/seven").json()

    assert body["code"] == "invalid_request"
    assert body["param"] == "number"
    assert "'seven'" in body["detail"]


def test_an_unknown_path_is_a_problem_too() -> None:
    response = client().get("/nowhere")

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_a_body_that_says_it_is_too_large_is_refused_unread() -> None:
    response = client().post("/upload", files={"photo": b"x" * 2000})

    assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_a_body_that_hides_its_length_is_refused_as_well() -> None:
    def chunks() -> object:
        yield b'--b\r\nContent-Disposition: form-data; name="photo"; filename="p"\r\n\r\n'
        for _ in range(20):
            yield b"x" * 100
        yield b"\r\n--b--\r\n"

    response = client().post("/upload", content=chunks(), headers={"Content-Type": "multipart/form-data; boundary=b"})  # type: ignore[arg-type]

    assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_requests_are_counted_by_route_not_by_path() -> None:
    here = client()
    here.get("/number/1")
    here.get("/number/2")

    assert 'route="/number/{number}"' in here.get("/metrics").text
    assert "/number/1" not in here.get("/metrics").text

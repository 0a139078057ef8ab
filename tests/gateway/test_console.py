import re

from gateway.api.console import FILES
from tests.gateway.conftest import Stack


def test_the_page_is_served_with_all_that_it_names(stack: Stack):
    page = stack.http.get("/")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for path in re.findall(r'(?:src|href)="(/console/[^"]+)"', page.text):
        assert stack.http.get(path).status_code == 200, path


def test_modules_import_only_what_is_served():
    for path, file in FILES.items():
        if file.suffix == ".js" and "vendor" not in path:
            for name in re.findall(r'(?:from|import\()\s*"\./([^"]+)"', file.read_text("utf-8")):
                assert f"/console/{name}" in FILES, (path, name)


def test_scripts_have_a_type_that_browsers_run(stack: Stack):
    assert "javascript" in stack.http.get("/console/main.js").headers["content-type"]


def test_nothing_from_elsewhere_may_run_on_the_page(stack: Stack):
    policy = stack.http.get("/").headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


def test_a_file_beside_the_console_is_not_served(stack: Stack):
    for path in ("/console/../settings.py", "/console/%2e%2e/settings.py", "/console/nothing.js", "/console/"):
        answer = stack.http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


def test_the_first_page_is_small():
    first = [file for path, file in FILES.items() if not path.startswith(("/console/vendor", "/console/examples"))]

    assert sum(file.stat().st_size for file in first) < 300_000

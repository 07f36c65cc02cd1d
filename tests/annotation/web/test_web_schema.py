"""The server answers requests of any form as its schema says: `make sweep`, with schemathesis installed."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.helpers.clips import moving_square, write_clip
from tests.helpers.web import HOST, TOKEN, client_of, only_video

schemathesis = pytest.importorskip("schemathesis")


@pytest.mark.sweep
def test_requests_of_any_form(tmp_path):
    """No request ends in a server error, for a video that is there and for none."""
    write_clip(tmp_path / "clip.mp4", moving_square()[0])
    with client_of(tmp_path) as client:
        video = only_video(client).rpartition("/")[2]
        app = client.app
        headers = {"authorization": f"Bearer {TOKEN}", "host": HOST}
        schema = schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=headers)
        tried = []
        for operation in schema.get_all_operations():
            run_all(operation.ok(), headers, video, tried)
        assert len(tried) > 100
        assert client.get("/api/videos").status_code == 200


def run_all(operation, headers, video, tried):
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy())
    def check(case):
        if "id" in (case.path_parameters or {}) and len(tried) % 2:
            case.path_parameters["id"] = video
        answer = case.call(headers=headers)
        tried.append(answer.status_code)
        assert answer.status_code < 500 or answer.status_code in (501, 507), (case.as_curl_command(), answer.text)

    check()

"""The OpenAPI document, and clients that were generated from it against a gateway with calls."""

import asyncio
import json
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from gateway import api
from gateway.api.app import build
from gateway.api.auth import role_for
from gateway.delivery.webhooks import KINDS
from tests.caller import Caller
from tests.gatewayd import running, settings_for

AGENT = "greeting: Hello, this is the clerk.\ntranscription: {model: local}\n"
CLIENTS = Path(__file__).parent.parent / "clients"


@asynccontextmanager
async def gateway_with_a_call(folder, monkeypatch):
    """A gateway that wants a key, its URL, and a call that has been greeted."""
    monkeypatch.setenv("ADMIN", "the-key")
    http = {"port": 0, "auth": "always", "admin_key_env": "ADMIN", "rate_limit": 0}
    async with (
        running(settings_for(folder, {"eve": AGENT}, http=http)) as (gateway, events),
        api.serve(gateway) as port,
        Caller(gateway.sip_port) as call,
    ):
        assert await call.invite() == 200
        async with asyncio.timeout(15):
            while "transcript" not in [kind for kind, _ in events]:
                await call.silence(0.1)
        yield gateway, f"http://127.0.0.1:{port}", call


async def document_of(url, folder):
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{url}/openapi.json")  # without a key: it holds no data
    path = folder / "openapi.json"
    path.write_text(answer.text)
    return path


async def test_every_operation_says_what_it_takes_and_what_can_go_wrong(tmp_path):
    async with running(settings_for(tmp_path, {"eve": AGENT})) as (gateway, _):
        found = build(gateway).openapi()
    names = []
    for path, operations in found["paths"].items():
        for method, one in operations.items():
            what, role = f"{method} {path}", role_for(method.upper(), path)
            names.append(one["operationId"])
            assert one.get("description"), what
            answers = {code: answer for code, answer in one["responses"].items() if code[0] in "45" and code != "503"}
            assert one.get("security") == ([] if not role else None), what
            assert {"401", "403", "429"} <= set(answers) or not role, what
            assert "404" in answers or "{" not in path, what
            assert ("413" in answers) == ("requestBody" in one), what
            for code, answer in answers.items():
                assert list(answer["content"]) == ["application/problem+json"], f"{what} {code}"
            success = [one for code, one in one["responses"].items() if code[0] == "2"]
            schemas = [body.get("schema") for answer in success for body in answer.get("content", {}).values()]
            assert all(schemas), f"{what}: an answer without a model"
    assert len(set(names)) == len(names)
    assert set(found["webhooks"]) == {*KINDS, "webhook.test"}
    assert set(found["components"]["securitySchemes"]) == {"key", "header"}
    hold = found["paths"]["/v1/calls/{call_id}/hold"]["post"]
    assert "idempotency-key" in [one["name"] for one in hold["parameters"]]
    assert "HTTPValidationError" not in json.dumps(found)


async def test_a_generated_python_client(tmp_path, monkeypatch):
    async with gateway_with_a_call(tmp_path, monkeypatch) as (gateway, url, call):
        document, call_id = await document_of(url, tmp_path), gateway.switchboard.calls[0].info.call_id
        config, out = tmp_path / "client.yaml", tmp_path / "generated"
        config.write_text("post_hooks: []\n")
        command = ["openapi-python-client", "generate", "--path", document, "--config", config, "--output-path", out]
        made = await asyncio.to_thread(
            subprocess.run, [Path(sys.executable).with_name(command[0]), *command[1:]], capture_output=True, text=True
        )
        assert made.returncode == 0, made.stdout + made.stderr
        monkeypatch.syspath_prepend(str(out))
        from voice_agent_gateway_client import AuthenticatedClient
        from voice_agent_gateway_client.api.calls import get_call, hold_call, list_calls, send_dtmf
        from voice_agent_gateway_client.models import CallDetail, Commanded, Dtmf, Problem, Switch

        async with AuthenticatedClient(base_url=url, token="the-key") as client:
            listed = await list_calls.asyncio(client=client, live=True)
            assert [one.call_id for one in listed.data] == [call_id]
            assert listed.data[0].started_time.year >= 2026
            assert listed.data[0].latest.text == "Hello, this is the clerk."
            one = await get_call.asyncio(call_id, client=client)
            assert isinstance(one, CallDetail)
            assert [words.text for words in one.transcript] == ["Hello, this is the clerk."]
            held = await hold_call.asyncio(call_id, client=client, body=Switch(on=True), idempotency_key="once")
            assert isinstance(held, Commanded)
            wrong = await send_dtmf.asyncio(call_id, client=client, body=Dtmf(digits="xyz"))
            assert isinstance(wrong, Problem)
            assert wrong.errors[0].field == "digits"
            gone = await get_call.asyncio("nobody", client=client)
            assert (gone.status, gone.detail) == (404, "there is no call nobody")
        async with AuthenticatedClient(base_url=url, token="gw_none_x") as stranger:
            refused = await list_calls.asyncio(client=stranger)
        assert refused.status == 401
        call.bye()


@pytest.mark.long
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
async def test_a_generated_typescript_client(tmp_path, monkeypatch):
    for name in ("package.json", "tsconfig.json", "client.ts"):
        shutil.copy(CLIENTS / name, tmp_path)

    async def run(*command):
        done = await asyncio.to_thread(subprocess.run, command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    await run("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")
    async with gateway_with_a_call(tmp_path, monkeypatch) as (gateway, url, call):
        await document_of(url, tmp_path)
        call_id = gateway.switchboard.calls[0].info.call_id
        await run("npx", "openapi-typescript", "openapi.json", "-o", "api.ts")
        await run("npx", "tsc")
        told = json.loads(await run("node", "client.js", url, "the-key", call_id))
        call.bye()
    assert told == {
        "live": call_id, "words": ["Hello, this is the clerk."], "held": "answered", "wrong": "digits", "gone": 404,
        "outcome": "caller_hung_up",
    }  # fmt: skip


@pytest.mark.long
async def test_schemathesis_finds_nothing(tmp_path, monkeypatch):
    """Requests made from the document, right ones and wrong ones, and answers held against it."""
    async with gateway_with_a_call(tmp_path, monkeypatch) as (gateway, url, call):
        talking = asyncio.create_task(_stay(call))
        program = Path(sys.executable).with_name("schemathesis")
        command = [
            program, "--config-file", CLIENTS / "schemathesis.toml", "run", f"{url}/openapi.json",
            "--header", "Authorization: Bearer the-key", "--checks", "all", "--max-examples", "60",
            "--exclude-path", "/v1/events", "--exclude-path-regex", "/v1/nodes/.*/drain",
            "--phases", "examples,coverage,fuzzing", "--seed", "1", "--request-timeout", "20", "--no-color",
        ]  # fmt: skip
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, cwd=tmp_path)
        talking.cancel()
        print(done.stdout[-3000:])
        assert done.returncode == 0, done.stdout[-12000:] + done.stderr[-2000:]
        assert not gateway.switchboard.draining


async def _stay(call):
    while True:
        await call.silence(0.2)

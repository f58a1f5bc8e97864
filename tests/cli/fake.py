"""A server that answers as design.md section 5 says, with nothing behind it. Loopback HTTP, so the whole
client is tested: its connections, headers and retries too.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

BLOCK = {"block": 7, "at": "2026-11-20T10:00:00Z", "tx_id": "ab" * 32}
TOKENS = {"dora": "cfs_secret_of_dora", "pete": "cfs_secret_of_pete"}
PASSWORD = "correct horse"
FIELDS = {
    "image": "",
    "memory_mb": 128,
    "cpus": 1,
    "timeout_s": 30,
    "env": {},
    "network": False,
    "public": False,
    "max_rate": 64,
    "daily_budget": None,
}


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    status: int = 200
    json: object = None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    broken: bool = False  #: hang up instead of answering


def problem(
    status: int, slug: str, title: str, detail: str = "", fault: str = "caller", **headers: str
) -> Answer:
    document = {
        "type": f"/problems/{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "fault": fault,
    }
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, document, headers={"Content-Type": "application/problem+json", **names})


NOT_FOUND = problem(404, "not-found", "Not found", "There is no such thing.")


class FakeServer:
    """`seen` is what was asked; `script` answers a call otherwise, once or always."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.scripted: dict[tuple[str, str], list[Answer]] = {}
        self.users: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, str] = {}
        self.functions: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.results: dict[str, bytes] = {}
        self.providers: dict[str, dict[str, Any]] = {}
        for name in ("dora", "pete"):
            self.make_user(name)
            self.tokens[TOKENS[name]] = name
        self.make_function("dora", "example", image="chainfaas/wordcount")
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: object) -> None:
                pass

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.reply(self, Request(self.command, self.path, headers, body))

            do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 - http.server's names

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.httpd.server_port}"
        self.thread = threading.Thread(target=self.httpd.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.httpd.shutdown()
        self.httpd.server_close()
        self.thread.join()

    def script(self, method: str, path: str, *answers: Answer) -> None:
        """Answer these calls so, in turn; the last one for good."""
        self.scripted[method, path] = list(answers)

    def asked(self, method: str, path: str) -> list[Request]:
        return [r for r in self.seen if r.method == method and urlsplit(r.path).path == path]

    def counts(self) -> Counter[tuple[str, str]]:
        return Counter((r.method, r.path) for r in self.seen)

    def make_user(self, name: str, roles: tuple[str, ...] = ("developer",)) -> dict[str, Any]:
        self.users[name] = {"username": name, "roles": list(roles), "balance": 10_000_000, "held": 0}
        return self.users[name]

    def make_function(self, owner: str, name: str, **fields: object) -> dict[str, Any]:
        function = {"name": name, "owner": owner, **FIELDS, **fields, "state": "started"}
        self.functions[f"{owner}/{name}"] = function
        return function

    def make_job(self, function: str = "dora/example", state: str = "succeeded", **fields: object) -> str:
        job = str(uuid.uuid4())
        self.jobs[job] = {
            "id": job,
            "function": function,
            "state": state,
            "settled": state == "succeeded",
            "attempt": 1,
            "provider": "laptop",
            "created_at": "2026-11-20T10:00:00Z",
            "finished_at": "2026-11-20T10:00:01Z",
            "exit_code": 0,
            "billed_ms": 12,
            "cost": 1234,
            "timings": {"t_prc_ms": 4.2, "t_prv_ms": 1.0, "t_cmp_ms": 12, "t_rsp_ms": 0.5, "t_bil_ms": 31.7},
            "timeline": [
                {"state": "submitted", "at": "2026-11-20T10:00:00Z"},
                {"state": state, "at": "2026-11-20T10:00:01Z"},
            ],
            "ledger": {"created_tx": "c1", "received_tx": "r1", "time_tx": "r1", "settled_tx": "r1"},
            **fields,
        }
        self.results[job] = b'{"words": 3}'
        return job

    def reply(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        self.seen.append(request)
        answer = self.next_scripted(request) or self.answer(request)
        if answer.broken:
            handler.close_connection = True
            return
        body = answer.body if answer.json is None else json.dumps(answer.json).encode()
        handler.send_response(answer.status)
        headers = {"Content-Type": "application/json" if answer.json is not None else "text/plain"}
        for name, value in {**headers, **answer.headers}.items():
            handler.send_header(name, value)
        if answer.status != 204:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def next_scripted(self, request: Request) -> Answer | None:
        answers = self.scripted.get((request.method, urlsplit(request.path).path), [])
        return answers.pop(0) if len(answers) > 1 else next(iter(answers), None)

    def answer(self, request: Request) -> Answer:
        target = urlsplit(request.path)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        user = self.tokens.get(token)
        if token and not user:
            return problem(401, "unauthorized", "Not authenticated", "The token is not valid.")
        match request.method, [unquote(part) for part in target.path.strip("/").split("/")]:
            case "GET", ["healthz"]:
                return Answer(json={"status": "ok"})
            case "GET", ["readyz"]:
                return Answer(json={"database": "ok", "broker": "ok", "ledger": "ok"})
            case "POST", ["api", "v1", "register"]:
                return self.register(request.json)
            case "POST", ["api", "v1", "tokens"]:
                return self.log_in(request.json)
            case method, ["api", "v1", "functions", owner, name, "invoke"] if method == "POST":
                return self.invoke(request, user, f"{owner}/{name}")
            case "GET", ["api", "v1", "ledger", *rest]:
                return self.ledger(rest)
        if not user:
            return problem(401, "unauthorized", "Not authenticated", "Send a token.")
        match request.method, [unquote(part) for part in target.path.strip("/").split("/")][2:]:
            case "GET", ["me"]:
                return Answer(json=self.users[user])
            case "DELETE", ["tokens", _]:
                del self.tokens[token]
                return Answer(204)
            case "POST", ["deposits"]:
                self.users[user]["balance"] += request.json["amount"]
                return Answer(201, {"free": self.users[user]["balance"], "held": 0})
            case "POST", ["withdrawals"]:
                self.users[user]["balance"] -= request.json["amount"]
                return Answer(201, {"free": self.users[user]["balance"], "held": 0})
            case method, ["functions", *rest]:
                return self.function(method, user, rest, request)
            case method, ["jobs", *rest]:
                return self.job(method, rest, target.query)
            case method, ["providers", *rest]:
                return self.provider(method, rest, request)
        return NOT_FOUND

    def register(self, body: dict[str, Any]) -> Answer:
        if body["username"] in self.users:
            return problem(409, "exists", "Already there", "The name is taken.")
        return Answer(201, self.make_user(body["username"], tuple(body["roles"])))

    def log_in(self, body: dict[str, Any]) -> Answer:
        if body["password"] != PASSWORD or body["username"] not in self.users:
            return problem(401, "unauthorized", "Not authenticated", "Name or password is wrong.")
        token = f"cfs_{uuid.uuid4().hex}"
        self.tokens[token] = body["username"]
        return Answer(201, {"id": f"id-of-{len(self.tokens)}", "token": token})

    def function(self, method: str, user: str, rest: list[str], request: Request) -> Answer:
        own = [function for key, function in self.functions.items() if key.startswith(f"{user}/")]
        function = self.functions.get("/".join(rest[:2]))
        match method, rest:
            case "GET", []:
                return Answer(json={"results": own, "next": None})
            case "POST", []:
                return Answer(201, self.make_function(user, **request.json))
            case _ if function is None:
                return NOT_FOUND
            case "GET", [_, _]:
                return Answer(json=function)
            case "PATCH", [_, _]:
                function.update(request.json)
                return Answer(json=function)
            case "DELETE", [owner, name]:
                del self.functions[f"{owner}/{name}"]
                return Answer(204)
            case "POST", [_, _, ("start" | "stop") as verb]:
                function["state"] = {"start": "started", "stop": "stopped"}[verb]
                return Answer(json=function)
        return NOT_FOUND

    def invoke(self, request: Request, user: str | None, name: str) -> Answer:
        function = self.functions.get(name)
        if not function or not (user or function["public"]):
            return NOT_FOUND
        if not user and "idempotency-key" in request.headers:
            return problem(400, "bad-request", "Bad request", "Anonymous calls have no Idempotency-Key.")
        job = self.make_job(name)
        self.results[job] = request.body.upper()
        if request.headers.get("prefer") == "respond-async":
            headers = {"ChainFaaS-Job-Id": job, "Location": f"/api/v1/jobs/{job}"}
            return Answer(202, self.jobs[job], headers=headers)
        return Answer(
            body=self.results[job],
            headers={
                "Content-Type": "application/octet-stream",
                "ChainFaaS-Job-Id": job,
                "ChainFaaS-Provider": "laptop",
                "ChainFaaS-Duration-Ms": "12.5",
                "ChainFaaS-Cost": "1234",
            },
        )

    def job(self, method: str, rest: list[str], query: str) -> Answer:
        if not rest:
            start = int(parse_qs(query).get("cursor", ["0"])[0])
            every = list(self.jobs.values())
            # The address that a proxy hides: the client must not go there.
            following = (
                f"http://inside.invalid/api/v1/jobs?cursor={start + 2}" if every[start + 2 :] else None
            )
            return Answer(json={"results": every[start : start + 2], "next": following})
        job = self.jobs.get(rest[0])
        match method, rest[1:]:
            case _ if job is None:
                return NOT_FOUND
            case "GET", []:
                return Answer(json=job)
            case "GET", ["result"]:
                return Answer(body=self.results[rest[0]])
            case "GET", ["logs"]:
                return Answer(body=b"first line\nsecond line\n")
            case "DELETE", []:
                return Answer(202, {**job, "state": "cancelled"})
        return NOT_FOUND

    def provider(self, method: str, rest: list[str], request: Request) -> Answer:
        machine = self.providers.get(rest[0]) if rest else None
        match method, rest:
            case "GET", []:
                return Answer(json={"results": list(self.providers.values()), "next": None})
            case "POST", []:
                machine = {**request.json, "id": f"m{len(self.providers)}", "state": "ready"}
                self.providers[machine["id"]] = machine
                secrets = {"broker_url": "amqp://m0:broker-secret@localhost/", "certificate": "PEM"}
                return Answer(201, {"id": machine["id"], **secrets})
            case _ if machine is None:
                return NOT_FOUND
            case "GET", [_]:
                return Answer(json=machine)
            case "DELETE", [number]:
                del self.providers[number]
                return Answer(204)
            case "POST", [_, ("pause" | "resume") as verb]:
                machine["state"] = {"pause": "paused", "resume": "ready"}[verb]
                return Answer(json=machine)
        return NOT_FOUND

    def ledger(self, rest: list[str]) -> Answer:
        match rest:
            case ["verify"]:
                return Answer(json={"verified": True, "height": 42})
            case ["accounts", name] if name in self.users:
                return Answer(json={"free": self.users[name]["balance"], "held": 96})
            case ["accounts", _, "history"]:
                return Answer(json={"results": [{**BLOCK, "value": {"free": 5, "held": 0}}], "next": None})
            case ["jobs", job] if job in self.jobs:
                record = {"job": job, "developer": "dora", "provider": "pete", "function": "dora/example"}
                done = {"time_ms": 12, "cost": 1234, "received": True, "payment_done": True}
                return Answer(json={**record, **done})
            case ["jobs", job, "history"] if job in self.jobs:
                return Answer(json={"results": [{**BLOCK, "value": {"cost": 1234}}], "next": None})
        return NOT_FOUND

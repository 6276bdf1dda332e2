#!/usr/bin/python3
"""Holds the answers of a running aimeter against its own description (GET openapi.json), strictly: a field that is not
described fails, and so does a status that is not. Run by ctest; needs Debian's python3-jsonschema.

    openapi_test.py AIMETER
"""
import copy
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

SKIPPED = 77
try:
    import jsonschema
except ImportError:
    print("skipped: apt-get install python3-jsonschema")
    sys.exit(SKIPPED)

# A WebSocket: it has tests of its own.
NOT_ASKED = {"/ai/live"}
PATIENCE = 30
problems = []


def note(where, what):
    problems.append(f"{where}: {what}")


class Server:
    """A child that says where it listens; ends with this process."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            found = re.search(r":(\d+)\s*$", line)
            if found:
                self.url = f"http://127.0.0.1:{found.group(1)}"
                return
        sys.exit(f"{arguments} did not start")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(PATIENCE) != 0:
            note("exit", self.process.returncode)


def ask(url, token=None, method="GET", body=None, headers=None):
    """Status, media type and text of an answer, whatever it is."""
    request = urllib.request.Request(url, method=method, data=body, headers=dict(headers or {}))
    if token:
        request.add_header("Authorization", "Bearer " + token)
    try:
        answer = urllib.request.urlopen(request, timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers.get_content_type(), answer.read().decode()


def strict(schema):
    """The same schema, in which every object has nothing but what is described."""
    if isinstance(schema, dict):
        for inner in schema.values():
            strict(inner)
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
    elif isinstance(schema, list):
        for inner in schema:
            strict(inner)
    return schema


class Description:
    def __init__(self, document):
        self.document = document
        self.strict = strict(copy.deepcopy(document))

    def resolved(self, what):
        while "$ref" in what:
            at = self.document
            for key in what["$ref"][2:].split("/"):
                at = at[key.replace("~1", "/").replace("~0", "~")]
            what = at
        return what

    def check(self, path, answer, wanted):
        """Whether an answer is one that the description has, and of this status."""
        status, media_type, text = answer
        where = f"{path} ({wanted})"
        if status != wanted:
            return note(where, f"answered {status}: {text[:300]}")
        responses = self.document["paths"][path]["get"]["responses"]
        if str(status) not in responses:
            return note(where, "a status that is not described")
        content = self.resolved(responses[str(status)]).get("content", {})
        if media_type not in content:
            return note(where, f"{media_type} is not described")
        if not media_type.endswith("json"):
            return None
        # "$ref"s are from the document's root, so that the schema is checked within it.
        schema = {**self.strict, "$schema": "https://json-schema.org/draft/2020-12/schema",
                  **strict(copy.deepcopy(content[media_type]["schema"]))}
        validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
        for one in text.splitlines() if media_type == "application/x-ndjson" else [text]:
            for error in validator.iter_errors(json.loads(one)):
                note(where, f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}")
        return None


def check_schemas(document):
    for name, schema in document["components"]["schemas"].items():
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            note(name, error.message)


def check_document(document):
    """By OpenAPI's own schema where python3-openapi-spec-validator is there, which Debian 12 has not."""
    check_schemas(document)
    try:
        from openapi_spec_validator import validate
    except ImportError:
        return
    validate(document)


def make_records(url):
    post = {"Content-Type": "application/json"}
    prompt = json.dumps({"prompt": "four years of backend work"}).encode()
    for path in ("generate-experience-description", "cover-letter", "no-such-thing"):
        for user in ("user a/b", "", "user_2"):
            ask(f"{url}/api/ai/{path}", method="POST", body=prompt, headers={**post, "X-User-Id": user} if user else post)


def check_answers(api, base, token):
    samples = {"/ai/users/{id}": "/ai/users/user%20a%2Fb"}
    for path, operations in api.document["paths"].items():
        if path in NOT_ASKED:
            continue
        url = base + samples.get(path, path)
        is_open = operations["get"].get("security") == []
        api.check(path, ask(url, token), 200)
        api.check(path, ask(url), 200 if is_open else 401)
        api.check(path, ask(url, token, "DELETE"), 405)
        if "400" in operations["get"]["responses"]:
            api.check(path, ask(url + "?nonsense=1", token), 400)
    api.check("/ai/usage", ask(base + "/ai/usage?days=365", token), 200)
    api.check("/ai/usage", ask(base + "/ai/usage?feature=cover-letter", token), 200)
    api.check("/ai/export", ask(base + "/ai/export?format=ndjson", token), 200)
    api.check("/ai/requests", ask(base + "/ai/requests?limit=2", token), 200)
    api.check("/ai/requests", ask(base + "/ai/requests?outcome=error", token), 200)
    api.check("/ai/users/{id}", ask(base + "/ai/users/user%20a/b?days=1", token), 200)
    api.check("/ai/users/{id}", ask(base + "/ai/users/nobody", token), 404)
    api.check("/ai/users/{id}", ask(base + "/ai/users/%zz", token), 400)
    for _ in range(12):
        guess = ask(base + "/stats", "guess")
    api.check("/stats", guess, 429)


def main():
    aimeter = sys.argv[1]
    with tempfile.TemporaryDirectory(prefix="aim.", dir="/tmp") as folder:
        demo = Server(aimeter, "demo", "--listen", "127.0.0.1:0")
        with open(folder + "/c.toml", "w", encoding="utf-8") as config:
            config.write(f'listen = "127.0.0.1:0"\nupstream = "{demo.url}"\ndata_dir = "{folder}/data"\nworkers = 1\n'
                         'timezone = "Asia/Kolkata"\n[identity]\nheader = "x-user-id"\n')
        proxy = Server(aimeter, "serve", "-c", folder + "/c.toml")
        try:
            with open(folder + "/data/admin-token", encoding="utf-8") as file:
                token = file.read().strip()
            base = proxy.url + "/api/admin"
            make_records(proxy.url)
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until:
                status, _, text = ask(base + "/ai/requests", token)
                if status == 200 and len(json.loads(text)["records"]) == 9:
                    break
                time.sleep(0.05)
            else:
                note("records", text[:300])
            document = json.loads(ask(base + "/openapi.json", token)[2])
            check_document(document)
            check_answers(Description(document), base, token)
        finally:
            proxy.stop()
            demo.stop()
    print("\n".join(problems) or "every answer is as described")
    return 1 if problems else 0


if __name__ == "__main__":
    os.environ.pop("http_proxy", None)
    sys.exit(main())

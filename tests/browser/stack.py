"""What a browser test stands on: a Redis, an upstream that answers as it is told, aimeter before it. Everything lives in
a temporary folder, listens where the kernel says and ends with the test."""

import contextlib
import http.client
import http.server
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("AIMETER_TEST_BINARY", os.path.join(ROOT, "build/release/aimeter"))
TOKEN = "browser-test-token"


def eventually(condition, what, within=30.0):
    """Waits until `condition()` is true, or fails saying what did not come."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"did not happen within {within} s: {what}")


class Upstream(http.server.ThreadingHTTPServer):
    """An application whose answer is in the request: {"status": 200, "headers": {...}, "json": {...}, "cut": true}."""

    daemon_threads = True

    def __init__(self):
        self.asked = []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self):
        with contextlib.suppress(ConnectionError):  # aimeter leaves without a word when it is done
            super().handle()

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        wanted = {}
        with contextlib.suppress(ValueError):
            wanted = json.loads(body or b"{}")
        text = json.dumps(wanted.get("json", {})).encode()
        self.send_response(wanted.get("status", 200))
        for name, value in {"content-type": "application/json", **wanted.get("headers", {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(text) + (1 if wanted.get("cut") else 0)))
        self.end_headers()
        self.wfile.write(text)
        self.close_connection = bool(wanted.get("cut"))

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


class Redis:
    def __init__(self, folder):
        self.socket = os.path.join(folder, "r.sock")
        self.folder = folder
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "", "--appendonly", "yes",
             "--dir", self.folder, "--maxmemory-policy", "noeviction"], stdout=subprocess.DEVNULL)
        eventually(lambda: self.run(["PING"]).strip() == "PONG", "Redis answers")

    def run(self, *commands):
        """Runs commands (lists of words) and returns what redis-cli prints."""
        quoted = "\n".join(" ".join(json.dumps(str(word)) for word in command) for command in commands)
        return subprocess.run(["redis-cli", "-s", self.socket], input=quoted, capture_output=True, text=True).stdout

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


class Stack:
    """One aimeter with what it needs. `more` is appended to its configuration."""

    def __init__(self, more="", admin=""):
        self.folder = tempfile.mkdtemp(prefix="am-")
        self.upstream = Upstream()
        self.redis = Redis(self.folder)
        config = os.path.join(self.folder, "aimeter.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f'listen = "127.0.0.1:0"\nupstream = "http://127.0.0.1:{self.upstream.server_port}"\n'
                       f'data_dir = "{self.folder}/var"\nworkers = 1\n{more}\n[redis]\nurl = "unix:{self.redis.socket}"\n'
                       f'[track]\nlog = "off"\n[identity]\nheader = "x-user-id"\nplan_header = "x-user-plan"\n'
                       f'[admin]\ntokens = ["{TOKEN}"]\n{admin}\n')
        self.config = config
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self, listen=None):
        self.log = open(os.path.join(self.folder, "log"), "ab")
        command = [BINARY, "serve", "-c", self.config] + (["--listen", listen] if listen else [])
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        ready = self.process.stdout.readline()
        if "listening on" not in ready:
            raise AssertionError("aimeter did not start: " + open(self.log.name, encoding="utf-8").read())
        self.address = ready.rsplit(" ", 1)[1].strip()
        self.url = "http://" + self.address

    def restart(self):
        """With the same data and at the same address."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.process.stdout.close()
        self.log.close()
        self.start(listen=self.address)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()
        self.redis.stop()
        self.upstream.shutdown()
        self.upstream.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- asking ----

    def ask(self, method, path, headers=None, body=None):
        """(status, headers as a list of pairs, body) of one request; redirects are not followed."""
        with contextlib.closing(http.client.HTTPConnection(self.address, timeout=20)) as connection:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()

    def figures(self, path):
        status, _, body = self.ask("GET", "/api/admin" + path, {"Authorization": f"Bearer {TOKEN}"})
        assert status == 200, body
        return json.loads(body)

    def generate(self, kind="experience-description", user="user_a", plan="pro", status=200, json_body=None, cut=False, **facts):
        """One tracked request. `facts` become X-AI-* headers of the answer: model="m" -> X-AI-Model."""
        wanted = {"status": status, "json": json_body or {}, "cut": cut,
                  "headers": {"X-AI-" + name.replace("_", "-"): str(value) for name, value in facts.items()}}
        headers = {"Content-Type": "application/json"}
        if user:
            headers |= {"X-User-Id": user, "X-User-Plan": plan}
        with contextlib.suppress(http.client.IncompleteRead):  # what is cut
            self.ask("POST", f"/api/ai/generate-{kind}", headers, json.dumps(wanted))

    def settle(self, requests):
        """Waits until so many requests in all are in Redis."""
        eventually(lambda: self.figures("/stats")["aiRequestsTotal"] >= requests, f"{requests} requests in Redis")

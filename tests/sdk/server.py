"""`resus serve`, started for the tests on free ports, killed, started again, and asked."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

TOKEN = "a-token-of-the-tests"

# Small and young segments, so that spans are looked for in Parquet and in the log behind it.
CONFIG = """
[receive]
grpc = "{grpc}"
http = "{http}"
{tokens}
{tls}
[api]
listen = "{api}"
[store]
folder = "{data}"
segment_spans = 1000
segment_age = "1s"
[metrics]
gauges = ["temperature"]
"""


class Server:
    """A running collector with its data in a folder; ended with its `with` block."""

    def __init__(self, program, folder, token=False, tls=None):
        self.program, self.folder = program, Path(folder)
        self.token, self.tls = token, tls
        self.grpc = self.http = self.api = "127.0.0.1:0"
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        """Starts it; a second time at the same addresses."""
        tls = ""
        if self.tls:
            certificate, key = self.tls
            tls = f'[receive.tls]\ncertificate = "{certificate}"\nkey = "{key}"'
        config = self.folder / "resus.toml"
        config.write_text(
            CONFIG.format(
                grpc=self.grpc,
                http=self.http,
                api=self.api,
                data=self.folder / "data",
                tokens=f'tokens = ["{TOKEN}"]' if self.token else "",
                tls=tls,
            )
        )
        self.said = self.folder / "said"
        with self.said.open("wb") as said:
            command = [self.program, "serve", "--config", config]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=said)
        deadline = time.monotonic() + 20
        while "keeping data in" not in (text := self.said.read_text()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"resus serve did not become ready:\n{text}")
            time.sleep(0.02)
        after = lambda mark: text.split(mark, 1)[1].splitlines()[0].rstrip("/")
        self.grpc, self.http = after("OTLP/gRPC at "), after("OTLP/HTTP at ")
        self.api = after("answering at http://")

    def kill(self):
        """Ends it at once, as SIGKILL does."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def end(self):
        """Asks it to end; gives how it ended."""
        self.process.terminate()
        return self.process.wait(timeout=15)

    def endpoint(self, protocol):
        """What OTEL_EXPORTER_OTLP_ENDPOINT must be."""
        address = self.grpc if protocol == "grpc" else self.http
        if not self.tls:
            return f"http://{address}"
        # By its name, since TLS tells no addresses to the server.
        return f"https://localhost:{address.rsplit(':', 1)[1]}"

    def get(self, path):
        """An answer of the API; None where there is nothing."""
        try:
            with urllib.request.urlopen(f"http://{self.api}{path}", timeout=30) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise RuntimeError(f"GET {path}: {error.code} {error.read().decode()}") from error

    def json(self, path):
        """The same, as JSON."""
        body = self.get(path)
        return None if body is None else json.loads(body)

    def metric(self, name):
        """The sum of the samples of one of its metrics."""
        lines = self.get("/metrics").splitlines()
        found = [line for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)

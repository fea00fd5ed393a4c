"""Real SDKs deliver to `resus serve`: every span that they say they delivered must be in the store.

    cases.py --resus PROGRAM --node FOLDER --certificate FILE --key FILE [NAME...]

Prints a line for each case; with names, only for those whose name begins with one of them. `run` makes what
is needed and calls this.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import check
from server import TOKEN, Server

HERE = Path(__file__).resolve().parent
TRACES = 170  # of three services with four spans each: 2,040 spans
SECONDS = 90  # within which a row of services must have ended

# What an SDK says though all is well: with a CA of its own, that it was given no key of its own.
HARMLESS = ("Client key and certificate must both be provided, but one was missing",)


class Failed(Exception):
    """What did not hold."""


class Tests:
    """What all cases need."""

    def __init__(self, options):
        self.options = options
        self.tls = options.certificate, options.key

    def server(self, folder, **how):
        return Server(self.options.resus, folder, **how)

    def command(self, language):
        if language == "node":
            return ["node", str(self.options.node / "client.js")]
        return [sys.executable, str(HERE / "client.py")]

    def environment(self, server, service, protocol, compression, token=TOKEN):
        """The variables by which an SDK learns where to send, and how.

        Hardly any of the caller's: a proxy would stand between, and REQUESTS_CA_BUNDLE wins over
        OTEL_EXPORTER_OTLP_CERTIFICATE.
        """
        kept = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
        variables = {key: os.environ[key] for key in kept if key in os.environ}
        variables |= {
            "OTEL_SERVICE_NAME": service,
            "OTEL_RESOURCE_ATTRIBUTES": "service.namespace=shop,deployment.environment.name=tests%20of%20SDKs",
            "OTEL_EXPORTER_OTLP_ENDPOINT": server.endpoint(protocol),
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_BSP_SCHEDULE_DELAY": "500",
        }
        if compression != "none":
            variables["OTEL_EXPORTER_OTLP_COMPRESSION"] = compression
        if server.token:
            variables["OTEL_EXPORTER_OTLP_HEADERS"] = f"authorization=Bearer%20{token}"
        if server.tls:
            variables["OTEL_EXPORTER_OTLP_CERTIFICATE"] = str(self.tls[0])
        return variables


class Row:
    """Services that a request goes through one after the other, each a process."""

    def __init__(self, tests, server, folder, languages, protocol, compression, seconds=0, token=TOKEN):
        self.processes, self.noted, self.errors = [], [], []
        before = subprocess.DEVNULL
        for place, language in enumerate(languages):
            service = ("basket", "prices", "payments")[place]
            noted, errors = folder / f"{service}.noted", folder / f"{service}.errors"
            command = [*tests.command(language), "--noted", str(noted)]
            if place == 0:
                command += ["--traces", str(TRACES), "--seconds", str(seconds)]
            last = place + 1 == len(languages)
            with errors.open("wb") as stderr:
                process = subprocess.Popen(
                    command,
                    stdin=before,
                    stdout=subprocess.DEVNULL if last else subprocess.PIPE,
                    stderr=stderr,
                    env=tests.environment(server, service, protocol, compression, token),
                )
            if place > 0:
                before.close()
            before = process.stdout
            self.processes.append(process)
            self.noted.append(noted)
            self.errors.append(errors)

    def wait(self):
        """Waits until all have ended; gives what the SDKs said."""
        try:
            for process in self.processes:
                if process.wait(timeout=SECONDS) != 0:
                    raise Failed(f"a service ended with {process.returncode}:\n{self.said()}")
        finally:
            self.kill()
        return self.said()

    def kill(self):
        for process in self.processes:
            process.kill()
            process.wait()

    def said(self):
        texts = (path.read_text(errors="replace") for path in self.errors)
        lines = (line for text in texts for line in text.splitlines(keepends=True))
        return "".join(line for line in lines if not line.startswith(HARMLESS))


def hold(condition, fault):
    if not condition:
        raise Failed(fault() if callable(fault) else fault)


def lacks(found):
    """The first of what is missing or changed."""
    lines = [f"missing: span {span_id} of trace {trace_id}" for trace_id, span_id in found.missing]
    lines += found.faults
    return "\n".join([f"{len(lines)} faults:", *lines[:20]])


def delivered(tests, folder, languages, protocol, compression, **how):
    """A row of services while all is well: each span is acknowledged, and kept once and as it was."""
    with tests.server(folder, **how) as server:
        row = Row(tests, server, folder, languages, protocol, compression)
        said = row.wait()
        hold(said == "", lambda: f"the SDKs complain:\n{said[:4000]}")
        noted, made = check.read_noted(row.noted)
        hold(len(noted) == made > 0, f"{made} spans made and {len(noted)} acknowledged")
        found = check.Found(server, noted)
        hold(not found.missing and not found.faults, lambda: lacks(found))
        hold(found.twice == found.unsaid == 0, f"{found.twice} spans twice, {found.unsaid} that nobody sent")
        taken = server.json("/api/v1/status")["spans"]
        hold(taken == made, f"{made} spans made and {taken} taken")
        logs = server.metric("resus_log_records_total")
        hold(logs == len(languages) * TRACES, f"{logs:.0f} log records of {len(languages) * TRACES}")
        series = server.json("/api/v1/gauges")["series"]
        gauges = {(one["service"], one["value"], str(one["attributes"])) for one in series}
        hold(len(gauges) == len(languages), f"gauges: {gauges}")
        hold(all(value == 21.5 for _, value, _ in gauges), f"gauges: {gauges}")
        ended = server.end()
        hold(ended == 0, lambda: f"resus ended with {ended}:\n{server.said.read_text()}")
        return f"{made} made, {len(noted)} acknowledged, {made} found as they were; logs and metrics too"


def unaware(tests, folder, protocol, compression, **how):
    """A program that knows no SDK, instrumented by variables alone."""
    with tests.server(folder, **how) as server:
        program = Path(sys.executable).parent / "opentelemetry-instrument"
        environment = tests.environment(server, "unaware", protocol, compression)
        environment["OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED"] = "true"
        command = [program, sys.executable, HERE / "unaware.py"]
        ran = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        hold(ran.returncode == 0 and ran.stderr == "", lambda: f"the SDK complains:\n{ran.stderr[:4000]}")
        made = {tuple(line.split()): {} for line in ran.stdout.splitlines()}
        hold(len(made) == 1000, f"{len(made)} spans made")
        found = check.Found(server, made)
        hold(not found.missing and not found.faults, lambda: lacks(found))
        metrics = server.metric("resus_metric_points_total")
        hold(metrics > 0, "no metric came")
        logs = server.metric("resus_log_records_total")
        hold(logs == 500, f"{logs:.0f} log records of 500")
        return f"{len(made)} made, no error said, {len(made)} found; logs and metrics too"


def refused(tests, folder, language, protocol):
    """With a wrong token nothing is acknowledged, the SDK says so, and nothing is kept."""
    with tests.server(folder, token=True) as server:
        row = Row(tests, server, folder, [language], protocol, "none", token="b-token-of-the-tests")
        said = row.wait()
        noted, made = check.read_noted(row.noted)
        hold(not noted, f"{len(noted)} spans acknowledged")
        hold(made > 0 and said != "", "the SDK does not complain")
        taken = server.json("/api/v1/status")["spans"]
        hold(taken == 0, f"{taken} spans taken")
        return f"{made} made, 0 acknowledged, 0 found; the SDK says so"


def restarted(tests, folder, rows):
    """Killed and started again at the same addresses while services send: what was acknowledged is there."""
    with tests.server(folder) as server, contextlib.ExitStack() as started:
        running = []
        for number, (language, protocol) in enumerate(rows):
            own = folder / str(number)
            own.mkdir()
            running.append(Row(tests, server, own, [language] * 2, protocol, "gzip", seconds=8))
            started.callback(running[-1].kill)
        noted_by = [path for row in running for path in row.noted]
        deadline = time.monotonic() + 30
        while not all(path.exists() and path.stat().st_size for path in noted_by):
            hold(time.monotonic() < deadline, "nothing was acknowledged within 30 s")
            time.sleep(0.05)
        server.kill()
        killed_at = time.time_ns()
        time.sleep(1.5)
        server.start()
        for row in running:
            row.wait()
        noted, made = check.read_noted(noted_by)
        found = check.Found(server, noted)
        hold(not found.missing and not found.faults, lambda: lacks(found))
        given_up = []
        for (language, protocol), row in zip(rows, running, strict=True):
            own, own_made = check.read_noted(row.noted)
            late = any(int(span["acknowledged"]) > killed_at for span in own.values())
            hold(late, f"{language} {protocol}: nothing was acknowledged after the restart")
            given_up.append(f"{own_made - len(own)} by {language} {protocol}")
        return (
            f"{made} made, {len(noted)} acknowledged, {len(noted)} found as they were; given up "
            f"{', '.join(given_up)}; {found.twice} twice, {found.unsaid} found that were not acknowledged"
        )


def all_cases(tests):
    """Every case: its name, and what to call with a folder of its own."""
    protocols, compressions = ("grpc", "http/protobuf", "http/json"), ("none", "gzip")
    safe = {"token": True, "tls": tests.tls}
    for language, protocol, compression in product(("python", "node"), protocols, compressions):
        row = [language] * 3, protocol, compression
        yield f"{language} {protocol} {compression}", delivered, row, {}
    yield "mixed grpc gzip", delivered, (["python", "node", "python"], "grpc", "gzip"), {}
    for language, protocol in product(("python", "node"), ("grpc", "http/protobuf")):
        row = [language] * 2, protocol, "gzip"
        yield f"{language} {protocol} gzip, TLS and token", delivered, row, safe
    for protocol in ("grpc", "http/protobuf"):
        yield f"variables alone {protocol} gzip, TLS and token", unaware, (protocol, "gzip"), safe
    for language, protocol in (("python", "grpc"), ("node", "http/protobuf")):
        yield f"wrong token {language} {protocol}", refused, (language, protocol), {}
    rows = list(product(("python", "node"), ("grpc", "http/protobuf")))
    yield "restart, python and node, grpc and http/protobuf", restarted, (rows,), {}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--resus", type=Path, required=True)
    options.add_argument("--node", type=Path, required=True)
    options.add_argument("--certificate", type=Path, required=True)
    options.add_argument("--key", type=Path, required=True)
    options.add_argument("only", nargs="*", default=[""])
    tests = Tests(options.parse_args())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    passed, failed, begin = 0, 0, time.monotonic()
    for name, case, arguments, how in all_cases(tests):
        if not name.startswith(tuple(tests.options.only)):
            continue
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                verdict, word = case(tests, Path(folder), *arguments, **how), "ok  "
                passed += 1
            except (Failed, RuntimeError, OSError, subprocess.SubprocessError) as fault:
                verdict, word = str(fault).replace("\n", "\n      "), "FAIL"
                failed += 1
        print(f"{word} {name}: {verdict} ({time.monotonic() - started:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed ({time.monotonic() - begin:.0f} s)")
    sys.exit(0 if passed and not failed else 1)


main()

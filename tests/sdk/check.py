"""Is every span that an SDK says it delivered in the store, as it was?"""

import json
import math

# Beyond, whole numbers are kept as text: many readers of JSON hold numbers as doubles.
EXACT = 2**53


def read_noted(paths):
    """The spans noted as acknowledged, by (trace id, span id), and how many were made."""
    noted, made = {}, 0
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            span = json.loads(line)
            if "made" in span:
                made += span["made"]
            else:
                noted[span["trace_id"], span["span_id"]] = span
    return noted, made


def kept(value):
    """An attribute's value in the form in which it is kept."""
    if isinstance(value, dict):
        return {key: kept(one) for key, one in value.items()}
    if isinstance(value, list):
        return [kept(one) for one in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > EXACT:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def expected(span):
    """The fields that the API must answer for a span."""
    return {
        "parent_span_id": span["parent_span_id"],
        "service": span["resource"]["service.name"],
        "instance": span["resource"].get("service.instance.id", ""),
        "operation": span["name"],
        "kind": span["kind"],
        "status": span["status"],
        "status_message": span["status_message"],
        "start_unix_nano": span["start"],
        "duration_ns": span["duration"],
        "http_status": span["attributes"].get("http.response.status_code"),
        "attributes": kept(span["attributes"]),
        "resource_attributes": kept(span["resource"]),
        "scope": span["scope"],
        "events": [
            {"name": event["name"], "time_unix_nano": event["time"], "attributes": kept(event["attributes"])}
            for event in span["events"]
        ],
    }


def same(a, b):
    """Equal, and of the same type all the way down: 1, 1.0 and true are three values."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def differences(span, found):
    """Where what was kept of a span is not what was sent."""
    wanted = expected(span)
    for field, value in wanted.items():
        if isinstance(value, dict):
            for key in value.keys() | found[field].keys():
                pair = value.get(key, "(nothing)"), found[field].get(key, "(nothing)")
                if not same(*pair):
                    yield f"{field}[{key}]", *pair
        elif not same(value, found[field]):
            yield field, value, found[field]


class Found:
    """What the store has of the noted spans."""

    def __init__(self, server, noted):
        self.missing, self.faults, self.unsaid, self.twice = [], [], 0, 0
        for trace_id in {trace_id for trace_id, _ in noted}:
            answer = server.json(f"/api/v1/traces/{trace_id}")
            spans = answer["spans"] if answer else []
            if answer and answer.get("unreadable"):
                self.faults.append(f"trace {trace_id}: unreadable: {answer['unreadable']}")
            by_id = {(trace_id, span["span_id"]): span for span in spans}
            self.twice += len(spans) - len(by_id)
            self.unsaid += len(by_id.keys() - noted.keys())
            self.compare(trace_id, noted, by_id)

    def compare(self, trace_id, noted, by_id):
        for key in (key for key in noted if key[0] == trace_id):
            if key not in by_id:
                self.missing.append(key)
                continue
            if "name" not in noted[key]:
                continue
            for field, wanted, got in differences(noted[key], by_id[key]):
                what = f"{noted[key]['name']!r} of {'/'.join(key)}: {field}"
                self.faults.append(f"{what}: sent {short(wanted)}, kept {short(got)}")


def short(value):
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."

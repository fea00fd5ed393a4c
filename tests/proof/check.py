"""Computes the p-values and intervals of analyses again, with scipy.

usage: check.py ANALYSIS.json...

Reads nothing but the JSON that `resus analyze --format json` prints, by the words of its schema. Prints how
much was compared; exit code 1 at the first number that differs.
"""

import json
import math
import sys

from scipy import stats

# Numbers are written with 17 digits; what is lost is lost in tails.
RELATIVE = 1e-6
# Below this nobody tells p-values apart.
TINY = 1e-250

compared = {}


def same(what, told, computed, where):
    """Fails unless two numbers agree."""
    compared[what] = compared.get(what, 0) + 1
    if max(abs(told), abs(computed)) < TINY:
        return
    if not math.isclose(told, computed, rel_tol=RELATIVE, abs_tol=1e-12 if what == "interval" else 0):
        sys.exit(f"{where}: {what}: told {told!r}, computed {computed!r}")


def fisher(table):
    """One-sided: at least so many failed ones with it."""
    fw, fo, pw, po = (table[k] for k in ("failed_with", "failed_without", "passed_with", "passed_without"))
    return stats.hypergeom.sf(fw - 1, fw + fo + pw + po, fw + pw, fw + fo)


def wilson(sample):
    """95 % interval of a share."""
    return stats.binomtest(sample["count"], sample["n"]).proportion_ci(method="wilson")


def newcombe(now, baseline):
    """95 % interval of the difference of two shares, method 10."""
    a, b = wilson(now), wilson(baseline)
    p, q = now["count"] / now["n"], baseline["count"] / baseline["n"]
    low = math.hypot(p - a.low, b.high - q)
    high = math.hypot(a.high - p, q - b.low)
    return p - q - low, p - q + high


def excess(now, baseline):
    """Log-likelihood ratio of the failing share now over that of the baseline."""
    k, n = now["count"], now["n"]
    usual = max((baseline["count"] + 0.5) / (baseline["n"] + 1), 0.001)
    return stats.binom.logpmf(k, n, k / n) - stats.binom.logpmf(k, n, usual)


def check_finding(f, where):
    if f["kind"] in ("throws", "misleads", "meets"):
        # The root doubles relative differences near 0, where nothing is told.
        z = math.sqrt(2 * (excess(f["now"], f["baseline"]) - f["penalty"]))
        same("z", f["z"], z, where)
        same("p-value of requests", f["p_value"], stats.norm.sf(f["z"]), where)
        low, high = newcombe(f["now"], f["baseline"])
    else:
        tails = 2 if f["kind"] == "calls" else 1
        p = min(1, tails * stats.t.sf(f["z"], f["freedom"]))
        same("p-value of spans", f["p_value"], p, where)
        reach = stats.t.ppf(0.975, f["freedom"]) * f["error"]
        middle = f["effect"] - f["explained"]
        low, high = middle - reach, middle + reach
    same("interval", f["interval"][0], low, where)
    same("interval", f["interval"][1], high, where)


def check_proof(proof, where):
    same("p-value of presence", proof["p_value"], fisher(proof["counts"]), where)
    if proof["closest"]:
        # Times how many parts were looked at.
        one = fisher(proof["closest"]["counts"])
        if one > TINY and proof["closest"]["p_value"] < 1:
            parts = proof["closest"]["p_value"] / one
            same("p-value of a part", parts, round(parts), where)
    for finding in proof["findings"]:
        check_finding(finding, f"{where}: {finding['kind']} of {finding['subject']}")


def check_obstacle(obstacle, where):
    if obstacle["kind"] == "overload":
        (rate, _), *past = obstacle["load"]
        k = len(past)
        mean = sum(r for r, _ in past) / k
        deviation = math.sqrt(sum((r - mean) ** 2 for r, _ in past) / (k - 1))
        counting = mean / math.sqrt(sum(n for _, n in past) / k)
        t = (rate - mean) / (max(deviation, counting) * math.sqrt(1 + 1 / k))
        p = stats.t.sf(t, k - 1)
    else:
        p = min(1, fisher(obstacle["tested"]) * obstacle["tables"])
    same("p-value of an obstacle", obstacle["p_value"], p, where)


def main():
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            analysis = json.load(file)
        for proof in analysis["suspects"] + analysis["considered"]:
            check_proof(proof, f"{path}: {proof['component']['service']}")
        for narrower in analysis["narrower"]:
            check_finding(narrower["finding"], f"{path}: {narrower['component']['instance']}")
        for entry in analysis["entries"]:
            if entry["tested"]:
                same("p-value of an entry", entry["p_value"], fisher(entry["tested"]), path)
        for obstacle in analysis["obstacles"]:
            check_obstacle(obstacle, f"{path}: {obstacle['kind']}")
    wanted = {"z", "interval", "p-value of requests", "p-value of spans", "p-value of presence",
              "p-value of a part", "p-value of an entry", "p-value of an obstacle"}
    if wanted - compared.keys():
        sys.exit(f"nothing to compare for: {', '.join(sorted(wanted - compared.keys()))}")
    for what, n in sorted(compared.items()):
        print(f"proof: {n:5} times the same: {what}")


main()

//! Which paths are there? One table: the router finds by it, the OpenAPI document is made of it.

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Health,
    Ready,
    Metrics,
    Status,
    Diagnosis,
    Report,
    Windows,
    Classes,
    Trace,
    Quality,
    Gauges,
    AdoptBaseline,
    OpenApi,
}

/// A path, and what it is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endpoint {
    pub(crate) route: Route,
    /// `GET` or `POST`.
    pub(crate) method: &'static str,
    /// With its parameter in braces.
    pub(crate) path: &'static str,
    /// In a sentence.
    pub(crate) summary: &'static str,
    /// Type of a good answer.
    pub(crate) content_type: &'static str,
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
pub(crate) const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// All of them.
pub(crate) const ENDPOINTS: [Endpoint; 13] = [
    get(
        Route::Health,
        "/healthz",
        TEXT,
        "Whether the process answers; says nothing of what it depends on",
    ),
    get(
        Route::Ready,
        "/readyz",
        JSON,
        "Whether requests are taken and kept: a canary went to disk and through the live half lately",
    ),
    get(Route::Metrics, "/metrics", PROMETHEUS, "The collector's own metrics, for Prometheus"),
    get(
        Route::Status,
        "/api/v1/status",
        JSON,
        "Version, since when, where it listens, state of log and store",
    ),
    get(
        Route::Diagnosis,
        "/api/v1/diagnosis",
        JSON,
        "The current verdict, with its proof as resus.analysis/1",
    ),
    get(Route::Report, "/report", HTML, "The current verdict as a page"),
    get(
        Route::Windows,
        "/api/v1/windows",
        JSON,
        "The windows compared: now and the healthy ones, with counts by entry operation",
    ),
    get(
        Route::Classes,
        "/api/v1/classes",
        JSON,
        "Path classes of the window judged last, most requests first; ?limit=N",
    ),
    get(
        Route::Trace,
        "/api/v1/traces/{trace_id}",
        JSON,
        "All kept spans of a trace, in the span schema",
    ),
    get(Route::Quality, "/api/v1/quality", JSON, "Counters of data quality since the start"),
    get(Route::Gauges, "/api/v1/gauges", JSON, "Last values of the metrics that are kept"),
    Endpoint {
        method: "POST",
        ..get(
            Route::AdoptBaseline,
            "/api/v1/baseline/adopt",
            JSON,
            "Take the present as healthy: the baseline starts anew with it",
        )
    },
    get(Route::OpenApi, "/api/v1/openapi.json", JSON, "This document"),
];

const fn get(
    route: Route,
    path: &'static str,
    content_type: &'static str,
    summary: &'static str,
) -> Endpoint {
    Endpoint { route, method: "GET", path, summary, content_type }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// This, with the path's parameter where it has one.
    Route(Route, Option<&'a str>),
    /// There is the path, but not for this method; the methods that it has.
    Method(&'static str),
    /// There is no such path.
    Nothing,
}

/// Finds what a request asks for.
pub(crate) fn find<'a>(method: &str, path: &'a str) -> Found<'a> {
    let mut known = Found::Nothing;
    for endpoint in &ENDPOINTS {
        let Some(parameter) = matches(endpoint.path, path) else { continue };
        if endpoint.method == method || (method == "HEAD" && endpoint.method == "GET") {
            return Found::Route(endpoint.route, parameter);
        }
        known = Found::Method(endpoint.method);
    }
    known
}

/// Whether a path is of a pattern; the text where the pattern has its braces.
fn matches<'a>(pattern: &str, path: &'a str) -> Option<Option<&'a str>> {
    let Some((before, _)) = pattern.split_once('{') else {
        return (pattern == path).then_some(None);
    };
    let rest = path.strip_prefix(before)?;
    (!rest.is_empty() && !rest.contains('/')).then_some(Some(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_found_by_its_own_path() {
        for endpoint in &ENDPOINTS {
            let path = endpoint.path.replace("{trace_id}", "abc");
            let parameter = endpoint.path.contains('{').then_some("abc");
            assert_eq!(find(endpoint.method, &path), Found::Route(endpoint.route, parameter));
            assert_eq!(find("DELETE", &path), Found::Method(endpoint.method));
        }
        for path in ["/", "/api/v1/traces/", "/api/v1/traces/a/b", "/healthz/", ""] {
            assert_eq!(find("GET", path), Found::Nothing, "{path}");
        }
        assert_eq!(find("HEAD", "/healthz"), Found::Route(Route::Health, None));
    }
}

//! The API: what is known now, for people, programs, probes and Prometheus.
//!
//! It runs on its own listener, and answers from what the live half published last, so that asking costs
//! ingest nothing.

mod answers;
mod metrics;
mod openapi;
pub(crate) mod routes;
mod wire;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::service::Service;
use hyper::{Request, Response, StatusCode};
use resus_plan::RestartTree;
use resus_receive::{Meter, RequestBody};
use resus_store::log::Log;
use resus_telemetry::Telemetry;
use serde::Serialize;

use self::routes::{Found, JSON, Route};
use self::wire::Problem;
use super::counters::Counters;
use super::gauges::Gauges;
use super::keep::Kept;
use super::live::{Board, Order};

pub(crate) use answers::live;
pub(crate) use openapi::document as openapi;

/// Everything there is to ask about.
pub(crate) struct Api {
    pub(crate) board: Board,
    pub(crate) counters: Arc<Counters>,
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) orders: Sender<Order>,
    /// The operator's restart tree, if there is one.
    pub(crate) tree: Option<RestartTree>,
    pub(crate) kept: Kept,
    pub(crate) log: Log,
    pub(crate) meter: Meter,
    pub(crate) telemetry: Arc<Telemetry>,
    /// What became of requests that go on, where they do.
    pub(crate) forwarded: Option<resus_forward::Meter>,
    pub(crate) receive: Vec<SocketAddr>,
    pub(crate) address: SocketAddr,
    pub(crate) folder: PathBuf,
    pub(crate) started_unix_nano: u64,
}

/// An answer under way.
struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: String,
}

impl Answer {
    fn text(content_type: &'static str, body: String) -> Self {
        Self { status: StatusCode::OK, content_type, body }
    }

    fn json(value: &impl Serialize) -> Self {
        let mut body = serde_json::to_string_pretty(value).expect("every form of the API is JSON");
        body.push('\n');
        Self::text(JSON, body)
    }

    fn problem(status: StatusCode, error: String) -> Self {
        Self { status, ..Self::json(&Problem { error }) }
    }
}

impl Api {
    async fn answer(self: Arc<Self>, request: Request<RequestBody>) -> Response<Full<Bytes>> {
        let (method, path) = (request.method().as_str(), request.uri().path());
        let query = request.uri().query().unwrap_or("");
        let mut allow = None;
        let answer = match routes::find(method, path) {
            Found::Route(route, parameter) => {
                let parameter = parameter.unwrap_or("").to_owned();
                let (api, query) = (Arc::clone(&self), query.to_owned());
                // Some answers read files.
                let work = move || api.route(route, &parameter, &query);
                tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
                    let text = "failed to make the answer; please report this".to_owned();
                    Answer::problem(StatusCode::INTERNAL_SERVER_ERROR, text)
                })
            }
            Found::Method(methods) => {
                allow = Some(methods);
                let text = format!("{path} is asked for by {methods}, not by {method}");
                Answer::problem(StatusCode::METHOD_NOT_ALLOWED, text)
            }
            Found::Nothing => {
                let text =
                    format!("there is no {path}; see /api/v1/openapi.json for what there is");
                Answer::problem(StatusCode::NOT_FOUND, text)
            }
        };
        let head = method == "HEAD";
        let Answer { status, content_type, body } = answer;
        let body = if head { Bytes::new() } else { body.into() };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(methods) = allow {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        response
    }

    fn route(&self, route: Route, parameter: &str, query: &str) -> Answer {
        match route {
            Route::Health => Answer::text(routes::TEXT, "ok\n".to_owned()),
            Route::Ready => self.ready(),
            Route::Metrics => Answer::text(routes::PROMETHEUS, self.metrics()),
            Route::Status => self.status(),
            Route::Diagnosis => self.diagnosis(),
            Route::Report => self.report(),
            Route::Windows => self.windows(),
            Route::Classes => self.classes(query),
            Route::Trace => self.trace(parameter),
            Route::Quality => self.quality(),
            Route::Gauges => self.all_gauges(),
            Route::AdoptBaseline => self.adopt_baseline(),
            Route::OpenApi => Answer::text(JSON, openapi()),
        }
    }
}

/// The API as a service that every connection shares.
#[derive(Clone)]
pub(crate) struct Desk(pub(crate) Arc<Api>);

impl Service<Request<RequestBody>> for Desk {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<RequestBody>) -> Self::Future {
        let api = Arc::clone(&self.0);
        Box::pin(async move { Ok(api.answer(request).await) })
    }
}

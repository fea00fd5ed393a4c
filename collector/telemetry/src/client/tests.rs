//! The client against the collector's own door.

use std::future::Future;
use std::net::SocketAddr;

use resus_receive::{
    Answer, Handler, Incoming, Limits, ListenerConfig, Protocols, Server, TlsConfig,
};
use rustls::RootCertStore;

use super::*;

struct Open;

impl Handler for Open {
    fn handle(&self, incoming: Incoming) -> impl Future<Output = Answer> + Send {
        assert_eq!(incoming.body, "");
        std::future::ready(Answer::Accepted)
    }
}

fn door(tls: Option<TlsConfig>) -> SocketAddr {
    let config = ListenerConfig {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        protocols: Protocols { grpc: false, http: true },
        tls,
        tokens: Vec::new(),
        allow_plain_beyond_loopback: false,
    };
    let server = Server::bind(vec![config], &Limits::STANDARD, Open).expect("binds");
    let address = server.local_addresses()[0];
    tokio::spawn(server.run(std::future::pending()));
    address
}

async fn post(client: &Client, url: String) -> Result<u16, String> {
    let request = Request::post(url)
        .header(CONTENT_TYPE, "application/x-protobuf")
        .body(Bytes::new())
        .expect("a request");
    let answer = client.send_bytes(request).await;
    answer.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn https_is_spoken_with_those_whose_root_is_known() {
    let papers = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("papers");
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    std::fs::write(&certificate, papers.cert.pem()).expect("writes");
    std::fs::write(&key, papers.signing_key.serialize_pem()).expect("writes");
    let address = door(Some(TlsConfig { certificate, key, client_ca: None }));
    let url = |host: &str| format!("https://{host}:{}/v1/traces", address.port());

    let mut roots = RootCertStore::empty();
    roots.add(papers.cert.der().clone()).expect("a root");
    let client = Client::new(HeaderMap::new(), Some(tls(roots)));
    assert_eq!(post(&client, url("localhost")).await, Ok(200));
    let error = post(&client, url("127.0.0.1")).await.expect_err("refused");
    assert!(error.starts_with("no TLS: ") && error.contains("name"), "{error}");

    let stranger = Client::new(HeaderMap::new(), Some(tls(RootCertStore::empty())));
    let error = post(&stranger, url("localhost")).await.expect_err("refused");
    assert!(error.starts_with("no TLS: ") && error.contains("UnknownIssuer"), "{error}");
    assert_eq!(*stranger.fault().lock().expect("not poisoned"), Some(error));
}

#[tokio::test]
async fn an_answer_that_says_no_is_an_answer_and_a_fault() {
    let client = Client::new(HeaderMap::new(), None);
    let address = door(None);
    assert_eq!(post(&client, format!("http://{address}/v1/traces")).await, Ok(200));
    assert_eq!(*client.fault().lock().expect("not poisoned"), None);
    assert_eq!(post(&client, format!("http://{address}/elsewhere")).await, Ok(404));
    assert_eq!(
        client.fault().lock().expect("not poisoned").take().expect("a fault"),
        "answered 404 Not Found"
    );
}

#[test]
fn header_fields_of_the_environment_do_not_go_out() {
    let headers = HeaderMap::from_iter([(http::header::USER_AGENT, HeaderValue::from_static("x"))]);
    let client = Client::new(headers, None);
    let given = Request::post("http://[::1]:4318/a/v1/traces")
        .header(CONTENT_TYPE, "application/x-protobuf")
        .header("user-agent", "exporter")
        .header("authorization", "from the environment")
        .body(Bytes::new())
        .expect("a request");
    let out = client.address(&given.uri().clone(), given);
    assert_eq!(out.uri(), "/a/v1/traces");
    let mut sent: Vec<_> =
        out.headers().iter().map(|(n, v)| (n.as_str(), v.to_str().expect("text"))).collect();
    sent.sort_unstable();
    let expected =
        [("content-type", "application/x-protobuf"), ("host", "[::1]:4318"), ("user-agent", "x")];
    assert_eq!(sent, expected);
}

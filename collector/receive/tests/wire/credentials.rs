//! Tokens and certificates are asked for everywhere, and mistakes are told before anything is opened.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::Method;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use resus_receive::{
    Answer, BindMistake, ClosedFor, Encoding, Handler, Incoming, Limits, ListenerConfig, Outcome,
    Protocols, Secret, Server, TlsConfig, TlsError,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::client::{Call, Way, path, read_to_close};
use crate::door::{Door, config, open, with_tls, with_token};

fn accepting(config: ListenerConfig) -> Door {
    Door::new(vec![config], &Limits::STANDARD, |_| Box::pin(async { Answer::Accepted }))
}

#[tokio::test]
async fn every_endpoint_asks_for_a_token() {
    let mut config = with_token("first-token");
    config.tokens.push(Secret::new("second".to_owned()));
    let door = accepting(config);
    for way in Way::ALL {
        let mut paths: Vec<String> =
            resus_receive::Signal::ALL.into_iter().map(|signal| path(way, signal)).collect();
        paths.push("/nowhere".to_owned());
        for path in paths {
            let call = Call::spans(way, b"spans").path(&path);
            for bad in ["", "Bearer", "Bearer wrong", "Bearer first-toke", "Basic Zmlyc3QtdG9rZW4="]
            {
                let reply = call.clone().header("authorization", bad).send(door.address()).await;
                let verdict = reply.verdict(way, None);
                let status = if way == Way::Grpc { 200 } else { 401 };
                assert_eq!((verdict.status, verdict.code), (status, 16), "{way:?} {path} {bad:?}");
                let challenge = reply.header("www-authenticate");
                assert_eq!(challenge, (way != Way::Grpc).then_some("Bearer"));
            }
            let verdict = call.verdict(door.address()).await;
            assert_eq!(verdict.code, 16, "{way:?} {path} without any");
        }
        let reply = Call::spans(way, b"").method(Method::GET).send(door.address()).await;
        assert_eq!(reply.verdict(way, None).code, 16, "{way:?}");
        for good in ["Bearer first-token", "bearer second"] {
            let call = Call::spans(way, b"spans").header("authorization", good);
            assert_eq!(call.verdict(door.address()).await.code, 0, "{way:?} {good}");
        }
    }
    assert_eq!(door.seen().len(), 10);
    assert_eq!(door.counted(Outcome::Unauthenticated), 5 * (4 * 6 + 1));
}

#[tokio::test]
async fn a_stranger_is_refused_before_its_body_is_read() {
    let door = accepting(with_token("token"));
    let mut stream = TcpStream::connect(door.address()).await.expect("connects");
    let head = "POST /v1/traces HTTP/1.1\r\nhost: door\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("writes");
    let answer = read_to_close(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert_eq!(door.meter.read().in_flight_bytes, 0);
    let mut call = Call::spans(Way::Grpc, b"");
    call.body = vec![0; 3_000_000].into();
    assert_eq!(call.verdict(door.address()).await.code, 16);
}

/// Certificates on disk: an authority, a server's, a client's, and a client's that nobody vouches for.
struct Papers {
    folder: TempDir,
}

impl Papers {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = |params: &CertificateParams| {
            let key = KeyPair::generate().expect("a key");
            CertifiedIssuer::self_signed(params.clone(), key).expect("an authority")
        };
        let (ours, theirs) = (authority(&params), authority(&params));
        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).expect("writes");
        };
        write("ca.pem", ours.pem());
        for (name, issuer, subject) in [
            ("server", &ours, "localhost"),
            ("client", &ours, "shop.example"),
            ("stranger", &theirs, "shop.example"),
        ] {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(vec![subject.to_owned()]).expect("a name");
            let certificate = params.signed_by(&key, issuer).expect("a certificate");
            write(&format!("{name}.pem"), certificate.pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn server(&self, asks_clients: bool) -> TlsConfig {
        TlsConfig {
            certificate: self.path("server.pem"),
            key: self.path("server.key"),
            client_ca: asks_clients.then(|| self.path("ca.pem")),
        }
    }

    fn connector(&self, client: Option<&str>, alpn: &[&str]) -> TlsConnector {
        let read = |path: &Path| CertificateDer::from_pem_file(path).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(read(&self.path("ca.pem"))).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match client {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let chain = vec![read(&self.path(&format!("{name}.pem")))];
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key")));
                builder.with_client_auth_cert(chain, key.expect("a key")).expect("a pair")
            }
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }

    /// The code of the answer to a call, or `None` if the connection did not come about.
    async fn call(
        &self,
        door: &Door,
        client: Option<&str>,
        way: Way,
        alpn: &[&str],
    ) -> Option<u64> {
        let stream = TcpStream::connect(door.address()).await.expect("connects");
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = self.connector(client, alpn).connect(name, stream).await.ok()?;
        let reply = Call::spans(way, b"spans").try_over(stream).await.ok()?;
        Some(reply.verdict(way, Some(resus_receive::Signal::Traces)).code)
    }
}

#[tokio::test]
async fn tls_carries_every_transport_with_and_without_alpn() {
    let papers = Papers::new();
    let door = accepting(with_tls(papers.server(false)));
    for way in Way::ALL {
        let alpn = if matches!(way, Way::Http1(_)) { "http/1.1" } else { "h2" };
        assert_eq!(papers.call(&door, None, way, &[alpn]).await, Some(0), "{way:?}");
        assert_eq!(papers.call(&door, None, way, &[]).await, Some(0), "{way:?}");
    }
    assert!(door.seen().iter().all(|seen| seen.peer.identity.is_none()));
    let plain = Call::spans(Way::Http1(Encoding::Json), b"spans");
    let stream = TcpStream::connect(door.address()).await.expect("connects");
    assert!(plain.try_over(stream).await.is_err(), "plain text is not served at a port for TLS");
    door.until("counted", |door| door.closed(ClosedFor::Handshake) == 1).await;
}

#[tokio::test]
async fn a_client_certificate_is_required_and_names_the_peer() {
    let papers = Papers::new();
    let door = accepting(with_tls(papers.server(true)));
    for way in Way::ALL {
        assert_eq!(papers.call(&door, None, way, &[]).await, None, "{way:?}");
        assert_eq!(papers.call(&door, Some("stranger"), way, &[]).await, None, "{way:?}");
        assert_eq!(papers.call(&door, Some("client"), way, &[]).await, Some(0), "{way:?}");
        let identity = door.seen().pop().expect("handed over").peer.identity.expect("a client");
        assert_eq!(identity.names, ["shop.example"]);
    }
    assert_eq!(door.seen().len(), 5);
}

#[tokio::test]
async fn all_mistakes_are_told_at_once() {
    let papers = Papers::new();
    let taken = open();
    let beyond: SocketAddr = "0.0.0.0:0".parse().expect("an address");
    let tls = |certificate: &str, key: &str, client_ca: Option<&str>| {
        let client_ca = client_ca.map(|name| papers.path(name));
        with_tls(TlsConfig {
            certificate: papers.path(certificate),
            key: papers.path(key),
            client_ca,
        })
    };
    let configs = vec![
        ListenerConfig { address: beyond, ..config() },
        ListenerConfig { address: "[::]:0".parse().expect("an address"), ..config() },
        ListenerConfig { protocols: Protocols { grpc: false, http: false }, ..config() },
        with_token("not a token"),
        ListenerConfig { address: taken.address(), ..config() },
        tls("absent.pem", "server.key", None),
        tls("server.key", "server.key", None),
        tls("server.pem", "server.pem", None),
        tls("server.pem", "client.key", None),
        tls("server.pem", "server.key", Some("server.key")),
    ];
    let limits = Limits { max_body: 0, max_header_list: 1, ..Limits::STANDARD };
    let Err(found) = Server::bind(configs, &limits, Never) else { panic!("bound") };
    let text = found.to_string();
    assert_eq!(found.mistakes.len(), 12, "{text}");
    for part in [
        "limit max_body is zero",
        "limit max_header_list is 1",
        "listener 0.0.0.0:0 would speak plain text beyond this machine",
        "listener [::]:0 would speak plain text",
        "speaks neither gRPC nor HTTP",
        "token 1 of listener 127.0.0.1:0",
        &format!("listen at {}", taken.address()),
        "absent.pem",
        "server.key holds no certificate",
        "expected a private key",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains("not a token"), "secrets do not show");
    let pair = found
        .mistakes
        .iter()
        .filter(|mistake| matches!(mistake, BindMistake::Tls { error: TlsError::Pair { .. }, .. }));
    assert_eq!(pair.count(), 1, "{text}");
}

/// A handler for a server that is never bound.
struct Never;

impl Handler for Never {
    async fn handle(&self, _: Incoming) -> Answer {
        Answer::Internal
    }
}

#[tokio::test]
async fn plain_text_beyond_loopback_can_be_allowed() {
    let door = accepting(ListenerConfig {
        address: "0.0.0.0:0".parse().expect("an address"),
        allow_plain_beyond_loopback: true,
        ..config()
    });
    let address = SocketAddr::from(([127, 0, 0, 1], door.address().port()));
    assert_eq!(Call::spans(Way::Grpc, b"").verdict(address).await.code, 0);
}

//! https, and whom to trust.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use resus_forward::{ForwardError, ForwardOptions, Forwarder, TlsError};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use crate::endpoint::{Endpoint, Reply};
use crate::queue::{Queue, Running, forward, options};

/// An authority, its certificate in a file, and an endpoint with a certificate signed by it.
struct Papers {
    folder: TempDir,
    acceptor: TlsAcceptor,
}

impl Papers {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("writes");

        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .expect("a pair");
        Self { folder, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn endpoint(&self) -> Endpoint {
        Endpoint::open(Some(self.acceptor.clone()), |_, _| Reply::status(200)).await
    }
}

fn over_tls(endpoint: &Endpoint, host: &str, ca: PathBuf) -> ForwardOptions {
    let url = format!("https://{host}:{}", endpoint.address.port());
    ForwardOptions { ca: Some(ca), ..options(&url) }
}

#[tokio::test]
async fn an_endpoint_whose_authority_is_trusted_gets_the_requests() {
    let papers = Papers::new();
    let endpoint = papers.endpoint().await;
    let options = over_tls(&endpoint, "localhost", papers.file("ca.pem"));
    let stats = forward(&options, &Queue::numbered(20), 20).await;
    assert_eq!((stats.sent, stats.retried), (20, 0));
    assert_eq!(endpoint.received().len(), 20);
}

#[tokio::test]
async fn a_stranger_gets_nothing() {
    let (papers, others) = (Papers::new(), Papers::new());
    let endpoint = papers.endpoint().await;
    for options in [
        over_tls(&endpoint, "localhost", others.file("ca.pem")),
        over_tls(&endpoint, "127.0.0.1", papers.file("ca.pem")),
    ] {
        let queue = Queue::numbered(1);
        let running = Running::new(&options, &queue);
        while running.meter.read().retried < 2 {
            tokio::task::yield_now().await;
        }
        let stats = running.stop().await;
        let message = stats.last_failure.expect("a failure").message;
        assert!(
            message.starts_with("forward a request: no TLS: invalid peer certificate"),
            "{message}"
        );
        assert_eq!((stats.sent, queue.done()), (0, 0));
    }
    assert!(endpoint.received().is_empty());
}

#[test]
fn a_file_without_certificates_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("writes");
        path
    };
    let fault = |path: PathBuf| {
        let options = ForwardOptions { ca: Some(path), ..options("https://localhost") };
        match Forwarder::new(&options, Queue::numbered(0)) {
            Err(ForwardError::Tls(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let missing = fault(folder.path().join("missing.pem"));
    assert!(
        matches!(missing, TlsError::File { .. }) && missing.to_string().contains("missing.pem")
    );
    assert!(matches!(fault(write("empty.pem", "")), TlsError::NoCertificate(_)));
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(fault(write("bad.pem", nonsense)), TlsError::Certificate { .. }));
}

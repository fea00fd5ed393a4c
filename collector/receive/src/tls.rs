//! Certificates: ours from files, and what a client's says about its holder.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsConfig;

/// Why certificates or keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("read {}: {error}; expected {expected} in PEM form", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        expected: &'static str,
        /// What is wrong with it.
        error: pem::Error,
    },
    /// A file holds no certificate.
    #[error("{} holds no certificate; expected at least one in PEM form", .0.display())]
    NoCertificate(PathBuf),
    /// The certificate cannot be used, or the key is not its own.
    #[error("use certificate {} with key {}: {error}", certificate.display(), key.display())]
    Pair {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
        /// What is wrong.
        error: rustls::Error,
    },
    /// The authority for client certificates cannot be used.
    #[error("trust the certificates in {}: {error}", path.display())]
    ClientCa {
        /// File of the authority.
        path: PathBuf,
        /// What is wrong.
        error: ClientCaError,
    },
}

/// Why an authority for client certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientCaError {
    /// A certificate of it is malformed.
    #[error(transparent)]
    Certificate(rustls::Error),
    /// No verifier can be built upon it.
    #[error(transparent)]
    Verifier(VerifierBuilderError),
}

/// Whom a client's certificate, checked against the listener's authority, names.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// DNS names and URIs (SPIFFE ids among them) of the certificate's subject alternative names, in
    /// its order, DNS names first. The common name is not among them.
    pub names: Vec<String>,
    /// The certificate, DER.
    pub certificate: CertificateDer<'static>,
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity").field("names", &self.names).finish_non_exhaustive()
    }
}

/// Reads the files and makes ready for handshakes.
pub(crate) fn acceptor(config: &TlsConfig) -> Result<TlsAcceptor, TlsError> {
    let chain = certificates(&config.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(|error| TlsError::File {
        path: config.key.clone(),
        expected: "a private key",
        error,
    })?;
    let pair = |error| TlsError::Pair {
        certificate: config.certificate.clone(),
        key: config.key.clone(),
        error,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(pair)?;
    let builder = match &config.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let fault = |error| TlsError::ClientCa { path: path.clone(), error };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|e| fault(ClientCaError::Certificate(e)))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|e| fault(ClientCaError::Verifier(e)))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut server = builder.with_single_cert(chain, key).map_err(pair)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(server)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fault = |error| TlsError::File { path: path.to_owned(), expected: "certificates", error };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(fault)?.collect();
    let found = found.map_err(fault)?;
    if found.is_empty() { Err(TlsError::NoCertificate(path.to_owned())) } else { Ok(found) }
}

/// Whom the client's certificate names, if it was asked for one.
pub(crate) fn identity(connection: &ServerConnection) -> Option<Arc<ClientIdentity>> {
    let certificate = connection.peer_certificates()?.first()?.clone().into_owned();
    let names = match webpki::EndEntityCert::try_from(&certificate) {
        Ok(parsed) => {
            parsed.valid_dns_names().chain(parsed.valid_uri_names()).map(str::to_owned).collect()
        }
        Err(_) => Vec::new(),
    };
    Some(Arc::new(ClientIdentity { names, certificate }))
}

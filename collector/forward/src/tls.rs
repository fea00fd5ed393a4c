//! Whom to trust.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};

/// Why an endpoint's certificate could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("read {}: {error}; expected certificates in PEM form", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: pem::Error,
    },
    /// A file holds no certificate.
    #[error("{} holds no certificate; expected at least one in PEM form", .0.display())]
    NoCertificate(PathBuf),
    /// A certificate is malformed.
    #[error("trust the certificates in {}: {error}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: rustls::Error,
    },
    /// The system has no roots.
    #[error(
        "find the system's root certificates for an https endpoint: none can be read{why}; install \
         them, or name a PEM file"
    )]
    System {
        /// What went wrong on the way, if anything.
        why: String,
    },
}

/// Trusts the certificates in a file and no others, or those of the system.
pub(crate) fn config(ca: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = match ca {
        Some(path) => from_file(path)?,
        None => of_the_system()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has what TLS 1.2 and 1.3 need")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn from_file(path: &Path) -> Result<RootCertStore, TlsError> {
    let fault = |error| TlsError::File { path: path.to_owned(), error };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(fault)? {
        let added = roots.add(certificate.map_err(fault)?);
        added.map_err(|error| TlsError::Certificate { path: path.to_owned(), error })?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    Ok(roots)
}

fn of_the_system() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
        return Err(TlsError::System { why });
    }
    Ok(roots)
}

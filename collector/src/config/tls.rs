//! TLS of a listener.

use std::path::PathBuf;

use super::keys::{Keys, Section};
use super::optional::OptionalPath;

/// Files in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    /// The certificate chain that is shown, the listener's own first.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
    /// Certificates by which a client's must be signed. `None`: no client is asked for one.
    pub(crate) client_ca: Option<PathBuf>,
}

/// The section of TLS inside that of a listener; `None` is plain text.
pub(super) struct TlsOf<'a>(pub(super) &'a mut Option<Tls>);

impl Section for TlsOf<'_> {
    fn keys(&mut self, keys: &mut dyn Keys) {
        let (mut certificate, mut key, mut client_ca) = match self.0.take() {
            Some(Tls { certificate, key, client_ca }) => (Some(certificate), Some(key), client_ca),
            None => (None, None, None),
        };
        keys.key("certificate", &mut OptionalPath(&mut certificate));
        keys.key("key", &mut OptionalPath(&mut key));
        keys.key("client_ca", &mut OptionalPath(&mut client_ca));

        let (one, other) = (("certificate", certificate.is_some()), ("key", key.is_some()));
        keys.needs(one, &[other]);
        keys.needs(other, &[one]);
        keys.needs(("client_ca", client_ca.is_some()), &[one, other]);

        *self.0 = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(Tls { certificate, key, client_ca }),
            _ => None,
        };
    }
}

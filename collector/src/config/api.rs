//! `[api]`: where the program answers questions.

use super::address::Listen;
use super::keys::{Keys, Section};
use super::secret::{Secret, Tokens};
use super::tls::{Tls, TlsOf};
use super::value::{Address, Flag};

/// The listener of the JSON API, of health and of `/metrics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Api {
    /// Where it listens.
    pub(crate) listen: Listen,
    /// Who asks must show one of these bearer tokens. Empty: nobody is asked.
    pub(crate) tokens: Vec<Secret>,
    /// True: listen in plain text even where other machines reach it.
    pub(crate) allow_plain_beyond_loopback: bool,
    /// TLS. `None`: plain text.
    pub(crate) tls: Option<Tls>,
}

impl Api {
    pub(super) const fn standard() -> Self {
        Self {
            listen: Listen::loopback(4320),
            tokens: Vec::new(),
            allow_plain_beyond_loopback: false,
            tls: None,
        }
    }
}

impl Section for Api {
    fn keys(&mut self, keys: &mut dyn Keys) {
        let Self { listen, tokens, allow_plain_beyond_loopback, tls } = self;
        keys.key("listen", &mut Address(listen));
        keys.key("tokens", &mut Tokens(tokens));
        keys.key("allow_plain_beyond_loopback", &mut Flag(allow_plain_beyond_loopback));
        keys.part("tls", &mut TlsOf(tls));
    }
}

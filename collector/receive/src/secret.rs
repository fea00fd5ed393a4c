//! Tokens that open the door, and their comparison.

use std::fmt;

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use subtle::{Choice, ConstantTimeEq};

/// A bearer token. Shows itself nowhere: its `Debug` is `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret with this text.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// Says whether a client can send it as a bearer token (RFC 6750, `b64token`).
    pub(crate) fn is_token(&self) -> bool {
        let body = self.0.trim_end_matches('=');
        !body.is_empty()
            && body.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Says whether a request carries one of the tokens; every request does if there are none.
///
/// All tokens are compared, each in constant time. What a patient client may learn is their lengths.
pub(crate) fn authorised(tokens: &[Secret], headers: &HeaderMap) -> bool {
    if tokens.is_empty() {
        return true;
    }
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return false };
    let Some((scheme, token)) = value.as_bytes().split_at_checked(7) else { return false };
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return false;
    }
    let token = token.trim_ascii();
    tokens
        .iter()
        .fold(Choice::from(0), |found, secret| found | secret.0.as_bytes().ct_eq(token))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().expect("a header"));
        }
        headers
    }

    #[test]
    fn only_one_of_the_tokens_opens() {
        let tokens = [Secret::new("first".into()), Secret::new("second".into())];
        for good in ["Bearer first", "bearer second", "BEARER  first "] {
            assert!(authorised(&tokens, &with(&[good])), "{good}");
        }
        for bad in ["", "first", "Bearer", "Bearer ", "Bearer firs", "Bearer first2", "Basic first"]
        {
            assert!(!authorised(&tokens, &with(&[bad])), "{bad}");
        }
        assert!(!authorised(&tokens, &with(&[])));
        assert!(!authorised(&tokens, &with(&["Bearer first", "Bearer second"])));
        assert!(authorised(&[], &with(&[])));
    }

    #[test]
    fn a_secret_does_not_show() {
        assert_eq!(format!("{:?}", Secret::new("canary".into())), "***");
        assert_eq!(format!("{:#?}", [Secret::new("canary".into())]), "[\n    ***,\n]");
    }

    #[test]
    fn what_no_client_can_send_is_no_token() {
        assert!(Secret::new("aZ09-._~+/==".into()).is_token());
        for bad in ["", "=", "a b", "a\n", "ä", "a=b"] {
            assert!(!Secret::new(bad.into()).is_token(), "{bad:?}");
        }
    }
}

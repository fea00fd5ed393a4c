//! Which attribute says what about a span or its resource, under all the names it ever had.
//!
//! Semantic conventions rename attributes; dumps live on. Each [`Role`] has a list of keys, best
//! first: new names before the ones they replaced. A reader that meets several keys of one role
//! keeps the value of smallest [`Key::rank`], so the order of attributes in a dump never matters.
//! Every decoder uses this table and none has a list of its own.

/// What an attribute tells, named after the field of [`crate::SpanRow`] that it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The service.
    Service,
    /// The namespace of the service.
    Namespace,
    /// The instance of the service, or the pod or container that stands for it.
    Instance,
    /// The version of the service.
    Version,
    /// The host or node.
    Host,
    /// The HTTP response status code.
    HttpStatus,
    /// The gRPC status, a number or a name: see [`grpc_code`].
    RpcStatus,
    /// The class of error.
    ErrorType,
    /// Who was called.
    Peer,
}

/// Where an attribute stands: on the resource (who sends) or on the span (what was done).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Resource attributes.
    Resource,
    /// Span attributes.
    Span,
}

/// A known attribute key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What it tells.
    pub role: Role,
    /// Where it stands.
    pub place: Place,
    /// 0 for the best key of its role; a smaller rank wins.
    pub rank: u8,
}

impl Role {
    /// How many roles there are: a reader may keep one slot a role.
    pub const COUNT: usize = 9;

    /// Its number, an index below [`Role::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// The name of an event (or of the event of a log record) that records an exception.
pub const EXCEPTION_EVENT: &str = "exception";

/// The attributes of an event that tell its level, as loggers that write span events name them.
pub const EVENT_LEVELS: [&str; 3] = ["level", "log.severity", "severity_text"];

/// True for the text of a level of ERROR or above: `error`, `ERROR2`, `FATAL`, `CRITICAL`.
#[must_use]
pub fn is_error_level(text: &str) -> bool {
    // OpenTelemetry's severity texts may carry a number: ERROR2 to ERROR4, FATAL2 to FATAL4.
    let bare = text.trim().trim_end_matches(|c: char| c.is_ascii_digit());
    ["error", "fatal", "critical"].iter().any(|level| bare.eq_ignore_ascii_case(level))
}

/// The known attribute key of a text, if it is one.
///
/// Names and their order are those of the OpenTelemetry semantic conventions 1.44 and of what they
/// replaced (`peer.service`, `http.status_code`, `rpc.grpc.status_code`, ...).
#[must_use]
pub fn key(text: &str) -> Option<Key> {
    use Place::{Resource, Span};
    let (role, place, rank) = match text {
        "service.name" => (Role::Service, Resource, 0),
        "service.namespace" => (Role::Namespace, Resource, 0),
        "service.instance.id" => (Role::Instance, Resource, 0),
        "k8s.pod.name" => (Role::Instance, Resource, 1),
        "container.id" => (Role::Instance, Resource, 2),
        "service.version" => (Role::Version, Resource, 0),
        "host.name" => (Role::Host, Resource, 0),
        "k8s.node.name" => (Role::Host, Resource, 1),
        "http.response.status_code" => (Role::HttpStatus, Span, 0),
        "http.status_code" => (Role::HttpStatus, Span, 1),
        "rpc.response.status_code" => (Role::RpcStatus, Span, 0),
        "rpc.status_code" => (Role::RpcStatus, Span, 1),
        "rpc.grpc.status_code" => (Role::RpcStatus, Span, 2),
        "error.type" => (Role::ErrorType, Span, 0),
        "service.peer.name" => (Role::Peer, Span, 0),
        "peer.service" => (Role::Peer, Span, 1),
        "server.address" => (Role::Peer, Span, 2),
        "net.peer.name" => (Role::Peer, Span, 3),
        "db.namespace" => (Role::Peer, Span, 4),
        "db.name" => (Role::Peer, Span, 5),
        "db.system.name" => (Role::Peer, Span, 6),
        "db.system" => (Role::Peer, Span, 7),
        "messaging.destination.name" => (Role::Peer, Span, 8),
        "messaging.destination" => (Role::Peer, Span, 9),
        _ => return None,
    };
    Some(Key { role, place, rank })
}

/// The gRPC status code of its number as text (`14`) or its name in any case (`UNAVAILABLE`,
/// `Unavailable`, `DeadlineExceeded`); `None` for another system's code.
///
/// Numbers and names are those of gRPC's `status.proto`, 0 to 16.
#[must_use]
pub fn grpc_code(text: &str) -> Option<u8> {
    let text = text.trim();
    if let Ok(n) = text.parse::<u8>() {
        return (n <= 16).then_some(n);
    }
    // Names are compared without case and underscores: Go writes `DeadlineExceeded`.
    let bare: String = text.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect();
    Some(match bare.as_str() {
        "ok" => 0,
        "cancelled" | "canceled" => 1,
        "unknown" => 2,
        "invalidargument" => 3,
        "deadlineexceeded" => 4,
        "notfound" => 5,
        "alreadyexists" => 6,
        "permissiondenied" => 7,
        "resourceexhausted" => 8,
        "failedprecondition" => 9,
        "aborted" => 10,
        "outofrange" => 11,
        "unimplemented" => 12,
        "internal" => 13,
        "unavailable" => 14,
        "dataloss" => 15,
        "unauthenticated" => 16,
        _ => return None,
    })
}

/// The HTTP status code of its digits; `None` where it is none (100 to 599 are).
#[must_use]
pub fn http_code(text: &str) -> Option<u16> {
    text.trim().parse().ok().filter(|n| (100..600).contains(n))
}

/// Attributes of entry spans that are counted by value, ascending: a tenant, a role, a route, a
/// variant can decide whether a request fails.
///
/// A short list of keys with few values. Left out on purpose: whoever has a value of its own for
/// nearly every request (`user.id`, `session.id`, `url.full`, `client.address`), since such a value
/// names no group of requests, costs a row each, and is often personal data. A change of the list
/// changes [`crate::Rules::fingerprint`]: what was counted under another list does not merge.
pub const ENTRY_ATTRIBUTES: [&str; 9] = [
    "customer.id",
    "enduser.role",
    "feature_flag.result.variant",
    "graphql.operation.name",
    "http.route",
    "organization.id",
    "tenant",
    "tenant.id",
    "tenant_id",
];

/// Bytes up to which the value of an entry attribute is kept; a longer one is as if it were not
/// there. What names a group of requests is short.
pub const ENTRY_ATTRIBUTE_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_names_win_over_the_ones_they_replaced() {
        for (new, old) in [
            ("http.response.status_code", "http.status_code"),
            ("rpc.response.status_code", "rpc.status_code"),
            ("rpc.status_code", "rpc.grpc.status_code"),
            ("service.peer.name", "peer.service"),
            ("peer.service", "server.address"),
            ("server.address", "net.peer.name"),
            ("db.namespace", "db.name"),
            ("db.system.name", "db.system"),
            ("messaging.destination.name", "messaging.destination"),
            ("service.instance.id", "k8s.pod.name"),
            ("k8s.pod.name", "container.id"),
            ("host.name", "k8s.node.name"),
        ] {
            let (new, old) = (key(new).expect(new), key(old).expect(old));
            assert_eq!((new.role, new.place), (old.role, old.place));
            assert!(new.rank < old.rank, "{new:?} before {old:?}");
        }
        assert_eq!(key("service.names"), None);
        assert_eq!(key(""), None);
    }

    #[test]
    fn levels_of_error_and_above_are_errors() {
        for text in ["error", "ERROR", "Error", " ERROR3 ", "FATAL", "critical"] {
            assert!(is_error_level(text), "{text}");
        }
        for text in ["warn", "info", "errors", "", "9", "not an error"] {
            assert!(!is_error_level(text), "{text}");
        }
    }

    #[test]
    fn roles_number_the_slots_of_a_reader() {
        assert_eq!(Role::Service.index(), 0);
        assert_eq!(Role::Peer.index(), Role::COUNT - 1);
    }

    #[test]
    fn codes_are_read_as_numbers_and_names() {
        for (text, code) in [
            ("14", Some(14)),
            (" 0 ", Some(0)),
            ("17", None),
            ("-1", None),
            ("UNAVAILABLE", Some(14)),
            ("DeadlineExceeded", Some(4)),
            ("DEADLINE_EXCEEDED", Some(4)),
            ("CANCELED", Some(1)),
            ("java.io.IOException", None),
            ("", None),
        ] {
            assert_eq!(grpc_code(text), code, "{text}");
        }
        assert_eq!(http_code("503"), Some(503));
        assert_eq!(http_code("0"), None);
        assert_eq!(http_code("OK"), None);
    }
}

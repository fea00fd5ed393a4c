//! Who sends: what a resource says of the spans below it.

use resus_model::attributes::Role;
use resus_model::{Name, SpanBatch};

use crate::tally::{Lenient, Tally};

/// The service of a resource that names none, as SDKs write it.
pub(crate) const UNKNOWN_SERVICE: &str = "unknown_service";

/// The operation of a span without a name. OTLP says of `Span.name` that an empty value is equivalent
/// to an unknown span name, and to protobuf a missing value is an empty one: such a span is good for
/// all but its name, so it is kept.
pub(crate) const UNKNOWN_OPERATION: &str = "unknown";

/// What a resource says about who sends.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sender {
    pub(crate) service: Name,
    pub(crate) namespace: Name,
    pub(crate) instance: Name,
    pub(crate) version: Name,
    pub(crate) host: Name,
}

impl Sender {
    /// Where the name of a role is kept; `None` for a role of spans.
    pub(crate) const fn name_mut(&mut self, role: Role) -> Option<&mut Name> {
        Some(match role {
            Role::Service => &mut self.service,
            Role::Namespace => &mut self.namespace,
            Role::Instance => &mut self.instance,
            Role::Version => &mut self.version,
            Role::Host => &mut self.host,
            Role::HttpStatus | Role::RpcStatus | Role::ErrorType | Role::Peer => return None,
        })
    }

    /// Fills the columns of all rows from `first` on.
    pub(crate) fn fill(self, batch: &mut SpanBatch, first: usize, tally: &mut Tally) {
        let Self { mut service, namespace, instance, version, host } = self;
        let rows = first..batch.len();
        if rows.is_empty() {
            return;
        }
        if service.is_none() {
            service = batch.names.intern(UNKNOWN_SERVICE);
            tally.lenient_many(Lenient::NoServiceName, rows.len() as u64);
        }
        batch.service[rows.clone()].fill(service);
        batch.namespace[rows.clone()].fill(namespace);
        batch.instance[rows.clone()].fill(instance);
        batch.version[rows.clone()].fill(version);
        batch.host[rows].fill(host);
    }
}

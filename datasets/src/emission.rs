//! From runs of operations to spans as an SDK would write them, and what happens to those on the
//! way.
//!
//! Statuses follow the semantic conventions: a server leaves its status unset unless it failed, a
//! failed call has status ERROR on the client's and on the server's side, `error.type` is the
//! exception where it arose and the code elsewhere.

use std::collections::VecDeque;

use resus_model::{Interner, Kind, Name, SpanBatch, SpanId, SpanRow, Status};

use crate::{
    random::{Purpose, Stream},
    requests::{Failure, Frame, NOBODY, Request},
    scenario::{Collection, Deploy, Effect, Scenario},
    topology::{Protocol, Service, ServiceId, Topology},
};

/// Flags of a span whose parent is in the same process or that has none: W3C sampled and random
/// trace id, parent's remoteness known.
const LOCAL: u32 = 0x103;
/// Flags of a span whose parent is in another process.
const REMOTE: u32 = 0x303;

/// Makes rows and collects them into batches.
#[derive(Debug, Clone)]
pub(crate) struct Emitter {
    seed: u64,
    start_unix_nano: u64,
    collection: Collection,
    names: Interner,
    words: Words,
    namespace: Name,
    services: Vec<ServiceNames>,
    operations: Vec<Name>,
    /// Clock error of each host, nanoseconds, and its name.
    hosts: Vec<(Name, i64)>,
    tenants: Vec<String>,
    batch: SpanBatch,
    /// Spans to be sent once more, by the offset at which that happens.
    resends: VecDeque<(u64, SpanRow, Option<u32>)>,
    pub(crate) counts: Counts,
}

/// Spans written, lost, written twice.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) spans: u64,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
}

#[derive(Debug, Clone)]
struct ServiceNames {
    name: Name,
    version: Name,
    /// New versions: from which offset, on how many replicas, which.
    deploys: Vec<(u64, u32, Name)>,
    /// Identities of each replica, one a restart and one before.
    instances: Vec<Vec<Name>>,
}

/// Texts that stand in rows of every scenario.
#[derive(Debug, Clone, Copy)]
struct Words {
    internal_error: Name,
    unavailable: Name,
    http_500: Name,
    http_503: Name,
    refused: Name,
    deadline: Name,
    exhausted: Name,
    http_504: Name,
}

/// Exceptions of unrelated errors.
const NOISE: [&str; 4] =
    ["TimeoutException", "ConnectionResetException", "IllegalStateException", "NotFoundException"];

impl Emitter {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let topology = &scenario.topology;
        let mut names = Interner::new();
        let words = Words {
            internal_error: names.intern("INTERNAL"),
            unavailable: names.intern("UNAVAILABLE"),
            http_500: names.intern("500"),
            http_503: names.intern("503"),
            refused: names.intern("ConnectionRefusedException"),
            deadline: names.intern("DEADLINE_EXCEEDED"),
            exhausted: names.intern("RESOURCE_EXHAUSTED"),
            http_504: names.intern("504"),
        };
        let namespace = names.intern(topology.namespace());
        let services = topology.services().iter().map(|service| ServiceNames {
            name: names.intern(&service.name),
            version: names.intern(&service.version),
            deploys: Vec::new(),
            instances: vec![Vec::new(); service.replicas as usize],
        });
        let mut services: Vec<ServiceNames> = services.collect();
        for Deploy { service, replicas, version, at } in &scenario.deploys {
            let version = names.intern(version);
            services[service.index()].deploys.push((*at, *replicas, version));
        }
        let operations = topology.operations().iter().map(|o| names.intern(&o.name)).collect();
        let hosts = (0..topology.hosts()).map(|host| {
            let skew = scenario.collection.clock_skew_ns.min(1 << 60);
            let draw =
                Stream::new(scenario.seed, Purpose::Skew).child(host.into()).below(2 * skew + 1);
            (names.intern(&format!("node-{host:02}")), draw.cast_signed() - skew.cast_signed())
        });
        let hosts = hosts.collect();
        let mut emitter = Self {
            seed: scenario.seed,
            start_unix_nano: scenario.start_unix_nano,
            collection: scenario.collection,
            names,
            words,
            namespace,
            services,
            operations,
            hosts,
            tenants: (0..scenario.tenants)
                .map(|t| format!("{{\"tenant\":\"tenant-{t}\"}}"))
                .collect(),
            batch: SpanBatch::new(),
            resends: VecDeque::new(),
            counts: Counts::default(),
        };
        for (i, service) in topology.services().iter().enumerate() {
            for replica in 0..service.replicas {
                emitter.new_identity(i, service, replica);
            }
        }
        for Deploy { service, replicas, .. } in &scenario.deploys {
            for replica in 0..*replicas {
                emitter.new_identity(service.index(), topology.service(*service), replica);
            }
        }
        emitter
    }

    /// Gives a replica the identity that it will have after one restart more.
    pub(crate) fn new_identity(&mut self, index: usize, service: &Service, replica: u32) {
        let identities = &mut self.services[index].instances[replica as usize];
        let draws = Stream::new(self.seed, Purpose::Instance).child(index as u64);
        let suffix = draws.child(replica.into()).child(identities.len() as u64).below(1 << 20);
        // As a pod of a deployment: whoever is restarted comes back under another name.
        identities.push(self.names.intern(&format!("{}-{replica}-{suffix:05x}", service.name)));
    }

    /// The identity of a replica after so many restarts.
    pub(crate) fn instance(&self, service: ServiceId, replica: u32, generation: usize) -> Name {
        self.services[service.index()].instances[replica as usize][generation]
    }

    /// The version of a replica at an offset: of the latest deploy that it was part of.
    pub(crate) fn version(&self, service: ServiceId, replica: u32, now: u64) -> Name {
        let names = &self.services[service.index()];
        let deploys = names.deploys.iter().filter(|(at, n, _)| *at <= now && replica < *n);
        deploys.max_by_key(|(at, ..)| *at).map_or(names.version, |(.., version)| *version)
    }

    /// The exception of a caller that has waited in vain.
    pub(crate) const fn deadline(&self) -> Name {
        self.words.deadline
    }

    /// The exception of a service that takes no more calls.
    pub(crate) const fn exhausted(&self) -> Name {
        self.words.exhausted
    }

    pub(crate) fn intern(&mut self, text: &str) -> Name {
        self.names.intern(text)
    }

    /// The exceptions of faults, in their order; [`Name::NONE`] for those without.
    pub(crate) fn exceptions(&mut self, scenario: &Scenario) -> Vec<Name> {
        let names = scenario.faults.iter().map(|fault| match &fault.effect {
            Effect::Error { error_type }
            | Effect::MaskedError { error_type }
            | Effect::WrongValue { error_type } => self.names.intern(error_type),
            Effect::Delay { .. }
            | Effect::NetworkDelay { .. }
            | Effect::SlowDown { .. }
            | Effect::Leak { .. }
            | Effect::Hang { .. }
            | Effect::Refuses
            | Effect::EarlyReturn => Name::NONE,
        });
        names.collect()
    }

    /// The exceptions of noise.
    pub(crate) fn noise(&mut self) -> [Name; NOISE.len()] {
        NOISE.map(|text| self.names.intern(text))
    }

    /// The span of the operation itself: server, or internal where the call stayed in the service.
    /// `own` tells that a failure arose here.
    pub(crate) fn callee(
        &mut self,
        topology: &Topology,
        request: &Request,
        frame: u32,
        failure: Option<Failure>,
        own: bool,
        now: u64,
    ) {
        let run = &request.frames[frame as usize];
        let operation = topology.operation(run.operation);
        let protocol = if run.remote { operation.protocol } else { Protocol::Plain };
        let mut row = self.row(topology, request, run, run.started_at, now);
        row.span_id = run.span;
        row.operation = self.operations[run.operation.index()];
        if run.caller == NOBODY {
            row.kind = Kind::Server;
            row.flags = LOCAL;
        } else if run.remote {
            row.kind = Kind::Server;
            row.flags = REMOTE;
            row.parent_span_id = run.client_span;
        } else {
            row.kind = Kind::Internal;
            row.flags = LOCAL;
            row.parent_span_id = request.frames[run.caller as usize].span;
        }
        row.error_event_count = run.handled;
        self.codes(&mut row, protocol, failure);
        if let Some(Failure { exception, .. }) = failure {
            row.error_event_count += 1;
            if own && !exception.is_none() {
                row.error_type = exception;
            }
            // Across a process an exception arrives as a code; inside it passes through.
            let passes_through = protocol == Protocol::Plain;
            row.exception_event_count = u32::from(!exception.is_none() && (own || passes_through));
        }
        let tenant = (run.caller == NOBODY && !self.tenants.is_empty()).then_some(request.tenant);
        self.send(row, tenant, now);
    }

    /// The caller's client span of a call to another service.
    pub(crate) fn caller(
        &mut self,
        topology: &Topology,
        request: &Request,
        frame: u32,
        failure: Option<Failure>,
        now: u64,
    ) {
        let run = &request.frames[frame as usize];
        let calling = &request.frames[run.caller as usize];
        let operation = topology.operation(run.operation);
        let mut row = self.row(topology, request, calling, run.called_at, now);
        row.span_id = run.client_span;
        row.parent_span_id = calling.span;
        row.flags = LOCAL;
        row.kind = Kind::Client;
        row.operation = self.operations[run.operation.index()];
        row.peer = self.services[operation.service.index()].name;
        self.codes(&mut row, operation.protocol, failure);
        if !run.answered && operation.protocol == Protocol::Http {
            row.http_status = 0;
            row.error_type = self.words.refused;
        }
        self.send(row, None, now);
    }

    fn row(
        &self,
        topology: &Topology,
        request: &Request,
        run: &Frame,
        from: u64,
        now: u64,
    ) -> SpanRow {
        let service = topology.operation(run.operation).service;
        let names = &self.services[service.index()];
        let (host, skew) = self.hosts[(service.index() + run.replica as usize) % self.hosts.len()];
        SpanRow {
            trace_id: request.trace_id,
            parent_span_id: SpanId::NONE,
            trace_state: request.trace_state,
            service: names.name,
            namespace: self.namespace,
            instance: run.instance,
            version: run.version,
            host,
            status: Status::Unset,
            start_unix_nano: self.start_unix_nano.saturating_add(from).saturating_add_signed(skew),
            duration_ns: i64::try_from(now - from).unwrap_or(i64::MAX),
            ..SpanRow::new()
        }
    }

    /// Status, code and error type of a span of a call that ended so.
    fn codes(&self, row: &mut SpanRow, protocol: Protocol, failure: Option<Failure>) {
        let words = &self.words;
        let gone = failure.is_some_and(|f| f.exception.is_none());
        let failed = failure.is_some();
        let late = failure.is_some_and(|f| f.exception == words.deadline);
        let full = failure.is_some_and(|f| f.exception == words.exhausted);
        if failed {
            row.status = Status::Error;
        }
        match protocol {
            Protocol::Http => {
                (row.http_status, row.error_type) = match (failed, gone) {
                    (false, _) => (200, Name::NONE),
                    _ if late => (504, words.http_504),
                    _ if full => (503, words.http_503),
                    (true, false) => (500, words.http_500),
                    (true, true) => (503, words.http_503),
                };
            }
            Protocol::Grpc => {
                (row.rpc_status, row.error_type) = match (failed, gone) {
                    (false, _) => (0, Name::NONE),
                    _ if late => (4, words.deadline),
                    _ if full => (8, words.exhausted),
                    (true, false) => (13, words.internal_error),
                    (true, true) => (14, words.unavailable),
                };
            }
            Protocol::Plain => {
                row.error_type = match failure {
                    None => Name::NONE,
                    Some(_) if gone => words.refused,
                    Some(failure) => failure.exception,
                };
            }
        }
    }

    /// Hands a finished span to its exporter.
    fn send(&mut self, row: SpanRow, tenant: Option<u32>, now: u64) {
        self.resend(now);
        // The span's own number decides, so that spans beside it change nothing.
        let drawn = |purpose| Stream::new(self.seed, purpose).child(row.span_id.as_u64());
        if drawn(Purpose::Loss).chance(self.collection.lost) {
            self.counts.lost += 1;
            return;
        }
        if drawn(Purpose::Duplicate).chance(self.collection.duplicated) {
            self.resends.push_back((now.saturating_add(Collection::RESEND_NS), row, tenant));
        }
        self.push(&row, tenant);
    }

    /// Sends once more what is due by an offset.
    pub(crate) fn resend(&mut self, until: u64) {
        while let Some(&(due, row, tenant)) = self.resends.front() {
            if due > until {
                return;
            }
            self.resends.pop_front();
            self.counts.duplicated += 1;
            self.push(&row, tenant);
        }
    }

    fn push(&mut self, row: &SpanRow, tenant: Option<u32>) {
        self.counts.spans += 1;
        self.batch.push(row);
        if !self.tenants.is_empty() {
            self.batch.push_attributes(tenant.map_or("", |t| &self.tenants[t as usize]));
        }
    }

    /// Spans in the batch under way.
    pub(crate) const fn rows(&self) -> usize {
        self.batch.len()
    }

    /// Takes the batch under way.
    pub(crate) fn take(&mut self) -> SpanBatch {
        let mut batch = std::mem::take(&mut self.batch);
        batch.names = self.names.clone();
        batch
    }
}

//! What is broken and what is shut, at a time.

use resus_model::Name;

use crate::{
    random::{Purpose, Share, Stream},
    requests::{NOBODY, WrongValue},
    scenario::{Component, Effect, Fault, Restart, Scenario},
    topology::{OperationId, ServiceId, Topology},
};

/// Faults and restarts of a run, indexed by whom they concern.
#[derive(Debug, Clone)]
pub(crate) struct Conditions {
    seed: u64,
    faults: Vec<Active>,
    /// For every operation: the trigger components that a run of it may be.
    members: Vec<Vec<Member>>,
    /// For every service: its restarts.
    closed: Vec<Vec<Closed>>,
}

#[derive(Debug, Clone)]
struct Active {
    from: u64,
    until: u64,
    share: Share,
    cured_by: Vec<Component>,
    /// All bits of its trigger.
    all: u8,
    tenant: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    fault: usize,
    bit: u8,
    replica: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Closed {
    component: Component,
    from: u64,
    until: u64,
}

/// Whether an operation can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// It can.
    Open,
    /// Nobody answers.
    Refuses,
    /// The process answers that the operation can't be had.
    TurnsAway,
}

/// What a request has been at, fault by fault.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visits {
    /// Bits of the trigger components visited.
    seen: Vec<u8>,
    /// Faults whose components met while they were there.
    pub(crate) met: u64,
    /// Faults that did hit.
    pub(crate) hit: u64,
}

impl Visits {
    pub(crate) fn reset(&mut self, faults: usize) {
        self.seen.clear();
        self.seen.resize(faults, 0);
        self.met = 0;
        self.hit = 0;
    }
}

impl Conditions {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let topology = &scenario.topology;
        let mut members = vec![Vec::new(); topology.operations().len()];
        for (fault, Fault { trigger, .. }) in scenario.faults.iter().enumerate() {
            for (i, &component) in trigger.iter().enumerate() {
                let bit = 1 << i;
                for (operation, of) in topology.operations().iter().zip(&mut members) {
                    let (is_member, replica) = match component {
                        Component::Service(service) => (operation.service == service, None),
                        // One member a replica, below.
                        Component::Version(_) => (false, None),
                        Component::Instance(service, r) => (operation.service == service, Some(r)),
                        Component::Operation(id) => {
                            (std::ptr::eq(topology.operation(id), operation), None)
                        }
                    };
                    if is_member {
                        of.push(Member { fault, bit, replica });
                    }
                    let Component::Version(service) = component else { continue };
                    let deploys = scenario.deploys.iter().filter(|d| d.service == service);
                    let replicas = deploys.map(|d| d.replicas).max().unwrap_or(0);
                    if operation.service == service {
                        let new = (0..replicas).map(Some);
                        of.extend(new.map(|replica| Member { fault, bit, replica }));
                    }
                }
            }
        }
        let faults = scenario.faults.iter().map(|fault| Active {
            from: fault.from,
            until: fault.until,
            share: fault.share,
            cured_by: fault.cured_by.clone(),
            all: (1 << fault.trigger.len()) - 1,
            tenant: fault.tenant,
        });
        let mut conditions = Self {
            seed: scenario.seed,
            faults: faults.collect(),
            members,
            closed: vec![Vec::new(); topology.services().len()],
        };
        for deploy in &scenario.deploys {
            // Another identity, without a time in which nobody answers.
            for replica in 0..deploy.replicas {
                let component = Component::Instance(deploy.service, replica);
                let closed = Closed { component, from: deploy.at, until: deploy.at };
                conditions.closed[deploy.service.index()].push(closed);
            }
        }
        conditions
    }

    /// Takes a restart into account. Returns the faults that it ends earlier than they would, each
    /// with its new end: those that it cures and that began before it.
    pub(crate) fn restart(&mut self, restart: Restart, topology: &Topology) -> Vec<(usize, u64)> {
        let Restart { component, at, takes } = restart;
        let done = at.saturating_add(takes);
        self.closed[component.service(topology).index()].push(Closed {
            component,
            from: at,
            until: done,
        });
        let mut cured = Vec::new();
        for (i, fault) in self.faults.iter_mut().enumerate() {
            let cures = fault.cured_by.iter().any(|&c| component.covers(c, topology));
            if cures && fault.from <= at && done < fault.until {
                fault.until = done;
                cured.push((i, done));
            }
        }
        cured
    }

    /// Notes that a request runs an operation; returns the faults that hit this run, as bits.
    pub(crate) fn visit(
        &self,
        (operation, replica): (OperationId, u32),
        (request, tenant): (u64, u32),
        visits: &mut Visits,
        now: u64,
    ) -> u64 {
        let mut hit = 0;
        let members = &self.members[operation.index()];
        for member in members.iter().filter(|m| m.replica.is_none_or(|r| r == replica)) {
            let seen = &mut visits.seen[member.fault];
            *seen |= member.bit;
            let fault = &self.faults[member.fault];
            if fault.tenant.is_some_and(|only| only != tenant) {
                continue;
            }
            if *seen != fault.all || !(fault.from..fault.until).contains(&now) {
                continue;
            }
            visits.met |= 1 << member.fault;
            let draws = Stream::new(self.seed, Purpose::Hit).child(member.fault as u64);
            if draws.child(request).chance(fault.share) {
                hit |= 1 << member.fault;
            }
        }
        hit
    }

    /// The replica that a call for `wanted` is sent to: the next that is up, if one is.
    pub(crate) fn route(&self, service: ServiceId, wanted: u32, replicas: u32, now: u64) -> u32 {
        let up = |replica| {
            !self.at(service, now).any(|c| c.component == Component::Instance(service, replica))
        };
        (0..replicas).map(|k| (wanted + k) % replicas).find(|&r| up(r)).unwrap_or(wanted)
    }

    /// Whether an operation can be run on a replica.
    pub(crate) fn door(
        &self,
        operation: OperationId,
        service: ServiceId,
        replica: u32,
        now: u64,
    ) -> Door {
        let mut door = Door::Open;
        for closed in self.at(service, now) {
            match closed.component {
                Component::Service(_) => return Door::Refuses,
                Component::Instance(_, r) if r == replica => return Door::Refuses,
                Component::Operation(id) if id == operation => door = Door::TurnsAway,
                Component::Instance(..) | Component::Operation(_) | Component::Version(_) => {}
            }
        }
        door
    }

    /// How often an instance has been restarted by now.
    pub(crate) fn generation(&self, service: ServiceId, replica: u32, now: u64) -> usize {
        let is_of = |component| match component {
            Component::Service(_) => true,
            Component::Instance(_, r) => r == replica,
            Component::Operation(_) | Component::Version(_) => false,
        };
        let of = &self.closed[service.index()];
        of.iter().filter(|c| is_of(c.component) && c.until <= now).count()
    }

    fn at(&self, service: ServiceId, now: u64) -> impl Iterator<Item = &Closed> {
        self.closed[service.index()].iter().filter(move |c| (c.from..c.until).contains(&now))
    }
}

/// How a run of an operation is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// As planned.
    Nothing,
    /// Early and well.
    EarlyReturn,
    /// By an exception; handled by the caller for sure if `masked`.
    Error { exception: Name, masked: bool },
    /// As planned, but with a wrong answer.
    WrongValue(WrongValue),
    /// Nobody is there.
    Refused,
}

/// By how much the faults that hit a run slow it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slower {
    /// Before it begins, nanoseconds.
    pub(crate) wire: u64,
    /// In its own work, nanoseconds.
    pub(crate) work: u64,
    /// Its own work, in hundredths of the usual time.
    pub(crate) percent: u64,
}

/// What the faults that hit a run do to it together: how it ends, and by how much it is delayed.
///
/// Delays add up; of the others the first in the order of the scenario counts. What needs a caller
/// does nothing where there is none, nor does a wrong value that nobody will stumble over: it is
/// taken out of `hit`. `stumbler` tells who does, or [`NOBODY`].
pub(crate) fn combine(
    faults: &[Fault],
    exceptions: &[Name],
    hit: &mut u64,
    (has_caller, remote): (bool, bool),
    stumbler: impl Fn(&Fault) -> u32,
    stream: Stream,
    now: u64,
) -> (Wanted, Slower) {
    let mut slower = Slower { wire: 0, work: 0, percent: 100 };
    let mut wanted = Wanted::Nothing;
    for (i, fault) in faults.iter().enumerate() {
        if *hit & (1 << i) == 0 {
            continue;
        }
        let exception = exceptions[i];
        let effect = match fault.effect {
            Effect::Error { .. } => Wanted::Error { exception, masked: false },
            Effect::MaskedError { .. } if has_caller => Wanted::Error { exception, masked: true },
            Effect::MaskedError { .. } => {
                *hit &= !(1 << i);
                continue;
            }
            Effect::WrongValue { .. } => {
                let stumbler = stumbler(fault);
                if stumbler == NOBODY {
                    *hit &= !(1 << i);
                    continue;
                }
                Wanted::WrongValue(WrongValue { exception, stumbler })
            }
            Effect::EarlyReturn => Wanted::EarlyReturn,
            Effect::Refuses if has_caller && remote => Wanted::Refused,
            Effect::NetworkDelay { extra } if has_caller && remote => {
                slower.wire = slower.wire.saturating_add(extra.draw(&mut stream.child(i as u64)));
                continue;
            }
            Effect::Refuses | Effect::NetworkDelay { .. } => {
                *hit &= !(1 << i);
                continue;
            }
            Effect::Delay { extra } => {
                slower.work = slower.work.saturating_add(extra.draw(&mut stream.child(i as u64)));
                continue;
            }
            Effect::Leak { most, over_ns } => {
                let most = most.draw(&mut stream.child(i as u64));
                let since = now.saturating_sub(faults[i].from).min(over_ns);
                let part = u128::from(most) * u128::from(since) / u128::from(over_ns.max(1));
                slower.work = slower.work.saturating_add(u64::try_from(part).unwrap_or(most));
                continue;
            }
            Effect::Hang { for_ns } => {
                slower.work = slower.work.saturating_add(for_ns);
                continue;
            }
            Effect::SlowDown { percent } => {
                slower.percent = slower.percent * u64::from(percent) / 100;
                continue;
            }
        };
        if wanted == Wanted::Nothing {
            wanted = effect;
        }
    }
    (wanted, slower)
}

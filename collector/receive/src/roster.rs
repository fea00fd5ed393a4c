//! Which connections are open, and who makes room when there are too many.
//!
//! A connection that has not sent a complete, authorised request yet is *unproven*. When a cap is
//! reached, the oldest unproven one is closed for the new one's sake, so that any number of connections that
//! say nothing, or say it slowly, keeps nobody out. Where all are proven the new one is closed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::activity::Activity;
use crate::meter::ClosedFor;

/// The open connections of a server.
pub(crate) struct Roster {
    max: usize,
    max_per_address: usize,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    next: u64,
    open: BTreeMap<u64, Member>,
    per_address: BTreeMap<IpAddr, usize>,
    unproven: BTreeSet<u64>,
}

struct Member {
    address: IpAddr,
    activity: Arc<Activity>,
}

/// A connection's place; free again when dropped.
pub(crate) struct Place {
    roster: Arc<Roster>,
    id: u64,
}

impl Roster {
    pub(crate) fn new(max: usize, max_per_address: usize) -> Arc<Self> {
        Arc::new(Self { max, max_per_address, members: Mutex::default() })
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.members().open.len()
    }

    /// Gives a connection a place, and says whether another had to go for it.
    pub(crate) fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        activity: Arc<Activity>,
    ) -> Result<(Place, bool), ClosedFor> {
        let address = prefix(address);
        let mut members = self.members();
        let mut evicted = false;
        if members.per_address.get(&address).is_some_and(|&n| n >= self.max_per_address) {
            let found = members.unproven.iter().find(|id| members.open[id].address == address);
            let id = found.copied().ok_or(ClosedFor::TooManyFromAddress)?;
            members.evict(id);
            evicted = true;
        }
        if members.open.len() >= self.max {
            let id = members.unproven.first().copied().ok_or(ClosedFor::TooMany)?;
            members.evict(id);
            evicted = true;
        }
        let id = members.next;
        members.next += 1;
        members.open.insert(id, Member { address, activity });
        members.unproven.insert(id);
        *members.per_address.entry(address).or_default() += 1;
        Ok((Place { roster: Arc::clone(self), id }, evicted))
    }
}

impl Members {
    fn evict(&mut self, id: u64) {
        if let Some(member) = self.remove(id) {
            member.activity.evict();
        }
    }

    fn remove(&mut self, id: u64) -> Option<Member> {
        let member = self.open.remove(&id)?;
        self.unproven.remove(&id);
        if let Some(n) = self.per_address.get_mut(&member.address) {
            *n -= 1;
            if *n == 0 {
                self.per_address.remove(&member.address);
            }
        }
        Some(member)
    }
}

impl Place {
    /// The connection has sent a complete, authorised request.
    pub(crate) fn prove(&self) {
        self.roster.members().unproven.remove(&self.id);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.roster.members().remove(self.id);
    }
}

/// What counts as one address: a holder of IPv6 has at least a /64 of them.
fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(roster: &Arc<Roster>, address: &str) -> Result<(Place, bool), ClosedFor> {
        roster.admit(address.parse().expect("an address"), Activity::new())
    }

    #[test]
    fn the_oldest_unproven_makes_room_and_a_proven_one_never() {
        let roster = Roster::new(2, 2);
        let (first, _) = admit(&roster, "10.0.0.1").expect("room");
        let (second, _) = admit(&roster, "10.0.0.2").expect("room");
        first.prove();
        let (third, evicted) = admit(&roster, "10.0.0.3").expect("in the place of the second");
        assert!(evicted);
        assert_eq!(roster.open(), 2);
        third.prove();
        assert_eq!(admit(&roster, "10.0.0.4").err(), Some(ClosedFor::TooMany));
        drop(second);
        assert_eq!(roster.open(), 2, "an evicted one gives its place back once");
        drop(first);
        assert!(!admit(&roster, "10.0.0.4").expect("room").1);
    }

    #[test]
    fn an_address_has_its_own_cap_and_a_subnet_of_ipv6_is_one() {
        let roster = Roster::new(10, 1);
        let (a, _) = admit(&roster, "2001:db8::1").expect("room");
        a.prove();
        assert_eq!(admit(&roster, "2001:db8::2").err(), Some(ClosedFor::TooManyFromAddress));
        let (_b, _) = admit(&roster, "2001:db8:0:1::1").expect("another subnet");
        let (c, _) = admit(&roster, "::ffff:10.0.0.1").expect("room");
        c.prove();
        assert_eq!(admit(&roster, "10.0.0.1").err(), Some(ClosedFor::TooManyFromAddress));
        drop(a);
        drop(c);
        let (_d, evicted) = admit(&roster, "10.0.0.1").expect("room again");
        assert!(!evicted);
        let (_e, evicted) = admit(&roster, "10.0.0.1").expect("in the place of the unproven one");
        assert!(evicted);
    }
}

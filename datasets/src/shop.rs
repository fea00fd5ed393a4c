//! An auction house of twelve services: small enough to know by heart.
//!
//! `frontend` takes all requests. `store` is the hot shared store on every path. `payments` asks a
//! `card-network` that emits no spans. `payments.Payments/Charge` serves both checkouts and bids
//! that need a deposit, `payments.Payments/History` the account page: a broken charge leaves a part
//! of each alone.

use crate::{
    latency::Latency,
    random::Share,
    topology::{OperationId, Protocol, ServiceId, Topology, TopologyBuilder},
};

/// Entry operations with their share of the load in percent.
pub const ENTRIES: [(&str, u32); 7] = [
    ("GET /", 22),
    ("GET /item/{id}", 27),
    ("GET /search", 17),
    ("POST /bid", 12),
    ("POST /checkout", 9),
    ("GET /account", 8),
    ("POST /login", 5),
];

/// The twelve services, and the silent `card-network`.
///
/// # Panics
/// Never: a test builds it.
#[must_use]
pub fn topology() -> Topology {
    let mut shop = TopologyBuilder::new("auction", 6);
    let frontend = shop.service("frontend", "2.14.0", 3);
    let inner = Inner::build(&mut shop);
    let mut page = |name, micros| http(&mut shop, frontend, name, micros);
    let [home, item, search] =
        [page("GET /", 1400), page("GET /item/{id}", 1100), page("GET /search", 1200)];
    let [bid, checkout] = [page("POST /bid", 1600), page("POST /checkout", 2100)];
    let [account, login] = [page("GET /account", 1300), page("POST /login", 900)];
    let percent = Share::percent;
    for entry in [home, item, search, bid, checkout, account] {
        shop.then(entry, inner.check_session);
    }
    shop.step(home, &[(inner.list, Share::ONE), (inner.recommend, percent(50))]);
    shop.step(item, &[(inner.get_item, Share::ONE), (inner.highest_bid, Share::ONE)]);
    shop.step(item, &[(inner.quote, percent(25))]);
    shop.then(search, inner.search).step(search, &[(inner.recommend, percent(20))]);
    shop.then(bid, inner.get_item).step(bid, &[(inner.charge, percent(40))]);
    shop.then(bid, inner.place_bid).step(bid, &[(inner.send_mail, percent(30))]);
    shop.step(checkout, &[(inner.get_account, Share::ONE), (inner.quote, Share::ONE)]);
    shop.then(checkout, inner.charge).then(checkout, inner.send_mail);
    shop.step(account, &[(inner.get_account, Share::ONE), (inner.payment_history, percent(80))]);
    shop.step(account, &[(inner.highest_bid, percent(30))]);
    shop.then(login, inner.verify).then(login, inner.create_session);
    shop.build().expect("the shop is a topology: a test builds it")
}

/// Entry operations of [`topology`] with their weights.
///
/// # Panics
/// When the topology is not the shop.
#[must_use]
pub fn entries(topology: &Topology) -> Vec<(OperationId, u32)> {
    let find = |name| topology.find_operation("frontend", name).expect("the shop has its entries");
    ENTRIES.iter().map(|&(name, weight)| (find(name), weight)).collect()
}

/// What the pages of the frontend call.
struct Inner {
    check_session: OperationId,
    create_session: OperationId,
    list: OperationId,
    get_item: OperationId,
    search: OperationId,
    recommend: OperationId,
    highest_bid: OperationId,
    place_bid: OperationId,
    quote: OperationId,
    get_account: OperationId,
    verify: OperationId,
    charge: OperationId,
    payment_history: OperationId,
    send_mail: OperationId,
}

impl Inner {
    fn build(shop: &mut TopologyBuilder) -> Self {
        let store = shop.service("store", "9.2.1", 2);
        let read = grpc(shop, store, "store.Store/Read", 400);
        let write = grpc(shop, store, "store.Store/Write", 700);
        let sessions = shop.service("sessions", "1.8.3", 2);
        let check_session = grpc(shop, sessions, "sessions.Sessions/Check", 300);
        let create_session = grpc(shop, sessions, "sessions.Sessions/Create", 500);
        let catalog = shop.service("catalog", "4.1.0", 2);
        let list = grpc(shop, catalog, "catalog.Catalog/List", 1800);
        let get_item = grpc(shop, catalog, "catalog.Catalog/Get", 600);
        let search_service = shop.service("search", "3.0.2", 2);
        let search = grpc(shop, search_service, "search.Search/Query", 5200);
        let recommend_service = shop.service("recommend", "0.9.7", 1);
        let recommend = grpc(shop, recommend_service, "recommend.Recommend/ForUser", 3400);
        let bids = shop.service("bids", "5.6.1", 2);
        let highest_bid = grpc(shop, bids, "bids.Bids/Highest", 500);
        let place_bid = grpc(shop, bids, "bids.Bids/Place", 1900);
        let pricing = shop.service("pricing", "2.2.0", 1);
        let quote = grpc(shop, pricing, "pricing.Pricing/Quote", 900);
        let accounts = shop.service("accounts", "7.3.4", 2);
        let get_account = grpc(shop, accounts, "accounts.Accounts/Get", 500);
        let verify = grpc(shop, accounts, "accounts.Accounts/Verify", 2600);
        let fraud_service = shop.service("fraud", "1.1.5", 1);
        let fraud = grpc(shop, fraud_service, "fraud.Fraud/Score", 2400);
        let cards = shop.silent_service("card-network");
        let authorise =
            shop.operation(cards, "authorise", Protocol::Plain, Latency::micros(18_000));
        let payments = shop.service("payments", "6.0.0", 2);
        let charge = grpc(shop, payments, "payments.Payments/Charge", 1700);
        let payment_history = grpc(shop, payments, "payments.Payments/History", 700);
        let mail = shop.service("mail", "1.4.2", 1);
        let send_mail = grpc(shop, mail, "mail.Mail/Send", 1500);

        for reader in
            [check_session, list, get_item, highest_bid, get_account, verify, payment_history]
        {
            shop.then(reader, read);
        }
        shop.then(create_session, write);
        shop.step(search, &[(read, Share::ONE), (list, Share::percent(15))]);
        shop.step(recommend, &[(get_item, Share::percent(60))]);
        shop.step(quote, &[(get_item, Share::percent(35))]);
        shop.then(place_bid, write);
        shop.step(charge, &[(fraud, Share::percent(50))])
            .then(charge, authorise)
            .then(charge, write);
        Self {
            check_session,
            create_session,
            list,
            get_item,
            search,
            recommend,
            highest_bid,
            place_bid,
            quote,
            get_account,
            verify,
            charge,
            payment_history,
            send_mail,
        }
    }
}

fn http(shop: &mut TopologyBuilder, service: ServiceId, name: &str, micros: u64) -> OperationId {
    shop.operation(service, name, Protocol::Http, Latency::micros(micros))
}

fn grpc(shop: &mut TopologyBuilder, service: ServiceId, name: &str, micros: u64) -> OperationId {
    shop.operation(service, name, Protocol::Grpc, Latency::micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_twelve_services_that_emit_spans_and_every_path_is_short() {
        let topology = topology();
        assert_eq!(topology.services().iter().filter(|s| s.instrumented).count(), 12);
        let mean = topology.mean_spans(&entries(&topology));
        assert!((9.0..14.0).contains(&mean), "{mean}");
        assert_eq!(ENTRIES.iter().map(|&(_, percent)| percent).sum::<u32>(), 100);
    }
}

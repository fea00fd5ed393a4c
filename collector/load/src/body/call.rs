//! What does one trace do? A request to a shop: three services, two databases, eight spans.

/// One span of the trace.
pub(crate) struct Call {
    /// Which service of the trace it belongs to; shifted by the trace's slot.
    pub(crate) service: u32,
    pub(crate) parent: Option<u32>,
    pub(crate) name: &'static str,
    /// OTLP's number: 1 internal, 2 server, 3 client.
    pub(crate) kind: i32,
    /// The callee of a client span; the store of a database call.
    pub(crate) peer: &'static str,
    /// Microseconds from start and end to the moment of sending.
    pub(crate) started_ago_us: u64,
    pub(crate) ended_ago_us: u64,
    /// Whether it is on the path that fails in a failing trace.
    pub(crate) fails: bool,
    /// Whether it calls a database.
    pub(crate) store: bool,
}

const fn http(service: u32, parent: Option<u32>, name: &'static str, kind: i32) -> Call {
    Call {
        service,
        parent,
        name,
        kind,
        peer: "",
        started_ago_us: 0,
        ended_ago_us: 0,
        fails: false,
        store: false,
    }
}

impl Call {
    const fn to(mut self, peer: &'static str, store: bool) -> Self {
        self.peer = peer;
        self.store = store;
        self
    }

    const fn during(mut self, started_ago_us: u64, ended_ago_us: u64) -> Self {
        self.started_ago_us = started_ago_us;
        self.ended_ago_us = ended_ago_us;
        self
    }

    const fn on_failing_path(mut self) -> Self {
        self.fails = true;
        self
    }
}

/// The spans of a trace; a parent stands before its children.
pub(crate) const CALLS: [Call; 8] = [
    http(0, None, "POST /api/checkout", 2)
        .to("shop.example.com", false)
        .during(121_400, 20_150)
        .on_failing_path(),
    http(0, Some(0), "POST", 3).to("checkout.shop.svc", false).during(120_900, 71_220),
    http(1, Some(1), "POST /v2/orders/{id}", 2)
        .to("checkout.shop.svc", false)
        .during(120_310, 71_900),
    http(1, Some(2), "price basket", 1).to("checkout.shop.svc", false).during(119_800, 116_030),
    http(1, Some(2), "SELECT orders", 3).to("orders-db.shop.svc", true).during(115_700, 73_480),
    http(0, Some(0), "GET", 3).to("cart.shop.svc", false).during(70_800, 21_460).on_failing_path(),
    http(2, Some(5), "GET /v1/carts/{id}/items", 2)
        .to("cart.shop.svc", false)
        .during(70_130, 22_040)
        .on_failing_path(),
    http(2, Some(6), "HGETALL carts", 3)
        .to("carts-cache.shop.svc", true)
        .during(69_650, 22_510)
        .on_failing_path(),
];

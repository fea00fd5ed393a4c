//! Traces in a small notation, a span a line: `id parent service/operation kind start+duration marks`.
//!
//! `-` is no parent; ids are decimal; marks are `error`, `ok`, `absent`, `http=N`, `rpc=N`, `type=T`,
//! `th=H`, `host=H`, `links=N`. Paths are drawn on one line, children in brackets behind their
//! parent, roots side by side: `~` stands before an orphan, `!` behind a failed span, `*` behind an
//! origin, `?` behind a masked failure.

use resus_model::{
    Kind, Link, Outcome, Quality, Rules, SpanBatch, SpanId, SpanRow, Status, TraceId,
};

use crate::{Gather, Path};

/// A path as it is drawn, with what stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Drawn {
    tree: String,
    times: String,
    outcome: Outcome,
    entry: Option<u64>,
    weight: u64,
    start: u64,
}

fn kind(text: &str) -> Kind {
    match text {
        "-" => Kind::Unspecified,
        name => Kind::from_text(name).expect("a kind"),
    }
}

fn push(batch: &mut SpanBatch, trace: u128, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [id, parent, name, kind_name, time, marks @ ..] = words.as_slice() else {
        panic!("five words and marks: {line}")
    };
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let (service, operation) = name.split_once('/').expect("service/operation");
    let (start, duration) = time.split_once('+').expect("start+duration");
    let mut row = SpanRow {
        trace_id: TraceId::from_u128(trace),
        span_id: SpanId::from_u64(number(id)),
        parent_span_id: SpanId::from_u64(if *parent == "-" { 0 } else { number(parent) }),
        service: batch.names.intern(service),
        operation: batch.names.intern(operation),
        kind: kind(kind_name),
        start_unix_nano: number(start),
        duration_ns: duration.parse().expect("a duration"),
        ..SpanRow::new()
    };
    for mark in marks {
        match mark.split_once('=').unwrap_or((mark, "")) {
            ("error", _) => row.status = Status::Error,
            ("ok", _) => row.status = Status::Ok,
            ("absent", _) => row.status = Status::Absent,
            ("http", n) => row.http_status = n.parse().expect("a code"),
            ("rpc", n) => row.rpc_status = n.parse().expect("a code"),
            ("type", text) => row.error_type = batch.names.intern(text),
            ("th", hex) => row.trace_state = batch.names.intern(&format!("ot=th:{hex}")),
            ("host", text) => row.host = batch.names.intern(text),
            ("links", n) => {
                let link = Link {
                    row: u32::try_from(batch.len()).expect("few rows"),
                    trace_id: TraceId::from_u128(!trace),
                    span_id: SpanId::from_u64(1),
                };
                batch.links.extend((0..number(n)).map(|_| link));
            }
            other => panic!("unknown mark {other:?}"),
        }
    }
    batch.push(&row);
}

fn draw(path: &Path<'_>) -> Drawn {
    let (mut tree, mut times) = (String::new(), String::new());
    let mut depth = 0;
    for (i, node) in path.nodes.iter().enumerate() {
        let separator = match (i, node.depth) {
            (0, _) => String::new(),
            (_, d) if d > depth => "(".to_owned(),
            (_, d) => ")".repeat((depth - d) as usize) + " ",
        };
        depth = node.depth;
        let mark = |on: bool, mark: &'static str| if on { mark } else { "" };
        let id = node.span_id.as_u64();
        tree += &format!(
            "{separator}{}{id}{}{}{}",
            mark(node.orphan, "~"),
            mark(node.failed, "!"),
            mark(node.origin, "*"),
            mark(node.masked, "?"),
        );
        let gap = node.gap_ns.map(|gap| format!("^{gap}")).unwrap_or_default();
        times += &format!("{separator}{id}:{}{gap}", node.self_time_ns);
    }
    let close = ")".repeat(depth as usize);
    Drawn {
        tree: tree + &close,
        times: times + &close,
        outcome: path.outcome,
        entry: path.entry_node().map(|n| n.span_id.as_u64()),
        weight: path.weight,
        start: path.start_unix_nano,
    }
}

fn assemble(batches: &[SpanBatch]) -> (Vec<Drawn>, Quality) {
    let mut gather = Gather::new(Rules::STANDARD);
    batches.iter().for_each(|batch| gather.push(batch));
    let gathered = gather.seal();
    let mut quality = gathered.quality().clone();
    let mut drawn = Vec::new();
    for partition in 0..gathered.partitions() {
        gathered.each_path(partition, &mut quality, &mut |path, _| drawn.push(draw(path)));
    }
    (drawn, quality)
}

/// The only path of the lines, which is the same in whatever order they come.
#[track_caller]
fn path(lines: &str) -> (Drawn, Quality) {
    let lines: Vec<&str> = lines.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut orders = vec![lines.clone(), lines.iter().rev().copied().collect()];
    for turn in 1..lines.len() {
        let mut turned = lines.clone();
        turned.rotate_left(turn);
        orders.push(turned);
    }
    let mut results = orders.iter().map(|lines| {
        let mut whole = SpanBatch::new();
        lines.iter().for_each(|line| push(&mut whole, 7, line));
        let single = lines.iter().map(|line| {
            let mut batch = SpanBatch::new();
            push(&mut batch, 7, line);
            batch
        });
        let (one, many) = (assemble(&[whole]), assemble(&single.collect::<Vec<_>>()));
        assert_eq!(one, many, "one batch or many");
        let (mut drawn, quality) = one;
        (drawn.pop().expect("a path"), quality)
    });
    let first = results.next().expect("an order");
    results.for_each(|other| assert_eq!(other, first, "another order of lines"));
    first
}

#[track_caller]
fn check_tree(lines: &str, tree: &str) -> Quality {
    let (drawn, quality) = path(lines);
    assert_eq!(drawn.tree, tree);
    quality
}

#[track_caller]
fn check_times(lines: &str, times: &str) {
    assert_eq!(path(lines).0.times, times);
}

#[track_caller]
fn check_outcome(lines: &str, entry: Option<u64>, outcome: Outcome) {
    let (drawn, _) = path(lines);
    assert_eq!((drawn.entry, drawn.outcome), (entry, outcome));
}

#[test]
fn spans_hang_below_their_parents_siblings_by_start() {
    let quality = check_tree(
        "1 - web/GET server 0+100
         4 1 web/call client 50+10
         3 1 web/call client 20+10
         2 1 web/call client 20+10
         5 3 cart/get server 22+5",
        "1(2 3(5) 4)",
    );
    assert_eq!((quality.spans, quality.traces, quality.orphans, quality.rootless), (5, 1, 0, 0));
}

#[test]
fn a_missing_parent_makes_a_root_of_its_own_kind() {
    let quality = check_tree(
        "1 - web/GET server 0+100
         3 9 cart/get server 20+10
         4 3 cart/read internal 21+1",
        "1 ~3(4)",
    );
    assert_eq!((quality.orphans, quality.rootless, quality.many_roots), (1, 0, 0));
    let quality = check_tree("3 9 cart/get server 20+10", "~3");
    assert_eq!((quality.orphans, quality.rootless), (1, 1));
    let quality = check_tree("1 - a/a server 5+1\n2 - a/a server 3+1\n3 - a/a server 3+1", "2 3 1");
    assert_eq!((quality.many_roots, quality.rootless), (1, 0));
}

#[test]
fn parent_cycles_are_cut_open_at_their_earliest_span() {
    let quality = check_tree("1 1 a/a server 0+1\n2 1 a/b internal 0+1", "~1(2)");
    assert_eq!((quality.cyclic, quality.orphans), (1, 1));
    let quality = check_tree("1 2 a/a server 5+1\n2 1 a/b internal 3+1", "~2(1)");
    assert_eq!((quality.cyclic, quality.orphans, quality.rootless), (1, 1, 1));
    // Tails, beside a true root and a second cycle; roots of all kinds stand by start.
    let quality = check_tree(
        "1 3 a/a server 5+1
         2 1 a/b internal 4+1
         3 2 a/c internal 6+1
         4 3 a/tail internal 1+1
         5 4 a/tail internal 1+1
         6 - a/root server 2+1
         7 8 a/d internal 9+1
         8 7 a/e internal 0+1",
        "~8(7) 6 ~2(3(4(5) 1))",
    );
    assert_eq!((quality.cyclic, quality.orphans, quality.rootless), (2, 2, 0));
}

#[test]
fn halves_of_a_call_under_one_id_are_caller_and_callee() {
    let quality = check_tree(
        "1 - web/GET server 0+100
         2 1 web/call client 10+50
         2 1 cart/get server 20+30
         3 2 cart/read internal 21+5",
        "1(2(2(3)))",
    );
    assert_eq!((quality.duplicates, quality.orphans), (0, 0));
    // Without the caller's half the callee hangs where its caller would.
    check_tree("1 - web/GET server 0+100\n2 1 cart/get server 20+30", "1(2)");
    // The callee's half may name the shared id as its parent too.
    check_tree("2 - web/call client 10+50\n2 2 cart/get server 20+30", "2(2)");
}

#[test]
fn duplicates_collapse_and_the_winner_does_not_depend_on_order() {
    let quality = check_tree(
        "1 - web/GET server 0+100\n1 - web/GET server 0+100\n2 1 web/a internal 1+1\n2 1 web/a internal 1+1",
        "1(2)",
    );
    assert_eq!((quality.spans, quality.duplicates, quality.conflicting), (4, 2, 0));
    // `path` compares all turns and the reverse: also where only a text or a link tells them apart.
    for (a, b) in [
        ("1 - web/GET server 0+100", "1 - web/GET server 0+90"),
        ("1 - web/GET server 0+100", "1 - web/GET server 5+100 error"),
        ("1 - web/GET server 0+100 th=8", "1 - web/GET server 0+100 th=c"),
        ("1 - web/GET server 0+100", "1 - web/PUT server 0+100"),
        ("1 - web/GET server 0+100 links=1", "1 - web/GET server 0+100 links=2"),
    ] {
        let (_, quality) = path(&format!("{a}\n{b}"));
        assert_eq!((quality.duplicates, quality.conflicting), (1, 1), "{a} | {b}");
    }
    let (drawn, quality) =
        path("1 - a/a server 9+1\n1 - a/a server 4+1\n1 - a/a server 4+1\n1 - a/a server 6+1");
    assert_eq!((drawn.start, quality.duplicates, quality.conflicting), (9, 3, 3));
}

#[test]
fn spans_that_differ_in_their_links_alone_have_one_winner() {
    let links = |first: &str, second: &str| {
        let mut batch = SpanBatch::new();
        push(&mut batch, 7, first);
        push(&mut batch, 7, second);
        let mut gather = Gather::new(Rules::STANDARD);
        gather.push(&batch);
        let gathered = gather.seal();
        let mut found = Vec::new();
        for partition in 0..gathered.partitions() {
            gathered.each_path(partition, &mut Quality::default(), &mut |path, _| {
                found.push(path.mark(&path.nodes[0]).links);
            });
        }
        found
    };
    let (one, two) = ("1 - a/a server 0+1 links=1", "1 - a/a server 0+1 links=2");
    assert_eq!(links(one, two), [2]);
    assert_eq!(links(two, one), [2]);
}

#[test]
fn the_entry_is_the_earliest_root_else_the_earliest_server_without_parent() {
    check_outcome("1 - a/a server 5+1\n2 - a/b internal 3+1", Some(2), Outcome::Passed);
    check_outcome("1 - a/a server 5+1\n2 9 b/b server 1+1 error", Some(1), Outcome::Passed);
    let pieces = "2 9 b/b internal 1+1 error\n3 9 c/c server 3+1\n4 9 c/c consumer 2+1 error";
    check_outcome(pieces, Some(4), Outcome::Failed);
    check_outcome("2 9 b/b internal 1+1 error\n3 9 b/b client 0+1", None, Outcome::Unknown);
    let (_, quality) = path("2 9 b/b internal 1+1 error");
    assert_eq!((quality.unknown_outcomes, quality.failed), (1, 0));
}

#[test]
fn outcomes_follow_the_entry_span_alone() {
    check_outcome("1 - a/a server 0+9\n2 1 a/b client 1+1 error", Some(1), Outcome::Passed);
    check_outcome("1 - a/a server 0+9 http=500", Some(1), Outcome::Failed);
    check_outcome("1 - a/a server 0+9 http=404", Some(1), Outcome::Passed);
    check_outcome("1 - a/a client 0+9 http=404", Some(1), Outcome::Failed);
    check_outcome("1 - a/a server 0+9 http=500 ok", Some(1), Outcome::Passed);
    check_outcome("1 - a/a server 0+9 http=499 error", Some(1), Outcome::Cancelled);
    check_outcome("1 - a/a server 0+9 rpc=14", Some(1), Outcome::Failed);
    check_outcome("1 - a/a server 0+9 rpc=5", Some(1), Outcome::Passed);
    check_outcome("1 - a/a server 0+9 type=Timeout", Some(1), Outcome::Failed);
    check_outcome("1 - a/a server 0+9 absent", Some(1), Outcome::Unlabelled);
    let (_, quality) = path("1 - a/a server 0+9 absent");
    assert_eq!(quality.unlabelled, 1);
}

#[test]
fn failure_begins_where_no_child_failed_and_nothing_above_recovered() {
    let chain = "1 - a/a server 0+9 error\n2 1 a/b client 1+7 error\n3 2 b/b server 2+5 error";
    check_tree(chain, "1!(2!(3!*))");
    let two = "1 - a/a server 0+9 error\n2 1 a/b client 1+2 error\n3 1 a/c client 4+2 error";
    check_tree(two, "1!(2!* 3!*)");
    // A caller that went well recovered: its failed callee is masked and no origin.
    check_tree("1 - a/a server 0+9\n2 1 a/b client 1+2 error", "1(2!?)");
    let below = "1 - a/a server 0+9 error\n2 1 a/b client 1+7\n3 2 b/b server 2+5 error";
    check_tree(below, "1!*(2(3!?))");
    check_tree("2 9 b/b server 2+5 error\n3 2 b/c internal 3+1 error", "~2!(3!*)");
    // A cancelled call did not fail.
    check_tree("1 - a/a server 0+9 error\n2 1 a/b client 1+2 http=499 error", "1!*(2)");
}

#[test]
fn self_time_is_what_children_leave_uncovered() {
    check_times("1 - a/a server 0+100", "1:100");
    // One after the other, then overlapping, then one inside the other.
    check_times("1 - a/a server 0+100\n2 1 a/b - 10+20\n3 1 a/c - 50+30", "1:50(2:20 3:30)");
    check_times("1 - a/a server 0+100\n2 1 a/b - 10+40\n3 1 a/c - 30+40", "1:40(2:40 3:40)");
    check_times("1 - a/a server 0+100\n2 1 a/b - 10+80\n3 1 a/c - 30+10", "1:20(2:80 3:10)");
    // Children that begin before or end after their parent, or lie beside it, cover what they meet.
    check_times("1 - a/a server 50+50\n2 1 a/b - 30+40\n3 1 a/c - 90+40", "1:20(2:40 3:40)");
    check_times("1 - a/a server 50+50\n2 1 a/b - 0+40\n3 1 a/c - 200+40", "1:50(2:40 3:40)");
    check_times("1 - a/a server 50+50\n2 1 a/b - 0+400", "1:0(2:400)");
    // Grandchildren do not count twice.
    check_times(
        "1 - a/a server 0+100\n2 1 a/b internal 10+50\n3 2 a/c internal 20+30",
        "1:50(2:20(3:30))",
    );
}

#[test]
fn a_call_to_another_service_has_a_gap_by_durations_whatever_the_clocks_say() {
    check_times("1 - a/a client 0+100\n2 1 b/b server 10+60", "1:40(2:60^40)");
    check_times("1 - a/a client 0+100\n2 1 b/b server 900+60", "1:40(2:60^40)");
    check_times("1 - a/a client 0+100\n2 1 b/b server 10+160", "1:0(2:160^0)");
    check_times("1 - a/a - 0+100\n2 1 b/b - 900+60", "1:40(2:60^40)");
    // Not within a service, not from a server, not with several callees.
    check_times("1 - a/a client 0+100\n2 1 a/b server 10+60", "1:40(2:60)");
    check_times("1 - a/a server 0+100\n2 1 b/b server 900+60", "1:100(2:60)");
    check_times(
        "1 - a/a client 0+100\n2 1 b/b server 0+60\n3 1 b/b server 70+10",
        "1:30(2:60 3:10)",
    );
}

#[test]
fn negative_and_zero_durations_are_kept_counted_and_last_no_time() {
    let (drawn, quality) =
        path("1 - a/a server 10+-5\n2 1 a/b internal 10+0\n3 1 a/b internal 9+4");
    assert_eq!(drawn.times, "1:0(3:4 2:0)");
    assert_eq!((quality.negative_durations, quality.zero_durations), (1, 1));
    check_times(
        "1 - a/a server 0+100\n2 1 a/b internal 50+-20\n3 1 a/b internal 60+10",
        "1:90(2:0 3:10)",
    );
    let far = u64::MAX;
    check_times(&format!("1 - a/a server {far}+100\n2 1 a/b internal {far}+9"), "1:100(2:9)");
}

#[test]
fn spans_before_their_parent_are_counted_by_host() {
    let quality = path(
        "1 - a/a server 10+9 host=x
         2 1 b/b server 9+1 host=x
         3 1 b/b server 8+1 host=y
         4 1 b/b server 7+1
         5 1 b/b server 11+1 host=x",
    )
    .1;
    assert_eq!((quality.before_parent, quality.before_parent_same_host), (3, 1));
}

#[test]
fn the_entry_span_tells_for_how_many_requests_a_trace_stands() {
    let (drawn, quality) = path("1 - a/a server 0+9 th=c\n2 1 a/b internal 0+9 th=8");
    assert_eq!((drawn.weight, quality.weighted), (4 << 16, 1));
    let (drawn, quality) = path("1 - a/a server 0+9\n2 1 a/b internal 0+9 th=8");
    assert_eq!((drawn.weight, quality.weighted), (1 << 16, 0));
}

#[test]
fn traces_that_share_their_low_half_stay_apart() {
    let mut batch = SpanBatch::new();
    let low = 42_u128;
    for high in 0..2000_u128 {
        push(&mut batch, (high << 64) | low, "1 - a/a server 0+9");
        push(&mut batch, (high << 64) | low, "2 1 a/b internal 0+9");
    }
    let (drawn, quality) = assemble(&[batch]);
    assert_eq!((drawn.len(), quality.traces, quality.duplicates), (2000, 2000, 0));
    assert!(drawn.iter().all(|path| path.tree == "1(2)"));
}

/// A trace whose span `i` of `n` has the parent that `parent` says.
fn large(n: u64, parent: impl Fn(u64) -> u64) -> SpanBatch {
    let mut batch = SpanBatch::new();
    let service = batch.names.intern("a");
    let operation = batch.names.intern("a");
    for i in 1..=n {
        batch.push(&SpanRow {
            trace_id: TraceId::from_u128(7),
            span_id: SpanId::from_u64(i),
            parent_span_id: SpanId::from_u64(parent(i)),
            service,
            operation,
            kind: Kind::Server,
            status: Status::Error,
            start_unix_nano: i,
            duration_ns: 10,
            ..SpanRow::new()
        });
    }
    batch
}

/// Size, depth, origins and quality of the only path.
fn measure(batch: &SpanBatch) -> (usize, u32, usize, Quality) {
    let mut gather = Gather::new(Rules::STANDARD);
    gather.push(batch);
    let gathered = gather.seal();
    let mut quality = Quality::default();
    let mut found = (0, 0, 0);
    for partition in 0..gathered.partitions() {
        gathered.each_path(partition, &mut quality, &mut |path, _| {
            let depth = path.nodes.iter().map(|n| n.depth).max().unwrap_or(0);
            let origins = path.nodes.iter().filter(|n| n.origin).count();
            found = (path.nodes.len(), depth, origins);
        });
    }
    (found.0, found.1, found.2, quality)
}

/// Anything quadratic takes minutes here, and recursion overflows the stack.
#[test]
fn a_trace_of_100_000_spans_takes_no_longer_than_its_size() {
    const N: u64 = 100_000;
    let (size, depth, origins, _) = measure(&large(N, |i| i - 1));
    assert_eq!((size, depth, origins), (100_000, 99_999, 1));
    let (size, depth, origins, _) = measure(&large(N, |i| u64::from(i > 1)));
    assert_eq!((size, depth, origins), (100_000, 1, 99_999));
    let (size, _, _, quality) = measure(&large(N, |i| if i % 2 == 0 { i - 1 } else { i + 1 }));
    assert_eq!((size, quality.cyclic, quality.rootless), (100_000, 50_000, 1));
    let (size, depth, _, quality) = measure(&large(N, |i| if i == 1 { N } else { i - 1 }));
    assert_eq!((size, depth, quality.cyclic), (100_000, 99_999, 1));
}

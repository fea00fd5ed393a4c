//! Every mistake, alone and with others.

use super::*;

/// One mistake in a file, and its message from the line on.
#[track_caller]
fn check(text: &str, expect: &str) {
    assert_eq!(messages(text), expect);
}

/// The first words of the only message.
#[track_caller]
fn begins(text: &str, expect: &str) {
    let found = messages(text);
    assert!(found.starts_with(expect) && found.lines().count() == 1, "{found}");
}

#[test]
fn syntax() {
    begins("[receive\n", "line 1: not TOML: ");
    begins("[store]\nfolder = \"a\nsync = 1", "line 2: not TOML: ");
    // The parser tells these without a place.
    let deep = "a.".repeat(500);
    begins(&format!("# one\n[store]\nfolder = \"a\"\n{deep}b = 1\n[watch]"), "line 4: not TOML: ");
    let (open, close) = ("[".repeat(500), "]".repeat(500));
    begins(&format!("x = {open}{close}\n[watch]"), "line 1: not TOML: ");
    begins("[store]\nfolder = \"a\"\nfolder = \"b\"", "line 3: not TOML: ");
    assert!(read_in_test(&"[".repeat(100_000)).is_err());
    assert!(read_in_test(&format!("a = {}", "[".repeat(100_000))).is_err());
    assert!(read_in_test(&format!("a = {}1", "{ a = ".repeat(100_000))).is_err());
    assert!(read_in_test(&"\0".repeat(1_000)).is_err());
}

#[test]
fn unknown_keys() {
    check(
        "[receive]\ngrcp = \"\"",
        "line 2: unknown key `grcp` in `[receive]` (did you mean `grpc`?)",
    );
    check(
        "[recieve]\ngrpc = \"\"",
        "line 1: unknown key `recieve` outside of any section (did you mean `receive`?)",
    );
    check(
        "[metrics]\ncolour = 1",
        "line 2: unknown key `colour` in `[metrics]`; expected one of `gauges`, `max_series`",
    );
    check(
        "max_body = \"1MiB\"",
        "line 1: unknown key `max_body` outside of any section, which belongs into `[receive]`; \
         move it there",
    );
    check(
        "[store]\ncertificate = \"\"",
        "line 2: unknown key `certificate` in `[store]`, which belongs into `[api.tls]` or \
         `[receive.tls]`; move it there",
    );
    check(
        "[api.tls]\nclientca = \"\"",
        "line 2: unknown key `clientca` in `[api.tls]` (did you mean `client_ca`?)",
    );
    begins(&format!("{} = 1", "x".repeat(1_000_000)), "line 1: unknown key `xxx");
}

#[test]
fn sections_of_another_form() {
    check(
        "receive = 1",
        "line 1: `receive` is a number; it is a section, write `[receive]` and its keys below",
    );
    check(
        "[[store]]",
        "line 1: `store` is a list; it is a section, write `[store]` and its keys below",
    );
    check(
        "[api]\ntls = \"on\"",
        "line 2: `api.tls` is a text; it is a section, write `[api.tls]` and its keys below",
    );
}

#[test]
fn values_of_another_kind_or_beyond_their_range() {
    for (section, key, values, expected) in [
        (
            "receive",
            "max_connections",
            vec!["0", "-1", "1_000_001", "1.0", "\"1024\"", "true", "99999999999999999999", "[]"],
            "a whole number, 1 to 1_000_000",
        ),
        (
            "receive",
            "max_body",
            vec!["\"64\"", "64", "\"0B\"", "\"1B\"", "\"2GiB\"", "{}"],
            "a size, `1KiB` to `1GiB`",
        ),
        (
            "receive",
            "idle_timeout",
            vec!["\"0s\"", "\"60\"", "60", "\"-1s\"", "\"1.5s\"", "\"\"", "\"2h\""],
            "a time, `1s` to `1h`",
        ),
        (
            "store",
            "sync",
            vec!["\"None\"", "\"0ms\"", "\"2s\"", "false"],
            "a time, `1ms` to `1s`, or `none`",
        ),
        ("store", "parquet", vec!["\"true\"", "1", "[]"], "`true` or `false`"),
        (
            "diagnose",
            "cut",
            vec!["nan", "inf", "-0.1", "1.1", "\"0.5\"", "0x1"],
            "a number, 0.0 to 1.0",
        ),
        ("rules", "http_4xx", vec!["\"\"", "\"Pass\"", "4"], "one of `pass`, `fail`"),
        ("store", "folder", vec!["\"\"", "\"a\\u0000b\"", "1"], "a path"),
        ("telemetry", "service_name", vec!["\"\"", "\"a\\nb\""], "a name of 1 to 255 characters"),
        (
            "metrics",
            "gauges",
            vec!["\"a\"", "[1]", "[\"\"]", "{}"],
            "a list of names, each of 1 to 255 characters",
        ),
        (
            "forward",
            "signals",
            vec!["[]", "[\"spans\"]", "\"traces\""],
            "a list, some of `traces`, `logs`, `metrics`",
        ),
        (
            "watch",
            "pane",
            vec!["\"1500ms\"", "\"0s\"", "4", "2026-03-01", "2026-03-01T12:00:00"],
            "a time, `1s` to `5m` in whole seconds",
        ),
        ("watch", "significance", vec!["0", "0.0", "0.06", "1e-21"], "a number, 1e-20 to 0.05"),
        (
            "api",
            "listen",
            vec!["\"\"", "4320", "\":4320\""],
            "an address with a port, such as `127.0.0.1:4317` or `[::1]:0`, 0 being any free port",
        ),
        (
            "forward",
            "endpoint",
            vec!["\"collector:4318\"", "1"],
            "an address such as `http://collector:4318` or `https://example.com/otlp`, or `\"\"` for none",
        ),
    ] {
        for value in values {
            let found = match value {
                "[]" if key != "signals" => "a list",
                "{}" => "a table",
                "[1]" => "1",
                "[\"\"]" => "\"\"",
                "[\"spans\"]" => "\"spans\"",
                "[]" => "a list",
                "\"a\\u0000b\"" => "\"a\\0b\"",
                other => other,
            };
            check(
                &format!("[{section}]\n\n{key} = {value}"),
                &format!("line 3: `{section}.{key}` is {found}; expected {expected}"),
            );
        }
    }
    let long = messages(&format!("[store]\nsync = \"{}\"", "é".repeat(10_000)));
    assert!(long.len() < 300 && long.contains('…'), "{long}");
}

#[test]
fn items_that_are_there_already() {
    check(
        "[metrics]\ngauges = [\"a\",\n\"b\",\n\"a\"]",
        "line 4: `metrics.gauges` names \"a\" twice; take one of them out",
    );
    check(
        "[forward]\nsignals = [\"logs\", \"logs\"]",
        "line 2: `forward.signals` names \"logs\" twice; take one of them out",
    );
}

#[test]
fn endpoints_with_too_much_in_them() {
    let text = format!("[forward]\nendpoint = \"https://me:{CANARY}@collector\"");
    check(
        &text,
        "line 2: `forward.endpoint` holds a user or a password; take them out, and give them in \
         `headers` if the receiver asks for them",
    );
    check(
        "[telemetry]\nendpoint = \"https://collector/v1/traces\"",
        "line 2: `telemetry.endpoint` is https://collector/v1/traces, the address of one signal; \
         expected the address before `/v1/`, which the program appends itself",
    );
}

#[test]
fn bad_secrets_are_told_without_their_content() {
    for (text, fault) in [
        (
            "[receive]\ntokens = [\"${env:SHORT}\"]",
            "holds a secret of 7 characters; expected at least 16, such as `openssl rand -hex 16` writes",
        ),
        (
            "[receive]\ntokens = [\"***\"]",
            "is `***`, which stands for a secret that was not shown; put the secret back, best as `${env:VAR}` or `${file:PATH}`",
        ),
        ("[receive]\ntokens = [\"\"]", "holds an empty secret; give it a value, or take it out"),
        (
            "[api]\ntokens = [\"hunter2 hunter2 hunter2\"]",
            "holds a token with other characters than letters, digits and `-._~+/`, and `=` at its end (RFC 6750); choose another one",
        ),
        (
            "[receive]\ntokens = [\"${file:/run/secrets/two-lines}\"]",
            "holds a token with other characters than letters, digits and `-._~+/`, and `=` at its end (RFC 6750); choose another one",
        ),
        (
            "[receive]\ntokens = \"hunter2hunter2hunter2\"",
            "is a text; expected a list, such as `[\"${env:TOKEN}\"]`",
        ),
        (
            "[receive]\ntokens = [4815162342]",
            "is a secret and written as a number; write it in quotes, best as `${env:VAR}` or `${file:PATH}`",
        ),
        (
            "[forward]\nheaders = \"hunter2\"",
            "is a text; expected a table, such as `{ authorization = \"${env:TOKEN}\" }`",
        ),
    ] {
        let found = messages(text);
        assert!(
            found.ends_with(&format!("` {fault}")) && found.starts_with("line 2: `"),
            "{found}"
        );
        assert!(!["hunter2", CANARY, "4815162342"].iter().any(|s| found.contains(s)), "{found}");
    }
    let long = messages(&format!("[receive]\ntokens = [\"{}\"]", "x".repeat(8_001)));
    assert!(long.contains("more than 8000 bytes") && long.len() < 200, "{long}");
    // Slips of syntax inside a secret.
    for text in [
        "hunter2hunter2",
        "\"hunter2",
        "'hunter2\n'",
        "\"hunter2\\x\"",
        "[\"hunter2\" \"hunter2\"]",
    ] {
        let found = messages(&format!("[receive]\ntokens = {text}"));
        assert!(!found.contains("hunter2"), "{found}");
    }
}

#[test]
fn bad_header_fields() {
    for (field, fault) in [
        ("\"a b\" = \"x\"", "`forward.headers.\"a b\"` is no name of a header field"),
        ("\"\" = \"x\"", "`forward.headers.\"\"` is no name of a header field"),
        (
            "Content-Type = \"x\"",
            "`forward.headers.Content-Type` is a header field that the program writes",
        ),
        ("a = \" x\"", "`forward.headers.a` holds a secret with characters"),
        ("a = \"x\\r\\nb: c\"", "`forward.headers.a` holds a secret with characters"),
        ("a = \"***\"", "`forward.headers.a` is `***`, which stands for a secret"),
        ("a = 1", "`forward.headers.a` is a secret and written as a number"),
        ("a = \"x\", A = \"y\"", "is a header field that is there already"),
    ] {
        let found = messages(&format!("[forward]\nheaders = {{ {field} }}"));
        assert!(found.contains(fault) && found.lines().count() == 1, "{found}");
    }
}

#[test]
fn addresses_that_do_not_fit_together() {
    check(
        "[receive]\ngrpc = \"\"\nhttp = \"\"",
        "line 2: `grpc` and `http` of `[receive]` are both off; give at least one an address",
    );
    check(
        "[receive]\ngrpc = \"localhost:4318\"",
        "line 2: `receive.grpc` is localhost:4318 and `receive.http` 127.0.0.1:4318, which cannot \
         both be listened on; write the same in both to serve both there, or change a port",
    );
    check(
        "[api]\nlisten = \"127.0.0.1:4317\"",
        "line 2: `receive.grpc` is 127.0.0.1:4317 and `api.listen` 127.0.0.1:4317, which cannot \
         both be listened on; change one of the ports",
    );
    begins(
        "[api]\nlisten = \"0.0.0.0:4318\"\nallow_plain_beyond_loopback = true",
        "line 2: `receive.http` is 127.0.0.1:4318 and `api.listen` 0.0.0.0:4318, which cannot",
    );
    for (section, key) in [("receive", "grpc"), ("receive", "http"), ("api", "listen")] {
        for address in ["0.0.0.0:9", "[::]:9", "10.0.0.1:9", "example.com:9"] {
            check(
                &format!("[{section}]\n{key} = \"{address}\""),
                &format!(
                    "line 2: `{section}.{key}` is {address}, which others than this machine reach, \
                     in plain text; give `[{section}.tls]` a `certificate` and a `key`, listen on \
                     127.0.0.1, or write `{section}.allow_plain_beyond_loopback = true`"
                ),
            );
        }
    }
    // What is allowed to one listener is not allowed to the other.
    begins(
        "[receive]\nallow_plain_beyond_loopback = true\n[api]\nlisten = \"0.0.0.0:9\"",
        "line 4: `api.listen` is 0.0.0.0:9, which others",
    );
}

#[test]
fn tls_in_halves() {
    for section in ["receive.tls", "api.tls"] {
        check(
            &format!("[{section}]\ncertificate = \"c\""),
            &format!(
                "line 2: `{section}.certificate` is given without `{section}.key`, and does nothing alone; add what is missing, or take it out"
            ),
        );
        check(
            &format!("[{section}]\nkey = \"k\""),
            &format!(
                "line 2: `{section}.key` is given without `{section}.certificate`, and does nothing alone; add what is missing, or take it out"
            ),
        );
        begins(
            &format!("[{section}]\nclient_ca = \"c\""),
            &format!(
                "line 2: `{section}.client_ca` is given without `{section}.certificate`, `{section}.key`, and does"
            ),
        );
    }
    begins(
        "[forward]\nca = \"ca.pem\"\nendpoint = \"http://a\"",
        "line 2: `forward.ca` is given and `forward.endpoint` begins with `http://`",
    );
}

#[test]
fn telemetry_in_a_circle() {
    for section in ["forward", "telemetry"] {
        for (endpoint, shown, listener) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318", "receive.http"),
            ("http://localhost:4317/", "http://localhost:4317", "receive.grpc"),
            ("http://0.0.0.0:4320", "http://0.0.0.0:4320", "api.listen"),
            (
                "https://[::ffff:127.0.0.1]:4318/x",
                "https://[::ffff:127.0.0.1]:4318/x",
                "receive.http",
            ),
        ] {
            check(
                &format!("[{section}]\nendpoint = \"{endpoint}\""),
                &format!(
                    "line 2: `{section}.endpoint` is {shown}, which is this program's own \
                     `{listener}`; telemetry would run in a circle, name another receiver or write \
                     \"\" for none"
                ),
            );
        }
    }
    begins(
        "[receive]\nallow_plain_beyond_loopback = true\nhttp = \"0.0.0.0:80\"\n\
         [forward]\nendpoint = \"http://localhost\"",
        "line 5: `forward.endpoint` is http://localhost, which is this program's own `receive.http`",
    );
}

#[test]
fn numbers_out_of_order() {
    for (text, expect) in [
        (
            "[receive]\nmax_body = \"65MiB\"",
            "`receive.max_in_flight` is 128MiB, less than twice `receive.max_body`, 65MiB",
        ),
        (
            "[receive]\nmax_in_flight = \"127MiB\"",
            "`receive.max_in_flight` is 127MiB, less than twice `receive.max_body`, 64MiB",
        ),
        (
            "[store]\nlog_segment = \"1MiB\"\nlog_max = \"63MiB\"",
            "`receive.max_body` is 64MiB and `store.log_max` only 63MiB",
        ),
        (
            "[store]\nlog_max = \"127MiB\"",
            "`store.log_max` is 127MiB, less than twice `store.log_segment`, 64MiB",
        ),
        (
            "[store]\nretain_age = \"4m\"",
            "`store.segment_age` is 5m and `store.retain_age` only 4m",
        ),
        (
            "[assemble]\nsettle = \"5001ms\"",
            "`assemble.settle` is 5s1ms and `assemble.idle` only 5s",
        ),
        ("[assemble]\nmax_age = \"4s\"", "`assemble.idle` is 5s and `assemble.max_age` only 4s"),
        (
            "[assemble]\nmax_age = \"121s\"",
            "`assemble.max_age` is 2m1s and `watch.lookback` only 2m",
        ),
        (
            "[watch]\npane = \"61s\"\nsilence_after = \"2m\"\nof = 1\nagree = 1",
            "`watch.pane` is 1m1s and `watch.baseline_window` only 1m",
        ),
        (
            "[watch]\nquarantine = \"67m\"",
            "`watch.quarantine` is 1h7m, more than 1000 times `watch.pane`, 4s",
        ),
        (
            "[watch]\nsilence_after = \"1h7m\"",
            "`watch.silence_after` is 1h7m, more than 1000 times `watch.pane`, 4s",
        ),
        ("[watch]\nevery = \"5s\"", "`watch.every` is 5s and `watch.pane` only 4s"),
        ("[watch]\nsilence_after = \"3s\"", "`watch.pane` is 4s and `watch.silence_after` only 3s"),
        ("[watch]\nagree = 4", "`watch.agree` is 4 and `watch.of` only 3"),
        (
            "[watch]\nof = 16\npane = \"8s\"",
            "16 windows (`watch.of`) of 8s (`watch.pane`) do not fit into `watch.lookback`, 2m",
        ),
        (
            "[watch]\nbaseline_windows = 2",
            "`watch.min_baseline_windows` is 3 and `watch.baseline_windows` only 2",
        ),
        (
            "[receive]\nmax_connections = 1_000",
            "`receive.max_connections_per_address` is 1024 and `receive.max_connections` only 1000",
        ),
    ] {
        let found = messages(text);
        assert!(found.starts_with("line ") && found.contains(&format!(": {expect}; ")), "{found}");
        assert_eq!(found.lines().count(), 1, "{found}");
    }
    let pane = "[watch]\npane = \"3m\"\nbaseline_window = \"3m\"\nof = 1\nagree = 1";
    assert!(messages(pane).contains("1 windows (`watch.of`) of 3m (`watch.pane`) do not"));
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_lines() {
    let text = r#"
colour = "red"
[receive]
grcp = "127.0.0.1:4317"
max_body = "64"
tokens = ["short", "${env:NOT_SET}"]
http = "0.0.0.0:4318"
[receive.tls]
key = "k.pem"
[assemble]
settle = "8s"
max_age = "0s"
[api]
listen = 4320
[forward]
endpoint = "http://127.0.0.1:4317"
[store]
folder = ""
sync = "11s"
"#;
    let errors = read_in_test(text).expect_err("mistakes");
    let shown = errors.to_string();
    assert!(
        shown.starts_with("read the configuration resus.toml: 12 mistakes\n  line 2: "),
        "{shown}"
    );
    let lines: Vec<u32> = errors.mistakes.iter().filter_map(|mistake| mistake.line).collect();
    // Of line 7 (plain text) nothing is said before TLS is right, of line 12 (order) nothing before
    // its value is.
    assert_eq!(lines, [2, 4, 5, 6, 6, 9, 11, 12, 14, 16, 18, 19], "{shown}");
}

#[test]
fn what_is_wrong_by_itself_is_not_held_against_others() {
    check(
        "[receive]\nmax_body = \"9GiB\"\nmax_in_flight = \"1MiB\"",
        "line 2: `receive.max_body` is \"9GiB\"; expected a size, `1KiB` to `1GiB`",
    );
    check(
        "[receive]\nhttp = \"0.0.0.0:9\"\nallow_plain_beyond_loopback = \"yes\"",
        "line 3: `receive.allow_plain_beyond_loopback` is \"yes\"; expected `true` or `false`",
    );
}

#[test]
fn one_mistake_is_one() {
    let errors = read_in_test("x = 1").expect_err("a mistake");
    assert!(errors.to_string().starts_with("read the configuration resus.toml: 1 mistake\n"));
}

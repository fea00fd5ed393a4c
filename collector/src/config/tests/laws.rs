//! What holds for every text.

use proptest::prelude::*;

use super::*;

/// Pieces of which files with many near misses are made.
fn pieces() -> impl Strategy<Value = String> {
    let known: Vec<String> = print(&Config::standard()).lines().map(str::to_owned).collect();
    let odd = [
        "[receive",
        "[[receive]]",
        "[receive.tls.x]",
        "x = ",
        "= 1",
        "\"${env:",
        "'''",
        "\"\"\"",
        "tokens = [\"${file:/x}\"]",
        "headers = { a = 1 }",
        "grpc = \"[::]:1\"",
        "http = \":\"",
        "cut = nan",
        "pane = \"99999999999999999999d\"",
        "max_body = \"99999999999999999999B\"",
        "folder = \"${}\"",
        "endpoint = \"http://[\"",
        "endpoint = \"https://:\"",
        "\u{0}",
        "é = 1",
        "baseline = 9999-12-31T23:59:60Z",
        "of = -9223372036854775808",
        "\r",
        "\u{feff}",
        "[forward.headers]",
        "\"\" = \"\"",
    ];
    let line = prop_oneof![
        4 => proptest::sample::select(known),
        2 => proptest::sample::select(odd.map(str::to_owned).to_vec()),
        1 => "\\PC{0,20}",
    ];
    proptest::collection::vec(line, 0..30).prop_map(|lines| lines.join("\n"))
}

/// Configurations that differ from the standard in texts of every kind.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["[^\\p{Cc}]{1,30}", "[$\\{\\}env:\"'\\\\]{1,12}"]
}

proptest! {
    #[test]
    fn no_text_panics_and_every_mistake_has_its_line(text in pieces()) {
        let lines = u32::try_from(text.lines().count().max(1)).unwrap_or(u32::MAX);
        if let Err(errors) = read_in_test(&text) {
            prop_assert!(!errors.mistakes.is_empty());
            for mistake in &errors.mistakes {
                // A file that ends too early is told on the line after its last.
                prop_assert!(mistake.line.is_some_and(|line| (1..=lines + 1).contains(&line)));
                prop_assert!(!mistake.to_string().contains(CANARY));
            }
            prop_assert!(errors.mistakes.is_sorted_by_key(|mistake| mistake.line));
        }
    }

    #[test]
    fn no_bytes_panic(text in any::<String>()) {
        let _ = read_in_test(&text);
        for value in [format!("{text:?}"), toml::Value::from(text.as_str()).to_string()] {
            for key in ["receive.grpc", "receive.max_body", "store.sync", "store.folder",
                "watch.pane", "forward.endpoint", "forward.headers.x", "tree.file"] {
                let _ = read_in_test(&format!("{key} = {value}"));
            }
        }
    }

    #[test]
    fn what_is_printed_reads_back(
        path in texts(), name in texts(), ms in 10_u64..3_600_000, bytes in 1_u64 << 10..1 << 26,
        cut in 0.0..=1.0, port: u16, exponent in 2..=19_i32,
    ) {
        let mut config = Config::standard();
        config.store.folder = PathBuf::from(&path);
        config.tree = Some(PathBuf::from(&path));
        config.receive.tls = Some(tls::Tls {
            certificate: PathBuf::from(&path),
            key: PathBuf::from(&name),
            client_ca: None,
        });
        config.metrics.gauges = vec![name.clone(), format!("{name}.")];
        config.telemetry.service_name = name;
        config.receive.header_timeout = std::time::Duration::from_millis(ms.clamp(100, 300_000));
        config.receive.max_body = bytes;
        config.diagnose.cut = cut;
        config.receive.grpc = None;
        config.receive.http = Listen::parse(&format!("[2001:db8::1]:{port}"));
        config.forward.endpoint = Endpoint::parse(&format!("https://example.com:{}/x", port.max(1))).ok();
        config.watch.baseline = Some(PathBuf::from(&path));
        config.watch.significance = 10_f64.powi(-exponent);
        let printed = print(&config);
        match read_in_test(&printed) {
            Ok(back) => prop_assert_eq!(back, config),
            Err(errors) => prop_assert!(false, "failed to {}\n{}", errors, printed),
        }
    }

    #[test]
    fn sizes_read_back(bytes: u64) {
        prop_assert_eq!(size::parse(&size::show(bytes)), Some(bytes));
    }

    #[test]
    fn escaped_texts_resolve_to_themselves(text in "[$\\{\\}env:A-]{0,20}") {
        let outside = Outside { environment: &|_| None, read_file: &|_| Ok(String::new()) };
        prop_assert_eq!(reference::resolve(&reference::escape(&text), outside, true), Ok(text));
    }
}

#[test]
fn printing_twice_is_printing_once() {
    let printed = print(&Config::standard());
    assert_eq!(print(&good(&printed)), printed);
}

#[test]
fn what_is_printed_reads_back_once_the_secrets_are_put_in() {
    let config = good(
        "[api]\ntokens = [\"${env:TOKEN}\"]\n[forward.headers]\nx-key = \"${env:TOKEN}\"\n\
         \"a.b\" = \"${env:TOKEN}\"",
    );
    let printed = print(&config);
    assert_eq!(good(&printed.replace("***", "${env:TOKEN}")), config);
    // As it is, it would let in whoever says `***`.
    assert_eq!(messages(&printed).lines().count(), 3);
}

#[test]
fn naughty_texts_stay_texts() {
    for text in [
        "../../etc/passwd",
        "'; DROP TABLE spans; --",
        "$(touch x)",
        "`id`",
        "%s%n",
        "\u{202e}abc",
        "ＡＢＣ",
        "👩‍👩‍👧",
        "${env:TOKEN",
        "$${env:TOKEN}",
        "\\",
        "\"",
        "'''",
        "\"\"\"",
        "#",
        "=",
        "[receive]",
        "a\tb",
        "-rf",
        "null",
        "true",
        "0x10",
        "NaN",
    ] {
        let mut config = Config::standard();
        config.metrics.gauges = vec![text.replace('\t', " ")];
        config.store.folder = PathBuf::from(text.replace('\t', " "));
        let printed = print(&config);
        assert_eq!(good(&printed), config, "{text}");
    }
}

proptest! {
    #[test]
    fn slips_around_a_secret_do_not_show_it(
        at in 0_usize..200, slip in "[\\[\\]{}\"'=,.#\n $\\\\-]{1,3}", which in 0_usize..4,
    ) {
        let file = [
            format!("[receive]\ntokens = [\"{CANARY}\", \"x\"]"),
            format!("[forward]\nheaders = {{ authorization = \"Bearer {CANARY}\" }}"),
            format!("[telemetry.headers]\nx = '{CANARY} '"),
            format!("[api]\ntokens = [\"\"\"{CANARY}\n\"\"\"]"),
        ][which].clone();
        let mut text = file;
        let at = at % (text.len() + 1);
        text.insert_str(at, &slip);
        if let Err(errors) = read_in_test(&text) {
            prop_assert!(!errors.to_string().contains(CANARY), "{}\n{}", text, errors);
        }
    }
}

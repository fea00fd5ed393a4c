//! Files in, configurations or messages out.

mod documents;
mod laws;
mod mistakes;
mod references;

use std::io;
use std::path::Path;

use super::address::{Endpoint, Listen};
use super::forward::{Compression, Signal};
use super::*;

/// A secret that no message may hold.
const CANARY: &str = "canary-4f6a1b9c2d7e";

/// Reads a file in a small world of variables and files.
fn read_in_test(text: &str) -> Result<Config, ConfigErrors> {
    let environment = |name: &str| match name {
        "TOKEN" => Some(CANARY.to_owned()),
        "FOLDER" => Some("spans".to_owned()),
        "EMPTY" => Some(String::new()),
        "NESTED" => Some("${env:FOLDER}".to_owned()),
        "SHORT" => Some("hunter2".to_owned()),
        _ => None,
    };
    let read_file = |path: &Path| match path.to_str() {
        Some("/run/secrets/token") => Ok(format!("{CANARY}\n")),
        Some("/run/secrets/windows") => Ok(format!("{CANARY}\r\n")),
        Some("/run/secrets/two-lines") => Ok(format!("{CANARY}\n{CANARY}\n")),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    read(text, "resus.toml", &environment, &read_file)
}

#[track_caller]
fn good(text: &str) -> Config {
    read_in_test(text).unwrap_or_else(|errors| panic!("failed to {errors}"))
}

/// The messages, one a line, without the head line.
#[track_caller]
fn messages(text: &str) -> String {
    let errors = read_in_test(text).expect_err("a mistake");
    let lines: Vec<String> = errors.mistakes.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn nothing_written_is_the_standard() {
    assert_eq!(good(""), Config::standard());
    assert_eq!(good("[receive]\n[receive.tls]\n[store]\n[api.tls]\n"), Config::standard());
    assert_eq!(good("\u{feff}[store]\r\nfolder = \"resus-data\"\r\n"), Config::standard());
}

#[test]
fn every_kind_of_value_is_taken_over() {
    let config = good(
        r#"
        [receive]
        grpc = ""
        http = "[::1]:0"
        tokens = ["0123456789abcdef", "${env:TOKEN}"]
        max_body = "2kB"
        max_connections_per_address = 0x40
        header_timeout = "1m30s"
        [store]
        folder = "/var/lib/resus"
        sync = "none"
        retain_bytes = "20GB"
        [rules]
        http_4xx = "fail"
        verbatim_operations = true
        [watch]
        significance = 1e-6
        baseline = "healthy.evidence"
        [diagnose]
        coefficient = "simple-matching"
        spread_factor = 4
        min_effect = 5e-2
        [metrics]
        gauges = ["process.memory.usage", "queue \"a\""]
        [forward]
        endpoint = "https://Example.com/otlp/"
        "#,
    );
    assert_eq!(config.receive.grpc, None);
    assert_eq!(config.receive.http, Listen::parse("[::1]:0"));
    let tokens: Vec<&str> = config.receive.tokens.iter().map(|token| token.expose()).collect();
    assert_eq!(tokens, ["0123456789abcdef", CANARY]);
    assert_eq!(config.receive.max_body, 2_000);
    assert_eq!(config.receive.max_connections_per_address, 64);
    assert_eq!(config.receive.header_timeout.as_secs(), 90);
    assert_eq!(config.store.folder, Path::new("/var/lib/resus"));
    assert_eq!(config.store.sync, None);
    assert_eq!(config.store.retain_bytes, 20_000_000_000);
    assert_eq!(config.rules.client_errors, resus_model::ClientErrors::Fail);
    assert!(!config.rules.template_operations);
    assert_eq!(config.watch.baseline.as_deref(), Some(Path::new("healthy.evidence")));
    assert!((config.watch.significance - 1e-6).abs() < 1e-15);
    assert_eq!(config.diagnose.coefficient, resus_suspects::Coefficient::SimpleMatching);
    assert!((config.diagnose.spread_factor - 4.0).abs() < 1e-9);
    assert!((config.diagnose.min_effect - 0.05).abs() < 1e-9);
    assert_eq!(config.metrics.gauges, ["process.memory.usage", "queue \"a\""]);
    let endpoint = config.forward.endpoint.expect("an endpoint is given");
    assert_eq!(endpoint.to_string(), "https://example.com/otlp");
    assert_eq!((endpoint.port, endpoint.path.as_str()), (443, "/otlp"));
}

#[test]
fn sections_that_are_off_or_shared() {
    let config = good("receive = { grpc = \"localhost:4318\", http = \"LOCALHOST:4318\" }");
    assert_eq!(config.receive.grpc, config.receive.http, "both protocols on one listener");
    let config = good("[receive]\ngrpc = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"");
    assert_eq!(config.receive.grpc, Listen::parse("127.0.0.1:0"), "two free ports are two ports");
    let text = "[receive]\nhttp = \"0.0.0.0:4318\"\ngrpc = \"10.0.0.1:4317\"\n[receive.tls]\n\
                certificate = \"c.pem\"\nkey = \"k.pem\"\nclient_ca = \"ca.pem\"";
    let tls = good(text).receive.tls.expect("both files are given");
    assert_eq!(tls.client_ca.as_deref(), Some(Path::new("ca.pem")));
    good("[receive]\nhttp = \"0.0.0.0:4318\"\nallow_plain_beyond_loopback = true");
    good("[api]\nlisten = \"[::]:4320\"\nallow_plain_beyond_loopback = true");
    // Where the telemetry of a cluster gathers, the same port elsewhere is the usual thing.
    good(
        "[receive]\nhttp = \"0.0.0.0:4318\"\nallow_plain_beyond_loopback = true\n\
         [forward]\nendpoint = \"http://10.0.0.9:4318\"\n[telemetry]\nendpoint = \"http://gateway:4318\"",
    );
    let config = good("[forward]\nsignals = [\"metrics\", \"traces\"]\ncompression = \"none\"");
    assert_eq!(config.forward.signals, [Signal::Traces, Signal::Metrics]);
    assert_eq!(config.forward.compression, Compression::None);
}

#[test]
fn addresses() {
    for text in
        ["127.0.0.1:4317", "[::1]:0", "localhost:65535", "a-b_c.example:1", "[::ffff:1.2.3.4]:9"]
    {
        assert_eq!(Listen::parse(text).map(|l| l.to_string()).as_deref(), Some(text));
    }
    for text in [
        "",
        ":4317",
        "4317",
        "localhost",
        "localhost:",
        "::1:4317",
        "[::1]",
        "[::1",
        "]:1",
        "[a]:1",
        "127.0.0.1:65536",
        "127.0.0.1:+1",
        "127.0.0.1:-1",
        "127.0.0.300:1",
        "1.2.3:1",
        "a..b:1",
        "-a:1",
        "a b:1",
        "http://a:1",
        "é:1",
        "127.0.0.1:4317 ",
        "a:1:2",
        "*:4317",
    ] {
        assert_eq!(Listen::parse(text), None, "{text}");
    }
    for (text, is_loopback) in [
        ("127.8.9.1:1", true),
        ("[::1]:1", true),
        ("[::ffff:127.0.0.1]:1", true),
        ("LocalHost:1", true),
        ("0.0.0.0:1", false),
        ("[::]:1", false),
        ("10.0.0.1:1", false),
        ("localhost.example.com:1", false),
    ] {
        let listen = Listen::parse(text).expect("an address");
        assert_eq!(listen.host.is_loopback(), is_loopback, "{text}");
    }
}

#[test]
fn endpoints() {
    for (text, shown) in [
        ("http://a", "http://a"),
        ("http://a:80/", "http://a"),
        ("https://a:80/x/y//", "https://a:80/x/y"),
        ("https://[::1]:4318", "https://[::1]:4318"),
        ("https://[::1]", "https://[::1]"),
        ("https://a/u@b", "https://a/u@b"),
    ] {
        assert_eq!(Endpoint::parse(text).expect("an endpoint").to_string(), shown);
    }
    for text in [
        "",
        "a:4318",
        "ftp://a",
        "http:/a",
        "http://",
        "http:///x",
        "http://a:0",
        "http://a:x",
        "http://a?x=1",
        "http://a/#b",
        "http://a b",
        "http://a/\u{e9}",
        "http://a/\"",
        "http://::1",
        "http://a\r\nx: y",
        "http://u:p@a",
        "https://u@a/x",
        "htp://u:p@a",
        "http://a/v1/traces",
        "http://a/x/v1/logs/",
    ] {
        assert!(Endpoint::parse(text).is_err(), "{text}");
    }
}

#[test]
fn sizes() {
    for (text, bytes) in [
        ("64MiB", 64 << 20),
        ("20GB", 20_000_000_000),
        ("1B", 1),
        ("0B", 0),
        ("18446744073709551615B", u64::MAX),
    ] {
        assert_eq!(size::parse(text), Some(bytes), "{text}");
        assert_eq!(size::show(bytes), text);
    }
    for text in [
        "",
        "64",
        "MiB",
        "64 MiB",
        "64mib",
        "-1B",
        "+1B",
        "1.5GiB",
        "1MiB1KiB",
        "999999999TiB",
        "１B",
    ] {
        assert_eq!(size::parse(text), None, "{text}");
    }
}

#[test]
fn secrets_are_never_shown() {
    let config = good(
        "[receive]\ntokens = [\"${env:TOKEN}\", \"${file:/run/secrets/token}\"]\n\
         [telemetry.headers]\nX-Key = \"${file:/run/secrets/windows}\"",
    );
    assert!(config.receive.tokens.iter().all(|token| token.expose() == CANARY));
    assert_eq!(config.telemetry.headers["x-key"].expose(), CANARY);
    let printed = print(&config);
    let shown = format!("{config:?} {config:#?} {} {printed}", config.receive.tokens[0]);
    assert!(!shown.contains(CANARY), "{shown}");
    assert!(printed.contains("tokens = [\"***\", \"***\"]\n"), "{printed}");
    assert!(printed.contains("headers = { x-key = \"***\" }\n"), "{printed}");
}

#[test]
fn the_words_of_every_choice_read_back() {
    for coefficient in resus_suspects::Coefficient::ALL {
        let config = good(&format!("[diagnose]\ncoefficient = \"{coefficient}\""));
        assert_eq!(config.diagnose.coefficient, coefficient);
        assert_eq!(good(&print(&config)), config);
    }
    for linkage in resus_suspects::Linkage::ALL {
        let config = good(&format!("[diagnose]\nlinkage = \"{linkage}\""));
        assert_eq!(good(&print(&config)).diagnose.linkage, linkage);
    }
    for level in ["service", "instance", "operation"] {
        let config = good(&format!("[diagnose]\nlevel = \"{level}\""));
        assert!(print(&config).contains(&format!("level = \"{level}\"\n")));
    }
}

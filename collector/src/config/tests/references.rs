//! `${env:…}` and `${file:…}`.

use super::*;

fn folder(text: &str) -> String {
    good(&format!("[store]\nfolder = '{text}'")).store.folder.display().to_string()
}

#[test]
fn variables_stand_for_their_values() {
    assert_eq!(folder("${env:FOLDER}"), "spans");
    assert_eq!(folder("/data/${env:FOLDER}/${env:FOLDER}"), "/data/spans/spans");
    assert_eq!(folder("${env:UNSET:-a b}"), "a b");
    assert_eq!(folder("${env:EMPTY:-default}"), "default");
    assert_eq!(folder("x${env:EMPTY}y"), "xy");
    assert_eq!(folder("x${env:UNSET:-}y"), "xy");
    assert_eq!(folder("${env:FOLDER:-default}"), "spans");
}

#[test]
fn what_stands_for_itself() {
    assert_eq!(folder("$${env:FOLDER}"), "${env:FOLDER}");
    assert_eq!(folder("$$${env:FOLDER}"), "$${env:FOLDER}");
    assert_eq!(folder("a$b$"), "a$b$");
    assert_eq!(folder("$$"), "$$");
    assert_eq!(folder("$FOLDER"), "$FOLDER");
    // A value is taken as it is, whatever stands in it.
    assert_eq!(folder("${env:NESTED}"), "${env:FOLDER}");
}

#[test]
fn they_work_in_every_kind_of_text() {
    let text = "[receive]\nmax_body = \"${env:A:-1MiB}\"\nheader_timeout = \"${env:A:-2s}\"\n\
                grpc = \"${env:A:-localhost}:1\"\n[rules]\nhttp_4xx = \"${env:A:-fail}\"\n\
                [metrics]\ngauges = [\"${env:FOLDER}.count\"]\n\
                [watch]\nbaseline = \"${env:EMPTY}\"";
    let config = good(text);
    assert_eq!(config.receive.max_body, 1 << 20);
    assert_eq!(config.receive.header_timeout.as_secs(), 2);
    assert_eq!(config.receive.grpc, Listen::parse("localhost:1"));
    assert_eq!(config.rules.client_errors, resus_model::ClientErrors::Fail);
    assert_eq!(config.metrics.gauges, ["spans.count"]);
}

#[test]
fn mistakes_name_the_key_and_the_variable() {
    assert_eq!(
        messages("[store]\nfolder = \"${env:ONE}/${env:TWO}\""),
        "line 2: `store.folder` needs the environment variable ONE, which is not set; set it, or \
         write a default as `${env:ONE:-default}`\n\
         line 2: `store.folder` needs the environment variable TWO, which is not set; set it, or \
         write a default as `${env:TWO:-default}`"
    );
    for text in [
        "${",
        "${}",
        "${FOLDER}",
        "${env:}",
        "${env:A B}",
        "${env:1A}",
        "${ENV:A}",
        "${file:}",
        "a${env:FOLDER",
    ] {
        let found = messages(&format!("[store]\nfolder = '{text}'"));
        assert!(found.starts_with("line 2: `store.folder` holds a `${` that begins no"), "{found}");
    }
    let found = messages("[tree]\nfile = \"${file:/run/secrets/token}\"");
    assert!(
        found.starts_with("line 2: `tree.file` reads a file, which only secrets may"),
        "{found}"
    );
    let found = messages("[receive]\ntokens = [\n  \"${file:/none}\",\n  \"${env:NONE}\",\n]");
    let [first, second] = found.lines().collect::<Vec<_>>()[..] else { panic!("{found}") };
    assert!(first.starts_with("line 3: `receive.tokens` needs the file /none, which cannot be"));
    assert!(second.starts_with("line 4: `receive.tokens` needs the environment variable NONE"));
}

#[test]
fn a_value_from_outside_is_told_with_the_reference() {
    let found = messages("[store]\nsync = \"${env:FOLDER}\"");
    assert_eq!(
        found,
        "line 2: `store.sync` is \"spans\" from \"${env:FOLDER}\"; expected a time, `1ms` to `1s`, \
         or `none`"
    );
}

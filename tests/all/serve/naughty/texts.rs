//! Texts that have broken other programs.

/// Payloads of our own; of each kind some: for shells, paths, URLs, markup, metrics, unit names, terminals,
/// scripts of other directions, characters that cannot be seen.
const OURS: [&str; 57] = [
    " ",
    "1e400",
    "0x10",
    "__overflow__",
    "__proto__",
    "unknown_service",
    "-rf",
    "--config=/etc/passwd",
    "; rm -rf / #",
    "| tee /etc/passwd",
    "$(reboot)",
    "`reboot`",
    "${env:HOME}",
    "${file:/etc/shadow}",
    "%s%n%x",
    "../../../../etc/passwd",
    "../data/log/lock",
    "/dev/null",
    "C:\\CON\\..\\x",
    "a/b?c=d#e&f",
    "%00%0a%2e%2e",
    "http://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd",
    "' OR 1=1; DROP TABLE spans; --",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<![CDATA[x]]>&lt;&#x3c;",
    "]]></style><style>*{display:none}",
    "{{constructor.constructor('alert(1)')()}}",
    "a\"} 1\nresus_evil{b=\"",
    "two\r\nlines",
    "\n# HELP resus_evil x",
    "tab\tand nul \0 end",
    "\0",
    "\u{1b}[2J\u{1b}]8;;http://x\u{7}y",
    "\u{1b}]8;;http://x\u{1b}\\y\u{1b}]8;;\u{1b}\\",
    "\u{1b}P+q544e\u{1b}\\\u{1b}[6n",
    "\u{7f}\u{85}\u{9b}31m",
    "\u{202e}tfel ot thgir",
    "\u{2066}isolated",
    "\u{2028}\u{2029}",
    "\u{feff}mark",
    "zero\u{200b}width\u{200d}",
    "\u{301}\u{20e3}",
    "Z\u{351}\u{36b}\u{343}\u{36a}\u{302}a",
    "\u{ffff}\u{fffe}\u{fdd0}\u{fffd}",
    "\u{e000}\u{10fffd}",
    "👩\u{200d}👩\u{200d}👧🏳\u{fe0f}\u{200d}🌈",
    "ＡＢＣ ﬃ ß İ",
    "ns/pod-0.service@1",
    "-.service",
    "a@b\\x2d.service",
    "kube-system/../default",
    "app in (a,b),!c",
    "a=b,c=d",
    "[section]\nkey = \"value\"",
    "{\"a\":[1,{\"b\":null}]}",
];

/// A list that others have gathered. Its head names where it comes from, and its licence.
const GATHERED: &str = include_str!("blns.txt");

/// All texts: those of the list, ours, and a long one. Each is there once.
pub(super) fn texts() -> Vec<String> {
    let gathered = GATHERED.lines().filter(|line| !line.starts_with('#'));
    let gathered = gathered.map(|line| serde_json::from_str(line).expect("a line is a string"));
    let mut all: Vec<String> = gathered.collect();
    all.extend(OURS.map(str::to_owned));
    all.push("../é\n".repeat(700));
    all.sort();
    all.dedup();
    all
}

/// Bytes that are no UTF-8: a byte that no text has, an overlong slash, half of a surrogate pair, a number
/// beyond the last character, a sequence that breaks off.
pub(super) const NO_TEXTS: [&[u8]; 5] =
    [b"\xff", b"a\xc0\xafb", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"];

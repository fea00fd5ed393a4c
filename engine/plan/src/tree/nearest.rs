//! What did they mean? The nearest word of a list to a misspelt one.

/// The word nearest to another one, if it is near enough to be a slip.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    // A third of the letters wrong is still recognised; one may be wrong in any word.
    let most = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

/// The hint for a message of a reader that lists what it knows: serde's "unknown field `x`, expected
/// one of `a`, `b`", or toml's "unexpected keys in table: x, available keys: a, b".
pub(crate) fn hint_in(message: &str) -> Option<String> {
    if message.starts_with("unknown ") {
        let mut quoted = message.split('`').skip(1).step_by(2);
        let word = quoted.next()?;
        return did_you_mean(word, quoted);
    }
    let lists = message.strip_prefix("unexpected keys in table: ")?;
    let (words, known) = lists.split_once(", available keys: ")?;
    words.split(", ").find_map(|word| did_you_mean(word, known.split(", ")))
}

/// Levenshtein's distance, a swap of neighbours counting once (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = last[j] + usize::from(a[i] != b[j]);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let kinds = ["docker", "systemd", "supervisord"];
        assert_eq!(did_you_mean("sytsemd", kinds).as_deref(), Some("systemd"));
        assert_eq!(did_you_mean("dokcer", kinds).as_deref(), Some("docker"));
        assert_eq!(did_you_mean("nomad", kinds), None);
        let message = "unknown field `servce`, expected one of `service`, `host`";
        assert_eq!(hint_in(message).as_deref(), Some("service"));
        let message = "unexpected keys in table: unti, available keys: unit";
        assert_eq!(hint_in(message).as_deref(), Some("unit"));
        assert_eq!(hint_in("missing field `rung`"), None);
    }
}

//! What an endpoint says about when to come back (RFC 9110, section 10.2.3).

use std::time::{Duration, SystemTime};

/// Whatever it says, it is asked again after so long: a date may be a mistake of a year.
const MOST: Duration = Duration::from_mins(5);

/// "At once" from whoever has just refused is not taken at its word.
const LEAST: Duration = Duration::from_secs(1);

/// How long to wait by a `Retry-After` of seconds or of a date; `None` if it is neither.
pub(crate) fn wait(value: &[u8], now: SystemTime) -> Option<Duration> {
    let text = str::from_utf8(value).ok()?.trim();
    let asked = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than a number has mean: as long as possible.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(asked.clamp(LEAST, MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_bounded() {
        // Sun, 06 Nov 1994 08:49:37 GMT, less 60 s.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 60);
        for (value, seconds) in [
            ("7", Some(7)),
            (" 120 ", Some(120)),
            ("0", Some(1)),
            ("301", Some(300)),
            ("99999999999999999999999999", Some(300)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(60)),
            ("Sun Nov  6 08:49:37 1994", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(1)),
            ("Mon, 06 Nov 1995 08:49:37 GMT", Some(300)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("+5", None),
            ("soon", None),
        ] {
            let found = wait(value.as_bytes(), now);
            assert_eq!(found, seconds.map(Duration::from_secs), "{value:?}");
        }
        assert_eq!(wait(b"\xff", now), None);
    }
}

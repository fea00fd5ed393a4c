//! Sizes as an operator writes them: `64MiB`, `512KiB`, `20GB`.

/// Bytes in a kibibyte.
pub(super) const KIB: u64 = 1 << 10;
/// Bytes in a mebibyte.
pub(super) const MIB: u64 = 1 << 20;
/// Bytes in a gibibyte.
pub(super) const GIB: u64 = 1 << 30;
/// Bytes in a tebibyte.
pub(super) const TIB: u64 = 1 << 40;

/// Units: bytes in one, and its name. From large to small, binary before decimal.
const UNITS: [(u64, &str); 9] = [
    (TIB, "TiB"),
    (GIB, "GiB"),
    (MIB, "MiB"),
    (KIB, "KiB"),
    (1_000_000_000_000, "TB"),
    (1_000_000_000, "GB"),
    (1_000_000, "MB"),
    (1_000, "kB"),
    (1, "B"),
];

/// Bytes of `64MiB`; `None` when the text is not of that form, or too large.
pub(super) fn parse(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (size, _) = UNITS.iter().find(|(_, name)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*size)
}

/// The shortest text that [`parse`] reads back.
pub(super) fn show(bytes: u64) -> String {
    UNITS
        .iter()
        .filter(|(size, _)| bytes.is_multiple_of(*size))
        .map(|(size, name)| format!("{}{name}", bytes / size))
        .min_by_key(String::len)
        .expect("every number divides by one")
}

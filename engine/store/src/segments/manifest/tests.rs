use proptest::prelude::*;

use super::*;
use crate::segments::segment::Times;

fn segment(number: u64) -> Segment {
    Segment {
        number,
        rows: 5,
        bytes: 100 + number,
        crc: 7,
        tail_from: 50,
        tail_crc: 8,
        times: Times { min_start: 1, max_start: 2, min_received: 3, max_received: 4 },
        sealed_up_to: Position { segment: number, offset: 10 },
    }
}

fn removal(number: u64) -> Change {
    Change::Remove(number, segment(number).file_name())
}

/// Changes as they come: numbers are given once, and what is removed was there.
fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec((0..3, 1..9_u64, 0..100_u64), 0..12).prop_map(|picks| {
        let mut added = 0;
        let mut changes = Vec::new();
        for (kind, n, offset) in picks {
            match kind {
                0 => changes.push(Change::Sealed(Position { segment: n, offset })),
                1 => {
                    added += 1;
                    changes.push(Change::Add(segment(added)));
                }
                _ if n <= added => changes.push(removal(n)),
                _ => changes.push(Change::Mark),
            }
        }
        changes
    })
}

fn written(changes: &[Change]) -> (State, String) {
    let mut state = State::default();
    let mut text = state.to_text();
    for change in changes {
        text += &change.to_line();
        state.apply(change.clone());
    }
    (state, text)
}

proptest! {
    #[test]
    fn lines_appended_and_a_manifest_written_anew_say_the_same(
        changes in changes()
    ) {
        let (state, text) = written(&changes);
        prop_assert_eq!(read(text.as_bytes()), (state.clone(), Condition::Whole));
        let anew = state.to_text();
        let lines = anew.lines().filter(|line| !line.is_empty());
        prop_assert_eq!(lines.count(), state.lines());
        prop_assert_eq!(read(anew.as_bytes()), (state, Condition::Whole));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (state, _) = read(&bytes);
        prop_assert_eq!(state, State::default());
    }
}

#[test]
fn cut_off_anywhere_the_whole_lines_count() {
    let (_, text) = written(&[Change::Add(segment(1)), Change::Add(segment(2)), removal(1)]);
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    for length in 0..text.len() {
        let (state, condition) = read(&text.as_bytes()[..length]);
        let Some(last) = ends.iter().rposition(|&end| end <= length) else {
            assert_eq!((state, condition), (State::default(), Condition::Damaged), "{length}");
            continue;
        };
        let torn = length - ends[last];
        let expected = if torn == 0 { Condition::Whole } else { Condition::Torn(torn) };
        assert_eq!(condition, expected, "{length}");
        assert_eq!(state, read(&text.as_bytes()[..ends[last]]).0, "{length}");
    }
    // What a crash leaves behind the last line may be zeros.
    let zeros = text + &"\0".repeat(700);
    assert_eq!(read(zeros.as_bytes()).1, Condition::Torn(700));
}

#[test]
fn a_flipped_bit_before_the_last_mark_is_no_torn_write() {
    let changes = [Change::Add(segment(1)), Change::Add(segment(2)), Change::Add(segment(3))];
    let (all, text) = written(&changes);
    let text = text + &Change::Mark.to_line();
    let mark = text.trim_end().rfind('\n').expect("lines") + 1;
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let (state, condition) = read(&bytes);
            assert!(state.segments.values().all(|s| all.segments[&s.number] == *s));
            if at < mark - 1 {
                assert_eq!(condition, Condition::Damaged, "{at} {bit}");
            } else {
                assert!(matches!(condition, Condition::Torn(_)), "{at} {bit}: {condition:?}");
                assert_eq!(state, all, "nothing but the mark is lost: {at} {bit}");
            }
        }
    }
}

#[test]
fn what_a_later_release_wrote_is_told() {
    let text = line("resus-segments 2") + &line("what ever");
    assert_eq!(read(text.as_bytes()).1, Condition::Future(2));
}

#[test]
fn removed_segments_were_sealed_all_the_same() {
    let (state, _) = written(&[Change::Add(segment(1)), Change::Add(segment(2)), removal(2)]);
    assert_eq!(state.sealed_up_to(), Some(Position { segment: 2, offset: 10 }));
    assert_eq!(State::default().sealed_up_to(), None);
}

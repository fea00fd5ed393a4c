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

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (1..5_u64, 0..100_u64)
            .prop_map(|(segment, offset)| Change::Sealed(Position { segment, offset })),
        (1..9_u64).prop_map(|n| Change::Add(segment(n))),
        (1..9_u64).prop_map(Change::Remove),
    ]
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
        changes in prop::collection::vec(change(), 0..12)
    ) {
        let (state, text) = written(&changes);
        prop_assert_eq!(read(text.as_bytes()), (state.clone(), Condition::Whole));
        let anew = state.to_text();
        prop_assert_eq!(anew.lines().count(), state.lines());
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
    let (_, text) = written(&[Change::Add(segment(1)), Change::Add(segment(2)), Change::Remove(1)]);
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    for length in 0..text.len() {
        let (state, condition) = read(&text.as_bytes()[..length]);
        let whole = ends.iter().rposition(|&end| end <= length);
        let Some(last) = whole else {
            assert_eq!((state, condition), (State::default(), Condition::Damaged), "{length}");
            continue;
        };
        let torn = length - ends[last];
        let expected = if torn == 0 { Condition::Whole } else { Condition::Torn(torn) };
        assert_eq!(condition, expected, "{length}");
        assert_eq!(state.to_text(), read(&text.as_bytes()[..ends[last]]).0.to_text(), "{length}");
    }
    // What a crash leaves behind the last line may be zeros.
    let zeros = text.clone() + &"\0".repeat(700);
    assert_eq!(read(zeros.as_bytes()).1, Condition::Torn(700));
}

#[test]
fn a_flipped_bit_takes_one_line() {
    let changes = [Change::Add(segment(1)), Change::Add(segment(2)), Change::Add(segment(3))];
    let (all, text) = written(&changes);
    let last = text.trim_end().rfind('\n').expect("lines") + 1;
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let (state, condition) = read(&bytes);
            if at >= last {
                assert!(matches!(condition, Condition::Torn(_)), "{at} {bit}: {condition:?}");
            } else {
                assert_eq!(condition, Condition::Damaged, "{at} {bit}");
            }
            let lost = all.segments.len() - state.segments.len();
            assert!(lost <= 2, "a line feed ties two lines together: {at} {bit}");
            assert!(state.segments.values().all(|s| all.segments[&s.number] == *s));
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
    let (state, _) = written(&[Change::Add(segment(1)), Change::Add(segment(2)), Change::Remove(2)]);
    assert_eq!(state.sealed_up_to(), Some(Position { segment: 2, offset: 10 }));
    assert_eq!(State::default().sealed_up_to(), None);
}

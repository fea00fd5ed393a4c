//! Files that are not what was written.

use super::*;
use crate::log::vfs::simulated::EIO;

/// Three segments of two traces each.
fn three() -> Simulated {
    let vfs = Simulated::default();
    let (mut segments, _) = open(&vfs);
    for n in 0..3 {
        seal(&mut segments, 6 * n..6 * n + 6).expect("room");
    }
    vfs
}

fn manifest() -> PathBuf {
    Path::new(FOLDER).join("manifest")
}

/// What is found is right, and the other segments are all there. Says whether the damaged one is.
fn check_others(segments: &Segments, damaged: u64, context: &dyn std::fmt::Debug) -> bool {
    let mut all = true;
    for n in 0..6 {
        let found = segments.spans().find_trace(trace(n), None, usize::MAX);
        let said = spelled(&found.spans);
        let expected = spelled(&batch(3 * n..3 * n + 3));
        if n / 2 + 1 == damaged && said.is_empty() {
            all = false;
        } else {
            assert_eq!(said, expected, "{context:?}: {:?}", found.unreadable);
        }
    }
    all
}

#[test]
fn a_flipped_byte_is_noticed_and_the_rest_is_readable() {
    let vfs = three();
    let whole = vfs.bytes(&file(&vfs, 2));
    for at in (0..whole.len()).step_by(61) {
        let vfs = vfs.fork();
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        vfs.put(&file(&vfs, 2), &bytes);
        let (mut segments, opened) = open(&vfs);
        assert!(!check_others(&segments, 2, &at), "byte {at}");
        if opened.quarantined.is_empty() {
            let spans = segments.spans();
            let fault = spans.verify(&spans.segments()[1]).expect_err("it is damaged");
            assert!(matches!(fault, SegmentFault::Damaged { .. }), "byte {at}: {fault}");
            let found = spans.find_trace(trace(2), None, usize::MAX);
            assert_eq!(found.unreadable[0].1.to_string(), fault.to_string(), "byte {at}");
            let aside = segments.put_aside(2).expect("room").expect("it was there");
            assert_eq!(vfs.bytes(&aside), bytes);
            assert_eq!(segments.put_aside(2).expect("room"), None);
        }
        drop(segments);
        assert!(open(&vfs).1.missing.is_empty(), "byte {at}");
    }
}

#[test]
fn without_a_manifest_a_file_is_told_from_its_footer_or_not_taken() {
    let vfs = three();
    vfs.take(&manifest());
    let whole = vfs.bytes(&file(&vfs, 2));
    for at in (0..whole.len()).step_by(61) {
        let vfs = vfs.fork();
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        vfs.put(&file(&vfs, 2), &bytes);
        let (segments, opened) = open(&vfs);
        let spans = segments.spans();
        for n in [0, 1, 4, 5] {
            let found = spans.find_trace(trace(n), None, usize::MAX);
            assert_eq!(found.spans.len(), 3, "byte {at}: {opened:?}");
        }
        assert!(spans.find_trace(trace(2), None, usize::MAX).spans.is_empty(), "byte {at}");
        assert_eq!(opened.quarantined.len(), 1, "byte {at}: {opened:?}");
    }
}

#[test]
fn a_file_cut_off_anywhere_goes_to_the_quarantine() {
    let vfs = three();
    let whole = vfs.bytes(&file(&vfs, 3));
    for length in (0..whole.len()).step_by(401) {
        let vfs = vfs.fork();
        vfs.put(&file(&vfs, 3), &whole[..length]);
        let (mut segments, opened) = open(&vfs);
        assert_eq!(opened.quarantined.len(), 1, "{length}: {opened:?}");
        assert!(matches!(opened.quarantined[0].1, SegmentFault::Size { .. }), "{length}");
        assert_eq!(vfs.bytes(&opened.quarantined[0].0).len(), length);
        check_others(&segments, 3, &length);
        // What the log still has of it is sealed again, under a new number.
        assert_eq!(segments.sealed_up_to(), Some(position(12)), "{length}");
        let again = seal(&mut segments, 12..18).expect("room").expect("spans");
        assert_eq!(again.number, 4);
        assert!(check_others(&segments, 0, &length));
    }
}

#[test]
fn a_missing_file_is_told() {
    let vfs = three();
    vfs.take(&file(&vfs, 1));
    let (segments, opened) = open(&vfs);
    assert_eq!(opened.missing, [1]);
    assert_eq!(segments.sealed_up_to(), Some(position(18)));
    assert!(!check_others(&segments, 1, &"missing"));
    drop(segments);
    assert!(open(&vfs).1.missing.is_empty(), "it is told once");
}

#[test]
fn a_file_that_can_not_be_read_now_may_be_readable_next_time() {
    let vfs = three();
    let mut left_alone = 0;
    for n in 1..40 {
        let vfs = vfs.fork();
        vfs.fail_at(n, 1, EIO);
        let Ok((segments, opened)) = try_open(&vfs) else { continue };
        left_alone += opened.notes.iter().filter(|note| note.contains("left alone")).count();
        drop(segments);
        vfs.heal();
        let (segments, opened) = open(&vfs);
        assert!(opened.quarantined.is_empty() && opened.missing.is_empty(), "{n}: {opened:?}");
        assert!(check_others(&segments, 0, &n));
    }
    assert!(left_alone > 3, "{left_alone}");
}

#[test]
fn a_damaged_manifest_is_made_up_for_by_the_files() {
    let vfs = three();
    let whole = vfs.bytes(&manifest());
    for at in (0..whole.len()).step_by(5) {
        let vfs = vfs.fork();
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        vfs.put(&manifest(), &bytes);
        let (segments, opened) = open(&vfs);
        let told = opened.notes.len() + opened.quarantined.len();
        assert!(told > 0, "{at}");
        assert!(opened.removed.is_empty(), "{at}: {opened:?}");
        assert!(check_others(&segments, 0, &(at, &opened)));
        assert_eq!(segments.sealed_up_to(), Some(position(18)), "{at}");
        drop(segments);
        let opened = open(&vfs).1;
        assert!(opened.notes.is_empty() && opened.quarantined.is_empty(), "{at}: {opened:?}");
    }
}

#[test]
fn a_lost_manifest_is_made_up_for_by_the_files() {
    let vfs = three();
    vfs.take(&manifest());
    let (segments, opened) = open(&vfs);
    assert!(check_others(&segments, 0, &opened));
    assert_eq!(segments.sealed_up_to(), Some(position(18)));
    for segment in segments.spans().segments() {
        segments.spans().verify(segment).expect("its figures were found out");
    }
}

#[test]
fn a_manifest_cut_off_anywhere_opens() {
    let vfs = three();
    let whole = vfs.bytes(&manifest());
    for length in 0..whole.len() {
        let vfs = vfs.fork();
        vfs.put(&manifest(), &whole[..length]);
        let (segments, opened) = open(&vfs);
        // A file whose line is gone is taken for what a crash left: spans from where the rest ends
        // are sealed again. If the first line is not whole, the files are asked.
        let sealed = segments.sealed_up_to().map_or(0, |position| position.offset);
        assert_eq!(sealed, 6 * segments.status().segments as u64, "{length}: {opened:?}");
        assert_eq!(opened.removed.len(), 3 - segments.status().segments, "{length}: {opened:?}");
    }
}

#[test]
fn what_a_crash_left_goes_and_what_nobody_left_is_kept() {
    let vfs = three();
    let old = vfs.bytes(&manifest());
    let (mut segments, _) = open(&vfs);
    seal(&mut segments, 18..24).expect("room");
    drop(segments);
    // A file beyond what the manifest says is sealed: its spans are in the log still.
    let beyond = vfs.fork();
    beyond.put(&manifest(), &old);
    assert_eq!(open(&beyond).1.removed, [file(&vfs, 4)]);
    // A file within what the manifest says can't be left by a crash.
    let path = file(&vfs, 1);
    let stranger = path.to_str().expect("ASCII").replacen("0001-", "0009-", 1);
    vfs.put(Path::new(&stranger), &vfs.bytes(&path));
    let (mut segments, opened) = open(&vfs);
    assert_eq!(opened.quarantined.len(), 1, "{opened:?}");
    assert!(opened.removed.is_empty());
    assert_eq!(sealed(&segments, 8).len(), 24);
    let next = seal(&mut segments, 24..25).expect("room").expect("spans");
    assert_eq!(next.number, 10, "no number is given twice");
}

#[test]
fn strangers_are_left_alone_and_told() {
    let vfs = three();
    vfs.put(&Path::new(FOLDER).join("notes.txt"), b"mine");
    vfs.put(&Path::new(FOLDER).join("00000000000000000042.tmp"), b"half");
    let (_segments, opened) = open(&vfs);
    assert_eq!(opened.notes.len(), 1, "{opened:?}");
    assert_eq!(opened.removed.len(), 1, "{opened:?}");
    assert_eq!(vfs.bytes(&Path::new(FOLDER).join("notes.txt")), b"mine");
}

#[test]
fn a_manifest_of_a_later_release_is_refused() {
    let vfs = three();
    let body = "resus-segments 2";
    let text = format!("{:08x} {body}\n", crc32fast::hash(body.as_bytes()));
    vfs.put(&manifest(), text.as_bytes());
    let error = try_open(&vfs).expect_err("it is of a later release");
    assert!(error.to_string().contains("version 2"), "{error}");
    assert_eq!(vfs.bytes(&manifest()), text.as_bytes());
}

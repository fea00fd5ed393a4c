//! Sequences of everything that can happen to a log, beside a model of what it owes.

use proptest::prelude::*;

use super::{
    super::{
        ReadLogError,
        release::release,
        vfs::simulated::{EIO, ENOSPC},
    },
    *,
};

#[derive(Debug, Clone)]
enum Action {
    /// Append so many records in one go.
    Append(u32),
    /// The power goes, and the log is opened again.
    PowerCut(Cut),
    /// The power goes in the middle of the n-th operation from now.
    CutLater(u64, Cut),
    /// The process dies, and the log is opened again.
    Kill,
    /// The log is closed and opened again.
    Reopen,
    /// Some operations fail, from the n-th on from now.
    Fail { n: u64, count: u64, full: bool },
    /// Records up to that share of those acknowledged are released.
    Release(u8),
    /// The log is closed, a byte changed in the record at that share of those kept, and opened.
    Damage(u8, u8),
    /// All that is there is read.
    Read,
}

fn cut() -> impl Strategy<Value = Cut> {
    prop_oneof![
        Just(Cut::Drop),
        Just(Cut::Keep),
        (prop_oneof![Just(512), Just(4096)], any::<u64>())
            .prop_map(|(sector, seed)| Cut::Tear { sector, seed }),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (1_u32..6).prop_map(Action::Append),
        1 => cut().prop_map(Action::PowerCut),
        2 => (1_u64..40, cut()).prop_map(|(n, cut)| Action::CutLater(n, cut)),
        1 => Just(Action::Kill),
        1 => Just(Action::Reopen),
        1 => (1_u64..10, 1_u64..6, any::<bool>())
            .prop_map(|(n, count, full)| Action::Fail { n, count, full }),
        1 => any::<u8>().prop_map(Action::Release),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(record, byte)| Action::Damage(record, byte)),
        1 => Just(Action::Read),
    ]
}

/// What the log owes, and what it is.
struct Model {
    options: LogOptions,
    vfs: Simulated,
    bench: Option<Bench>,
    appended: u32,
    /// Records that were acknowledged or replayed, neither released nor damaged.
    owed: BTreeMap<u32, Position>,
    /// What becomes of unsynced writes if the power is gone.
    pending_cut: Cut,
    /// No operation was made to fail. After a sync that fails the system may show bytes that a
    /// later sync does not write.
    honest: bool,
}

impl Model {
    fn new(options: LogOptions) -> Self {
        let vfs = Simulated::default();
        let bench = Some(Bench::open(&vfs, options).expect("the log opens"));
        Self {
            options,
            vfs,
            bench,
            appended: 0,
            owed: BTreeMap::new(),
            pending_cut: Cut::Drop,
            honest: true,
        }
    }

    fn bench(&mut self) -> &mut Bench {
        self.bench.as_mut().expect("open between actions")
    }

    fn open(&mut self) {
        self.vfs.heal();
        let bench = Bench::open(&self.vfs, self.options).expect("the log opens");
        check_replay(&bench.replayed, &self.owed, self.appended, &bench.recovery);
        if self.honest {
            // What was replayed has to stay.
            self.owed.extend(bench.replayed.iter().map(|&(position, id)| (id, position)));
        }
        self.bench = Some(bench);
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Append(n) => {
                let first = self.appended;
                self.appended += n;
                self.bench().append(first..first + n);
                let acknowledged = self.bench().acknowledged();
                self.owed.extend(acknowledged.range(first..));
            }
            Action::PowerCut(cut) => {
                self.bench = None;
                self.vfs.power_cut(cut);
                self.open();
            }
            Action::CutLater(n, cut) => {
                self.vfs.cut_at(n);
                self.pending_cut = cut;
            }
            Action::Kill => {
                self.bench = None;
                self.vfs.kill();
                self.open();
            }
            Action::Reopen => self.reopen(|_, _| {}),
            Action::Fail { n, count, full } => {
                self.vfs.fail_at(n, count, if full { ENOSPC } else { EIO });
                self.honest = false;
            }
            Action::Release(share) => {
                let Some(before) = self.nth_owed(share) else { return };
                let _ = release(&self.bench().shared, before);
                self.owed.retain(|_, position| *position >= before);
            }
            Action::Damage(record, byte) => {
                let Some(place) = self.nth_owed(record) else { return };
                self.reopen(|vfs, owed| {
                    let path = segment_path(place.segment);
                    let mut bytes = vfs.bytes(&path);
                    let at = place.offset as usize + usize::from(byte) % 24;
                    bytes[at] ^= 0x10;
                    vfs.put(&path, &bytes);
                    owed.retain(|_, position| *position != place);
                });
            }
            Action::Read => {
                self.vfs.heal();
                let mut reader = self.bench().reader(Position::START);
                let mut read = BTreeMap::new();
                loop {
                    match reader.next() {
                        Ok(Some((position, bytes))) => {
                            assert!(read.insert(id_of(&bytes), position).is_none());
                        }
                        Ok(None) => break,
                        Err(error) => {
                            let damaged = matches!(error, ReadLogError::Damaged { .. });
                            assert!(damaged || self.vfs.is_off(), "{error}");
                            if self.vfs.is_off() {
                                return;
                            }
                        }
                    }
                }
                for (id, position) in &self.owed {
                    assert_eq!(read.get(id), Some(position), "record {id} can be read");
                }
            }
        }
    }

    /// Closes, lets something happen to the files, and opens.
    fn reopen(&mut self, change: impl FnOnce(&Simulated, &mut BTreeMap<u32, Position>)) {
        // Without faults, so that the last mark is durable: that is what tells damage from a torn
        // write.
        self.vfs.heal();
        self.bench.take().expect("open between actions").close();
        if self.vfs.is_off() {
            self.vfs.power_cut(self.pending_cut);
        } else {
            self.vfs.kill();
            change(&self.vfs, &mut self.owed);
        }
        self.open();
    }

    /// Without faults, a log that owes nothing takes a record.
    fn check_room(&mut self) {
        self.vfs.heal();
        let end = self.bench().shared.status().end;
        release(&self.bench().shared, end).expect("released");
        self.owed.clear();
        // The first may find it failing.
        for _ in 0..2 {
            self.act(&Action::Append(1));
        }
        let last = self.appended - 1;
        let status = self.bench().shared.status();
        assert!(self.owed.contains_key(&last), "record {last} is taken: {status:?}");
    }

    fn nth_owed(&self, share: u8) -> Option<Position> {
        let nth = self.owed.len() * usize::from(share) / 256;
        self.owed.values().nth(nth).copied()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_log_has_what_it_owes(
        actions in proptest::collection::vec(action(), 1..40),
        segments in prop_oneof![Just(1), Just(2), Just(100)],
    ) {
        let max_bytes = segments * SMALL.segment_bytes;
        let mut model = Model::new(LogOptions { max_bytes, ..SMALL });
        for action in &actions {
            model.act(action);
            if model.vfs.is_off() {
                model.bench = None;
                model.vfs.power_cut(model.pending_cut);
                model.open();
            }
        }
        model.bench = None;
        model.vfs.power_cut(Cut::Drop);
        model.open();
        model.check_room();
        model.bench = None;
        model.vfs.power_cut(Cut::Drop);
        model.open();
    }
}

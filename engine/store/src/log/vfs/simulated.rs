//! A file system in memory that forgets what was not synced when the power is cut.
//!
//! It knows two states: the live one, which whoever runs sees, and the durable one. In between are
//! the writes of each file and the changes of each folder since their last sync. A power cut lets
//! each of these survive or not, sector by sector and in any order; a sync that fails loses them
//! for good, and the next one that succeeds does not bring them back.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{self, ErrorKind, IoSlice},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, Weak},
};

use super::{Lock, Vfs, VfsFile};

/// "Input/output error", as the system numbers it.
pub(crate) const EIO: i32 = 5;
/// "Interrupted system call".
const EINTR: i32 = 4;
/// "No space left on device".
pub(crate) const ENOSPC: i32 = 28;

/// What becomes of unsynced writes when the power is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// All are lost.
    Drop,
    /// All survive.
    Keep,
    /// Each sector of so many bytes and each change of a name survives or does not.
    Tear { sector: u64, seed: u64 },
}

#[derive(Debug, Clone)]
enum Write {
    Append { offset: u64, bytes: Vec<u8> },
    Truncate(u64),
}

#[derive(Debug, Clone, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Write>,
}

/// A name that changed: what was it, and what is it now?
#[derive(Debug, Clone)]
struct Change {
    folder: PathBuf,
    gone: Option<PathBuf>,
    made: Option<(PathBuf, u64)>,
}

#[derive(Debug, Clone, Default)]
struct World {
    inodes: BTreeMap<u64, Inode>,
    live: BTreeMap<PathBuf, u64>,
    durable: BTreeMap<PathBuf, u64>,
    unsynced: Vec<Change>,
    locks: BTreeMap<PathBuf, Weak<()>>,
    /// Goes up with each power cut: older handles are dead.
    life: u64,
    operations: u64,
    cut_at: Option<u64>,
    off: bool,
    /// From which operation on, how many, with which error of the system.
    fault: Option<(u64, u64, i32)>,
    /// Bytes that fit on the disk.
    capacity: Option<u64>,
    /// Writes take only a part of what they are given.
    short_writes: bool,
    /// Every other read is interrupted; whether the next one is.
    interrupted_reads: Option<bool>,
    /// Bytes that nobody is said to read soon.
    cooled: u64,
}

/// What an operation does.
#[derive(PartialEq, Eq)]
enum Effect {
    /// All that it should.
    Whole,
    /// A part, and then the power is gone or the error comes.
    Part(i32),
}

/// The file system; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Simulated(Arc<Mutex<World>>);

impl Simulated {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().expect("no test panics while it holds the file system")
    }

    /// A file system of its own in the same state.
    pub(crate) fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.world().clone())))
    }

    /// Operations since the power came back.
    pub(crate) fn operations(&self) -> u64 {
        self.world().operations
    }

    /// The power goes in the middle of the n-th operation from now on, from 1.
    pub(crate) fn cut_at(&self, n: u64) {
        let mut world = self.world();
        world.cut_at = Some(world.operations + n);
    }

    /// Whether the power is gone.
    pub(crate) fn is_off(&self) -> bool {
        self.world().off
    }

    /// The n-th operation from now on fails, from 1, and so do those after it, `count` in all.
    pub(crate) fn fail_at(&self, n: u64, count: u64, error: i32) {
        let mut world = self.world();
        world.fault = Some((world.operations + n, count, error));
    }

    /// No operation fails any more.
    pub(crate) fn heal(&self) {
        let mut world = self.world();
        (world.fault, world.capacity) = (None, None);
    }

    /// The disk has so many bytes, beyond those that are in use.
    pub(crate) fn leave_space(&self, bytes: u64) {
        let mut world = self.world();
        world.capacity = Some(world.used() + bytes);
    }

    /// Writes take only a part of what they are given.
    pub(crate) fn write_short(&self) {
        self.world().short_writes = true;
    }

    /// How many bytes nobody is said to read soon.
    pub(crate) fn cooled(&self) -> u64 {
        self.world().cooled
    }

    /// Every other read is interrupted by a signal, from the next one on.
    pub(crate) fn interrupt_reads(&self) {
        self.world().interrupted_reads = Some(true);
    }

    /// The power goes, if it is not gone yet, and comes back.
    pub(crate) fn power_cut(&self, cut: Cut) {
        let mut world = self.world();
        let mut dice = Dice(if let Cut::Tear { seed, .. } = cut { seed } else { 0 });
        for change in std::mem::take(&mut world.unsynced) {
            let survives = match cut {
                Cut::Drop => false,
                Cut::Keep => true,
                Cut::Tear { .. } => dice.half(),
            };
            if survives {
                change.apply(&mut world.durable);
            }
        }
        for inode in world.inodes.values_mut() {
            for write in std::mem::take(&mut inode.unsynced) {
                match cut {
                    Cut::Drop => {}
                    Cut::Keep => write.apply(&mut inode.durable),
                    Cut::Tear { sector, .. } => write.tear(&mut inode.durable, sector, &mut dice),
                }
            }
            inode.live.clone_from(&inode.durable);
        }
        world.live = world.durable.clone();
        world.restart();
    }

    /// The process dies; the system lives on.
    pub(crate) fn kill(&self) {
        self.world().restart();
    }

    /// The names of the files in a folder.
    pub(crate) fn names(&self, folder: &Path) -> Vec<String> {
        let world = self.world();
        let inside = world.live.keys().filter(|path| path.parent() == Some(folder));
        inside.map(|p| p.file_name().expect("a file").to_str().expect("ASCII").to_owned()).collect()
    }

    /// The bytes of a file.
    pub(crate) fn bytes(&self, path: &Path) -> Vec<u8> {
        let world = self.world();
        let inode = world.live.get(path).unwrap_or_else(|| panic!("no {}", path.display()));
        world.inodes[inode].live.clone()
    }

    /// Puts a file there, durably.
    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) {
        let mut world = self.world();
        let id = world.add(Inode {
            live: bytes.to_vec(),
            durable: bytes.to_vec(),
            unsynced: Vec::new(),
        });
        world.live.insert(path.to_owned(), id);
        world.durable.insert(path.to_owned(), id);
    }

    /// Takes a file away, durably.
    pub(crate) fn take(&self, path: &Path) {
        let mut world = self.world();
        world.live.remove(path);
        world.durable.remove(path);
    }

    fn open_file(&self, id: u64, life: u64) -> Box<dyn VfsFile> {
        Box::new(SimulatedFile { system: self.clone(), id, life })
    }
}

impl World {
    fn restart(&mut self) {
        self.life += 1;
        self.operations = 0;
        (self.cut_at, self.off, self.fault) = (None, false, None);
        self.locks.clear();
    }

    fn add(&mut self, inode: Inode) -> u64 {
        let id = self.inodes.len() as u64;
        self.inodes.insert(id, inode);
        id
    }

    fn used(&self) -> u64 {
        self.live.values().map(|id| self.inodes[id].live.len() as u64).sum()
    }

    /// Counts an operation and says what comes of it.
    fn begin(&mut self, life: u64) -> io::Result<Effect> {
        if self.off || life != self.life {
            return Err(io::Error::other("the power is off"));
        }
        self.operations += 1;
        if self.cut_at == Some(self.operations) {
            self.off = true;
            return Ok(Effect::Part(EIO));
        }
        match self.fault {
            Some((from, count, error)) if (from..from + count).contains(&self.operations) => {
                Ok(Effect::Part(error))
            }
            _ => Ok(Effect::Whole),
        }
    }

    /// The same for an operation that happens or does not.
    fn begin_whole(&mut self, life: u64) -> io::Result<()> {
        match self.begin(life)? {
            Effect::Whole => Ok(()),
            Effect::Part(error) => Err(io::Error::from_raw_os_error(error)),
        }
    }

    fn find(&self, path: &Path) -> io::Result<u64> {
        self.live.get(path).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn change(&mut self, path: &Path, gone: Option<&Path>, made: Option<(&Path, u64)>) {
        let change = Change {
            folder: path.parent().map(Path::to_owned).unwrap_or_default(),
            gone: gone.map(Path::to_owned),
            made: made.map(|(path, id)| (path.to_owned(), id)),
        };
        change.apply(&mut self.live);
        self.unsynced.push(change);
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        if let Some(gone) = &self.gone {
            names.remove(gone);
        }
        if let Some((path, id)) = &self.made {
            names.insert(path.clone(), *id);
        }
    }
}

impl Write {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Append { offset, bytes } => put(file, *offset, bytes),
            Self::Truncate(size) => file.truncate(*size as usize),
        }
    }

    fn tear(&self, file: &mut Vec<u8>, sector: u64, dice: &mut Dice) {
        match self {
            Self::Truncate(size) if dice.half() => file.truncate(*size as usize),
            Self::Truncate(_) => {}
            Self::Append { offset, bytes } => {
                let end = offset + bytes.len() as u64;
                // The size of the file may be known to the disk before its bytes are.
                if dice.half() && (file.len() as u64) < end {
                    file.resize(end as usize, 0);
                }
                let mut at = *offset;
                while at < end {
                    let to = (at / sector * sector + sector).min(end);
                    if dice.half() {
                        let (from, to) = ((at - offset) as usize, (to - offset) as usize);
                        put(file, at, &bytes[from..to]);
                    }
                    at = to;
                }
            }
        }
    }
}

fn put(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let (from, to) = (offset as usize, offset as usize + bytes.len());
    if file.len() < to {
        file.resize(to, 0);
    }
    file[from..to].copy_from_slice(bytes);
}

/// Sebastiano Vigna's SplitMix64.
struct Dice(u64);

impl Dice {
    fn half(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) & 1 == 0
    }
}

impl Vfs for Simulated {
    fn create_folder(&self, _: &Path) -> io::Result<()> {
        let mut world = self.world();
        let life = world.life;
        world.begin_whole(life)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let life = self.world().life;
        self.world().begin_whole(life)?;
        Ok(self.names(folder).into_iter().map(OsString::from).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let mut world = self.world();
        let life = world.life;
        world.begin_whole(life)?;
        if world.live.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let id = world.add(Inode::default());
        world.change(path, None, Some((path, id)));
        drop(world);
        Ok(self.open_file(id, life))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let mut world = self.world();
        let life = world.life;
        world.begin_whole(life)?;
        let id = world.find(path)?;
        drop(world);
        Ok(self.open_file(id, life))
    }

    fn truncate(&self, path: &Path, size: u64) -> io::Result<()> {
        let mut world = self.world();
        let life = world.life;
        world.begin_whole(life)?;
        let id = world.find(path)?;
        let inode = world.inodes.get_mut(&id).expect("named");
        let write = Write::Truncate(size);
        write.apply(&mut inode.live);
        inode.unsynced.push(write);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        let life = world.life;
        world.begin_whole(life)?;
        let id = world.find(from)?;
        if from.parent() == to.parent() {
            world.change(from, Some(from), Some((to, id)));
        } else {
            world.change(to, None, Some((to, id)));
            world.change(from, Some(from), None);
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        let life = world.life;
        world.begin_whole(life)?;
        world.find(path)?;
        world.change(path, Some(path), None);
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut world = self.world();
        let life = world.life;
        world.begin_whole(life)?;
        let changes = std::mem::take(&mut world.unsynced);
        let (synced, other) = changes.into_iter().partition(|change| change.folder == folder);
        world.unsynced = other;
        let synced: Vec<Change> = synced;
        synced.iter().for_each(|change| change.apply(&mut world.durable));
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        let mut world = self.world();
        let life = world.life;
        world.begin_whole(life)?;
        if world.locks.get(path).is_some_and(|lock| lock.strong_count() > 0) {
            return Ok(None);
        }
        let lock = Arc::new(());
        world.locks.insert(path.to_owned(), Arc::downgrade(&lock));
        Ok(Some(Box::new(lock)))
    }
}

#[derive(Debug)]
struct SimulatedFile {
    system: Simulated,
    id: u64,
    life: u64,
}

impl VfsFile for SimulatedFile {
    fn size(&self) -> io::Result<u64> {
        let mut world = self.system.world();
        world.begin_whole(self.life)?;
        Ok(world.inodes[&self.id].live.len() as u64)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut world = self.system.world();
        world.begin_whole(self.life)?;
        if let Some(interrupted) = &mut world.interrupted_reads {
            *interrupted = !*interrupted;
            if !*interrupted {
                return Err(io::Error::from_raw_os_error(EINTR));
            }
        }
        let file = &world.inodes[&self.id].live;
        let rest = file.get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn append(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut world = self.system.world();
        let effect = world.begin(self.life)?;
        let mut all: Vec<u8> = bytes.iter().flat_map(|slice| slice.iter().copied()).collect();
        if let Some(capacity) = world.capacity {
            let space = capacity.saturating_sub(world.used()) as usize;
            if space == 0 && !all.is_empty() {
                return Err(io::Error::from_raw_os_error(ENOSPC));
            }
            all.truncate(space);
        }
        let part = match effect {
            Effect::Whole if world.short_writes => all.len().div_ceil(3),
            Effect::Whole => all.len(),
            Effect::Part(_) => all.len() / 2,
        };
        all.truncate(part);
        let inode = world.inodes.get_mut(&self.id).expect("open");
        let write = Write::Append { offset: inode.live.len() as u64, bytes: all };
        write.apply(&mut inode.live);
        inode.unsynced.push(write);
        match effect {
            Effect::Whole => Ok(part),
            Effect::Part(error) => Err(io::Error::from_raw_os_error(error)),
        }
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut world = self.system.world();
        let effect = world.begin(self.life)?;
        let off = world.off;
        let inode = world.inodes.get_mut(&self.id).expect("open");
        match effect {
            Effect::Whole => {
                for write in std::mem::take(&mut inode.unsynced) {
                    write.apply(&mut inode.durable);
                }
                Ok(())
            }
            Effect::Part(error) => {
                // Pages that could not be written count as clean: no later sync writes them. When
                // it was the power that went, they are torn like all others.
                if !off {
                    inode.unsynced.clear();
                }
                Err(io::Error::from_raw_os_error(error))
            }
        }
    }

    fn cool(&self, from: u64, to: u64) {
        let mut world = self.system.world();
        let durable = world.inodes[&self.id].durable.len() as u64;
        assert!(from < to && to <= durable, "{from}..{to} is cold, {durable} bytes are durable");
        world.cooled += to - from;
    }
}

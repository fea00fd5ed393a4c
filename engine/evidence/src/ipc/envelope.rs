//! Record batches ↔ the bytes of an Arrow IPC file.
//!
//! The decoder of Arrow checks what is inside arrays; where they lie is told by offsets and lengths
//! in the file that it takes on trust, and it panics on wrong ones. So these are checked here first:
//! the footer, each block within the file, each message within its block, each buffer within its
//! body, each length within what a list of the format can hold.

use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::FileDecoder;
use arrow_ipc::writer::FileWriter;
use arrow_ipc::{Block, Endianness, MetadataVersion, root_as_footer, root_as_message};
use arrow_schema::DataType;

use super::{FORMAT_VERSION, FromIpcError, ToIpcError, VERSION_KEY, schema, write};

const MAGIC: &[u8; 6] = b"ARROW1";
/// What stands before the metadata of a message.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Length of the footer and closing magic.
const TRAILER: usize = 4 + MAGIC.len();

/// Writes a batch as a file.
pub(super) fn seal(batch: &RecordBatch) -> Result<Vec<u8>, ToIpcError> {
    let mut writer = FileWriter::try_new(Vec::new(), batch.schema_ref())?;
    writer.write(batch)?;
    writer.finish()?;
    Ok(writer.into_inner()?)
}

/// Reads the batches of a file, whose columns are those of the format.
pub(super) fn open(bytes: &[u8]) -> Result<Vec<RecordBatch>, FromIpcError> {
    check_magic(bytes)?;
    let end = bytes.len() - TRAILER;
    let length = u32::from_le_bytes(std::array::from_fn(|i| bytes[end + i]));
    let from = usize::try_from(length).ok().and_then(|n| end.checked_sub(n));
    let from = from
        .filter(|&from| from >= 8)
        .ok_or_else(|| damaged(end, "the length of a footer that lies within the file"))?;
    // Aligned, whatever the alignment of the bytes that came in.
    let file = Buffer::from(bytes);
    let footer = root_as_footer(&file[from..end])
        .map_err(|e| damaged(from, &format!("a footer ({})", first_line(&e.to_string()))))?;
    let version = footer.version();
    if !matches!(version, MetadataVersion::V4 | MetadataVersion::V5) {
        return Err(damaged(from, "a footer of arrow metadata version 4 or 5"));
    }
    let schema = footer.schema().ok_or_else(|| damaged(from, "a footer with a schema"))?;
    if schema.endianness() != Endianness::Little {
        return Err(damaged(from, "little-endian numbers"));
    }
    let schema = try_fb_to_schema(schema)?;
    match schema.metadata().get(VERSION_KEY).map(String::as_str) {
        None => return Err(FromIpcError::NotEvidence),
        Some(found) if found == FORMAT_VERSION.to_string() => {}
        Some(found) => return Err(FromIpcError::Version { found: found.escape_debug().collect() }),
    }
    let empty = write::batch(&[]).expect("no evidence at all exceeds no bound");
    schema::check(empty.schema_ref().fields(), schema.fields())?;

    let mut roles = Vec::new();
    schema.fields().iter().for_each(|f| add_roles(f.data_type(), &mut roles));
    let decoder = FileDecoder::new(schema.into(), version);
    let mut batches = Vec::new();
    for block in footer.recordBatches().into_iter().flatten() {
        let at = place(block, from)?;
        let message = file.slice_with_length(at.start, at.len());
        check_message(&message, block, at.start, &roles)?;
        let batch = decoder.read_record_batch(block, &message)?;
        batches.push(batch.ok_or_else(|| damaged(at.start, "a record batch"))?);
    }
    Ok(batches)
}

fn check_magic(bytes: &[u8]) -> Result<(), FromIpcError> {
    if bytes.is_empty() {
        return Err(FromIpcError::Empty);
    }
    if !bytes.starts_with(MAGIC) {
        let found = bytes[..bytes.len().min(8)].escape_ascii();
        return Err(FromIpcError::NotArrow { found: format!("`{found}`") });
    }
    if bytes.len() < 8 + TRAILER || !bytes.ends_with(MAGIC) {
        return Err(damaged(bytes.len(), "`ARROW1` at the end"));
    }
    Ok(())
}

/// Where a block lies; it must lie before the footer.
fn place(block: &Block, footer: usize) -> Result<Range<usize>, FromIpcError> {
    let number = |n: i64| usize::try_from(n).ok();
    let bounds = number(block.offset())
        .zip(number(block.metaDataLength().into()))
        .zip(number(block.bodyLength()))
        .and_then(|((offset, metadata), body)| {
            let to = offset.checked_add(metadata)?.checked_add(body)?;
            (metadata >= 8 && to <= footer).then_some(offset..to)
        });
    bounds.ok_or_else(|| damaged(footer, "a footer whose blocks lie before it"))
}

/// What a buffer of a record batch holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// 32-bit offsets, which the decoder takes to be whole.
    Offsets,
    /// Bits of validity, or values: the decoder checks how many it needs.
    Other,
}

/// The buffers of an array, in the order of the format.
fn add_roles(data_type: &DataType, roles: &mut Vec<Role>) {
    match data_type {
        DataType::Struct(fields) => {
            roles.push(Role::Other);
            fields.iter().for_each(|f| add_roles(f.data_type(), roles));
        }
        DataType::List(item) => {
            roles.extend([Role::Other, Role::Offsets]);
            add_roles(item.data_type(), roles);
        }
        DataType::Utf8 => roles.extend([Role::Other, Role::Offsets, Role::Other]),
        _ => roles.extend([Role::Other, Role::Other]),
    }
}

/// Checks lengths and offsets in the metadata of a record batch.
fn check_message(
    message: &Buffer,
    block: &Block,
    offset: usize,
    roles: &[Role],
) -> Result<(), FromIpcError> {
    let metadata = usize::try_from(block.metaDataLength()).unwrap_or(0);
    let skipped = if message.starts_with(&CONTINUATION) { 8 } else { 4 };
    let root = root_as_message(&message[skipped..metadata])
        .map_err(|e| damaged(offset, &format!("a message ({})", first_line(&e.to_string()))))?;
    let batch = root.header_as_record_batch().ok_or_else(|| damaged(offset, "a record batch"))?;
    if batch.compression().is_some() {
        return Err(FromIpcError::Compressed);
    }
    let body = message.len() - metadata;
    let sound = |from: i64, length: i64, role: Role| {
        let range = usize::try_from(from).ok().zip(usize::try_from(length).ok());
        let within = range.and_then(|(a, b)| a.checked_add(b)).is_some_and(|end| end <= body);
        within && (role == Role::Other || length % 4 == 0)
    };
    let buffers = batch.buffers().ok_or_else(|| damaged(offset, "a list of buffers"))?;
    if buffers.len() != roles.len() {
        return Err(damaged(offset, &format!("{} buffers", roles.len())));
    }
    if !buffers.iter().zip(roles).all(|(b, role)| sound(b.offset(), b.length(), *role)) {
        return Err(damaged(offset, "whole buffers within their body"));
    }
    let mut nodes = batch.nodes().into_iter().flatten();
    let countable = |n: i64| (0..=i64::from(i32::MAX)).contains(&n);
    let sound = nodes.all(|n| countable(n.length()) && (0..=n.length()).contains(&n.null_count()));
    if !sound || !countable(batch.length()) {
        return Err(damaged(offset, "lengths of 0 to 2147483647 with no more nulls than that"));
    }
    Ok(())
}

fn damaged(offset: usize, expected: &str) -> FromIpcError {
    FromIpcError::Damaged { offset, expected: expected.to_owned() }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_end_matches('.')
}

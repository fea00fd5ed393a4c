//! What nobody reads soon need not be held in memory.

use super::{super::commit::COOL, *};

const LARGE: LogOptions = LogOptions { segment_bytes: 4 * COOL, max_bytes: 40 * COOL, ..SMALL };

#[test]
fn what_is_durable_is_cooled_where_nobody_reads_it_soon() {
    for window in [Some(Duration::ZERO), None] {
        for (read_soon, most) in [(false, COOL), (true, u64::MAX)] {
            let vfs = Simulated::default();
            let options = LogOptions { window, read_soon, ..LARGE };
            let mut bench = Bench::open(&vfs, options).expect("the log opens");
            for id in 0..3000 {
                bench.append([id]);
                bench.committer.tick(clock::now());
            }
            let bytes = bench.shared.status().bytes;
            assert!(bytes > 5 * COOL, "enough is written");
            let segments = bytes.div_ceil(options.segment_bytes);
            if read_soon {
                assert_eq!(vfs.cooled(), 0);
            } else {
                // The end of each segment stays: too little to ask for.
                assert!(vfs.cooled() + segments * most > bytes, "{} of {bytes}", vfs.cooled());
            }
            bench.close();
        }
    }
}

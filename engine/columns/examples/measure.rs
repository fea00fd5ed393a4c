use std::time::Instant;
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
fn peak() -> String {
    let s = std::fs::read_to_string("/proc/self/status").unwrap();
    s.lines().find(|l| l.starts_with("VmHWM")).unwrap().to_owned()
}
fn main() {
    let path = std::path::PathBuf::from(std::env::args().nth(1).unwrap());
    let n: usize = std::env::args().nth(2).map_or(5, |s| s.parse().unwrap());
    let file = resus_columns::open(&path, &Default::default()).unwrap();
    println!("{:?} parts {} rows {}", file.columns(), file.parts(), file.rows());
    for what in ["plain", "read"] {
        let (c, t) = (cpu(), Instant::now());
        let mut rows = 0;
        let mut q = resus_model::Quality::default();
        for _ in 0..n {
            if what == "plain" {
                rows += resus_columns::read_columns_only(&path, file.columns()).unwrap();
            } else {
                for p in 0..file.parts() {
                    rows += file.read(p, &mut q).unwrap().len() as u64;
                }
            }
        }
        println!(
            "{what}: rows {rows} cpu {:.3}s a pass, wall {:.3}s {} {:?} {:?}",
            (cpu() - c) / n as f64,
            t.elapsed().as_secs_f64() / n as f64,
            peak(),
            q.skipped,
            q.lenient
        );
    }
}

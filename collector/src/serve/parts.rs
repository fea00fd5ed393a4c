//! Which part of the collector has ended before its time?
//!
//! A collector that is alive and deaf is worse than one that is gone: nobody starts it again. So when any
//! of its tasks and threads ends, by a panic or by a mistake of ours, the others end too, in order, and the
//! process says which it was and fails.

use std::time::Duration;

/// How often to look. Parts end once in the life of a process, if ever.
const EVERY: Duration = Duration::from_millis(500);

/// Something that runs as long as the collector does.
pub(crate) trait Part {
    /// It will never do anything again.
    fn has_ended(&self) -> bool;
}

impl<T> Part for tokio::task::JoinHandle<T> {
    fn has_ended(&self) -> bool {
        self.is_finished()
    }
}

impl<T> Part for std::thread::JoinHandle<T> {
    fn has_ended(&self) -> bool {
        self.is_finished()
    }
}

/// Waits until one of them has ended, and gives its name.
pub(crate) async fn first_to_end(parts: &[(&'static str, &dyn Part)]) -> &'static str {
    loop {
        if let Some((name, _)) = parts.iter().find(|(_, part)| part.has_ended()) {
            return name;
        }
        tokio::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(2);

    #[tokio::test]
    async fn a_part_that_panics_or_returns_is_noticed_soon() {
        let (keep, wait) = std::sync::mpsc::channel::<()>();
        let good = tokio::spawn(std::future::pending::<()>());
        let thread = std::thread::spawn(move || wait.recv());
        let nothing =
            timeout(SOON, first_to_end(&[("a task", &good), ("a thread", &thread)])).await;
        assert!(nothing.is_err(), "all of them run");

        let panics = tokio::spawn(async { panic!("on purpose") });
        let found = timeout(SOON, first_to_end(&[("a task", &good), ("the other", &panics)])).await;
        assert_eq!(found, Ok("the other"));

        drop(keep);
        let found = timeout(SOON, first_to_end(&[("a task", &good), ("a thread", &thread)])).await;
        assert_eq!(found, Ok("a thread"));
        good.abort();
    }
}

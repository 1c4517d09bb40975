//! The threads of the process and the tasks of its runtime, as profiles of counts.

use crate::profile::{Builder, Symbol};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;

/// The threads by their names, as Linux reports them.
fn named() -> BTreeMap<String, i64> {
    let mut names = BTreeMap::new();
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return names };
    for task in tasks.flatten() {
        if let Ok(name) = std::fs::read_to_string(task.path().join("comm")) {
            *names.entry(name.trim_end().to_owned()).or_default() += 1;
        }
    }
    names
}

/// The number of threads, and their profile: one sample for each name.
pub fn threads() -> (usize, Vec<u8>) {
    let names = named();
    let count: i64 = names.values().sum();
    (usize::try_from(count).unwrap_or(0), counted("threadcreate", &names))
}

/// The number of the runtime's tasks that have not ended, and their profile. Tasks have no stacks to show.
pub fn tasks() -> (usize, Vec<u8>) {
    let count = Handle::try_current().map_or(0, |runtime| runtime.metrics().num_alive_tasks());
    let names = BTreeMap::from([("task".to_owned(), i64::try_from(count).unwrap_or(i64::MAX))]);
    (count, counted("goroutine", &names))
}

fn counted(kind: &str, names: &BTreeMap<String, i64>) -> Vec<u8> {
    let mut builder = Builder::new(&[(kind, "count")]);
    builder.period(SystemTime::now(), Duration::ZERO, (kind, "count"), 1);
    for (name, count) in names {
        let symbol = Symbol { name: name.clone(), system_name: name.clone(), ..Symbol::default() };
        let place = builder.location(0, vec![symbol]);
        builder.sample(vec![place], vec![*count], "");
    }
    builder.bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn threads_and_tasks_are_counted() {
        let task = tokio::spawn(std::future::pending::<()>());
        assert!(threads().0 >= 1);
        assert!(tasks().0 >= 1);
        task.abort();
    }
}

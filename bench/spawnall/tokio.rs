// Spawn a million empty tasks, then join them all: time, and memory at most.

use std::time::Instant;

use support::{check, ns_each};

async fn spawn_all(count: i64) {
    let mut tasks = Vec::with_capacity(count as usize);
    let started = Instant::now();
    tasks.extend((0..count).map(|_| tokio::spawn(async { 1 })));
    let mut sum: i64 = 0;
    for task in tasks {
        sum += task.await.unwrap();
    }
    let elapsed = started.elapsed();
    check(sum == count, "every task ran once");
    println!(
        "{{\"task\": {:.2}, \"peak\": {:.1}}}",
        ns_each(elapsed, count),
        support::peak_resident_mb()
    );
}

fn main() {
    support::run(spawn_all(support::count_from_arguments(1_000_000)));
}

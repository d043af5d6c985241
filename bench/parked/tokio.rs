// Many tasks wait for one Notify: the memory that a waiting task holds, its handle included, and
// the time to start it and to wake and end it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::Arc;
use std::time::Instant;

use support::{check, ns_each, resident_and_page_table_bytes};
use tokio::sync::Notify;
use tokio::task::yield_now;

#[derive(Default)]
struct Gate {
    opened: Notify,
    arrived: AtomicI64,
}

async fn park(gate: Arc<Gate>, id: i64) -> i64 {
    let opened = gate.opened.notified(); // waits from here on, so before it counts as arrived
    gate.arrived.fetch_add(1, Ordering::Relaxed);
    opened.await;
    id
}

async fn park_and_wake(count: i64) {
    let gate = Arc::new(Gate::default());

    let memory_before = resident_and_page_table_bytes();
    let started = Instant::now();
    let mut tasks = Vec::with_capacity(count as usize);
    tasks.extend((0..count).map(|id| tokio::spawn(park(Arc::clone(&gate), id))));
    while gate.arrived.load(Ordering::Relaxed) < count {
        yield_now().await;
    }
    let start_time = started.elapsed();
    let memory = resident_and_page_table_bytes() - memory_before;

    let woken = Instant::now();
    gate.opened.notify_waiters();
    let mut sum_of_ids = 0;
    for task in tasks {
        sum_of_ids += task.await.unwrap();
    }
    let wake_time = woken.elapsed();
    check(
        sum_of_ids == count * (count - 1) / 2,
        "every task woke and ended once",
    );

    println!(
        "{{\"memory\": {:.1}, \"start\": {:.1}, \"wake\": {:.1}}}",
        memory as f64 / count as f64,
        ns_each(start_time, count),
        ns_each(wake_time, count)
    );
}

fn main() {
    support::run(park_and_wake(support::count_from_arguments(100_000)));
}

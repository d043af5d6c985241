// A hundred tasks share one mutex and one counter: ten million increments in all. Tokio's mutex,
// whose waiters let their worker run others, not the standard library's, which stops a worker.

use std::sync::Arc;
use std::time::Instant;

use support::{check, ns_each};
use tokio::sync::Mutex;

const TASKS: i64 = 100;
const LOCKS_EACH: i64 = 100_000;

async fn share() {
    let counter = Arc::new(Mutex::new(0));
    let started = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                for _ in 0..LOCKS_EACH {
                    *counter.lock().await += 1;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let elapsed = started.elapsed();
    let locks = TASKS * LOCKS_EACH;
    check(*counter.lock().await == locks, "no increment is lost");
    println!("{{\"lock\": {:.2}}}", ns_each(elapsed, locks));
}

fn main() {
    support::run(share());
}

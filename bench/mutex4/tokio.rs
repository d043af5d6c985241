// Four tasks lock one mutex 100,000 times each and yield while they hold it, so that the others
// always wait.

use std::sync::Arc;
use std::time::Instant;

use support::check;
use tokio::sync::Mutex;
use tokio::task::yield_now;

const TASKS: i64 = 4;
const LOCKS_EACH: i64 = 100_000;

async fn share() {
    let counter = Arc::new(Mutex::new(0));
    let started = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                for _ in 0..LOCKS_EACH {
                    let mut locked = counter.lock().await;
                    let seen = *locked;
                    yield_now().await;
                    *locked = seen + 1;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let elapsed = started.elapsed();
    check(
        *counter.lock().await == TASKS * LOCKS_EACH,
        "no increment is lost",
    );
    println!("{{\"all\": {:.3}}}", elapsed.as_secs_f64() * 1e3);
}

fn main() {
    support::run(share());
}

// Two tasks yield to each other. Since Tokio 1.23 a task that yields runs again only after the
// driver was asked for I/O, so a turn of the two is an epoll_wait(), too.

use std::time::Instant;

use support::{check, ns_each};
use tokio::task::yield_now;

const YIELDS: i64 = 1_000_000;

async fn yield_times(times: i64) -> i64 {
    let mut done = 0;
    while done < times {
        yield_now().await;
        done += 1;
    }
    done
}

async fn two_tasks() {
    let started = Instant::now();
    let first = tokio::spawn(yield_times(YIELDS));
    let second = tokio::spawn(yield_times(YIELDS));
    let done = first.await.unwrap() + second.await.unwrap();
    let elapsed = started.elapsed();
    check(done == 2 * YIELDS, "every yield returned");
    println!("{{\"switch\": {:.2}}}", ns_each(elapsed, done));
}

fn main() {
    support::run(two_tasks());
}

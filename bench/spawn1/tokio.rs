// Spawn one empty task and wait for it, again and again.

use std::time::Instant;

use support::{check, ns_each};

const TIMES: i64 = 1_000_000;

async fn spawn_and_join() {
    let mut ran: i64 = 0;
    let started = Instant::now();
    for _ in 0..TIMES {
        ran += tokio::spawn(async { 1 }).await.unwrap();
    }
    let elapsed = started.elapsed();
    check(ran == TIMES, "every task ran once");
    println!("{{\"task\": {:.2}}}", ns_each(elapsed, TIMES));
}

fn main() {
    support::run(spawn_and_join());
}

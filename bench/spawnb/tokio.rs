// Spawn a thousand empty tasks, then join them all, again and again.

use std::time::Instant;

use support::{check, ns_each};

const BATCH: i64 = 1000;
const BATCHES: i64 = 2000;

async fn spawn_batches() {
    let mut ran: i64 = 0;
    let mut tasks = Vec::with_capacity(BATCH as usize);
    let started = Instant::now();
    for _ in 0..BATCHES {
        tasks.extend((0..BATCH).map(|_| tokio::spawn(async { 1 })));
        for task in tasks.drain(..) {
            ran += task.await.unwrap();
        }
    }
    let elapsed = started.elapsed();
    check(ran == BATCHES * BATCH, "every task ran once");
    println!("{{\"task\": {:.2}}}", ns_each(elapsed, ran));
}

fn main() {
    support::run(spawn_batches());
}

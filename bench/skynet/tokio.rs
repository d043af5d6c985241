// A tree of tasks with ten children a node and a million leaves; each node spawns its children
// before it waits for the first, and adds up what they found.

use std::time::Instant;

use support::{check, ns_each};
use tokio::task::JoinHandle;

const CHILDREN: i64 = 10;

// Not an async function, which would contain itself and have to be boxed: a handle ends the
// recursion of types. A leaf is a task of its own kind, so it need not be as large as a node.
fn spawn_skynet(first: i64, leaves: i64) -> JoinHandle<i64> {
    if leaves == 1 {
        return tokio::spawn(async move { first });
    }
    tokio::spawn(async move {
        let each = leaves / CHILDREN;
        let children: [_; CHILDREN as usize] =
            std::array::from_fn(|i| spawn_skynet(first + i as i64 * each, each));
        let mut sum = 0;
        for child in children {
            sum += child.await.unwrap();
        }
        sum
    })
}

async fn grow(leaves: i64) {
    let rows = std::iter::successors(Some(1), |row| Some(row * CHILDREN));
    let tasks: i64 = rows.take_while(|row| *row <= leaves).sum();
    let started = Instant::now();
    let sum = spawn_skynet(0, leaves).await.unwrap();
    let elapsed = started.elapsed();
    check(
        sum == leaves * (leaves - 1) / 2,
        "every leaf is counted once",
    );
    println!(
        "{{\"task\": {:.2}, \"peak\": {:.1}}}",
        ns_each(elapsed, tasks),
        support::peak_resident_mb()
    );
}

fn main() {
    support::run(grow(support::count_from_arguments(1_000_000)));
}

// Spawn ten empty tasks and wait for all of them, again and again. Tasks, as the children of a
// gather are: join!() of ten futures would run them inside of the one that waits.

use std::time::Instant;

use support::{check, ns_each};

const CHILDREN: i64 = 10;
const TIMES: i64 = 200_000;

async fn sum_of_ten() -> i64 {
    let children: [_; CHILDREN as usize] = std::array::from_fn(|_| tokio::spawn(async { 1 }));
    let mut sum = 0;
    for child in children {
        sum += child.await.unwrap();
    }
    sum
}

async fn gather_ten() {
    let mut ran = 0;
    let started = Instant::now();
    for _ in 0..TIMES {
        ran += sum_of_ten().await;
    }
    let elapsed = started.elapsed();
    check(ran == TIMES * CHILDREN, "every task ran once");
    println!("{{\"child\": {:.2}}}", ns_each(elapsed, ran));
}

fn main() {
    support::run(gather_ten());
}

// Fibonacci's numbers the slow way, with a task for one half of each sum. The other half is a call
// of itself, whose state has to be boxed because its size is not known; the task's is part of it.

use std::future::Future;
use std::pin::Pin;
use std::time::Instant;

use support::{check, ns_each};
use tokio::task::JoinHandle;

async fn fib(n: i64) -> i64 {
    if n < 2 {
        return n;
    }
    let first = spawned(n - 1);
    let second = boxed(n - 2).await;
    first.await.unwrap() + second
}

fn spawned(n: i64) -> JoinHandle<i64> {
    tokio::spawn(fib(n))
}

fn boxed(n: i64) -> Pin<Box<dyn Future<Output = i64> + Send>> {
    Box::pin(fib(n))
}

// fib(n) makes a task for each sum.
struct Expected {
    value: i64,
    tasks: i64,
}

fn expected(n: i64) -> Expected {
    let mut last = Expected { value: 1, tasks: 0 };
    let mut before = Expected { value: 0, tasks: 0 };
    for _ in 1..n {
        let next = Expected {
            value: last.value + before.value,
            tasks: last.tasks + before.tasks + 1,
        };
        before = last;
        last = next;
    }
    last
}

async fn fork_and_join(n: i64) {
    let started = Instant::now();
    let value = fib(n).await;
    let elapsed = started.elapsed();
    check(value == expected(n).value, "it is the number of Fibonacci");
    println!("{{\"task\": {:.2}}}", ns_each(elapsed, expected(n).tasks));
}

fn main() {
    support::run(fork_and_join(support::count_from_arguments(30)));
}

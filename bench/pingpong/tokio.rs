// Two tasks hand a value to each other, there and back. Tokio has no channel without a buffer; what
// its users take for a hand-off is an mpsc channel of capacity 1 in each direction. The one who
// sends does not wait for the other to take, but here it waits for the answer at once.

use std::time::Instant;

use support::{check, ns_each};
use tokio::sync::mpsc;

const ROUND_TRIPS: i64 = 1_000_000;

async fn there_and_back() {
    let (ping, mut pinged) = mpsc::channel(1);
    let (pong, mut ponged) = mpsc::channel(1);
    let answering = tokio::spawn(async move {
        while let Some(value) = pinged.recv().await {
            pong.send(value + 1).await.unwrap();
        }
    });
    let mut value: i64 = 0;
    let started = Instant::now();
    for _ in 0..ROUND_TRIPS {
        ping.send(value).await.unwrap();
        value = ponged.recv().await.unwrap();
    }
    let elapsed = started.elapsed();
    drop(ping);
    answering.await.unwrap();
    check(
        value == ROUND_TRIPS && ponged.recv().await.is_none(),
        "no round trip was lost",
    );
    println!("{{\"round_trip\": {:.2}}}", ns_each(elapsed, ROUND_TRIPS));
}

fn main() {
    support::run(there_and_back());
}

// As many producers and consumers as there are workers share one channel of 64: ten million items.
// Tokio's own channels have one consumer, so its users take this one, of the crate async-channel.

use std::time::Instant;

use support::{check, ns_each, workers};

const CAPACITY: usize = 64;
const ITEMS: i64 = 10_000_000;

async fn trade() {
    let pairs = workers() as i64;
    let each = ITEMS / pairs;
    let (sender, receiver) = async_channel::bounded(CAPACITY);
    let started = Instant::now();
    let mut producers = Vec::new();
    let mut consumers = Vec::new();
    for _ in 0..pairs {
        let sender = sender.clone();
        producers.push(tokio::spawn(async move {
            for item in 1..=each {
                sender.send(item).await.unwrap();
            }
        }));
        let receiver = receiver.clone();
        consumers.push(tokio::spawn(async move {
            let mut sum = 0;
            while let Ok(item) = receiver.recv().await {
                sum += item;
            }
            sum
        }));
    }
    for producer in producers {
        producer.await.unwrap();
    }
    sender.close();
    let mut sum = 0;
    for consumer in consumers {
        sum += consumer.await.unwrap();
    }
    let elapsed = started.elapsed();
    check(
        sum == pairs * (each * (each + 1) / 2),
        "every item is received once",
    );
    println!("{{\"item\": {:.2}}}", ns_each(elapsed, pairs * each));
}

fn main() {
    support::run(trade());
}

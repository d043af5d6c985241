// Many tasks sleep for one second at once: wall and CPU time. Then a timeout around a call that
// returns at once. Tokio's timeout asks the call first and arms its timer only if that has to wait,
// so what is left here is to prepare a timer and to drop it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use support::{check, ns_each, process_cpu};
use tokio::time::{sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

async fn sleep_one_second(early: Arc<AtomicI64>) {
    let began = Instant::now();
    sleep(SECOND).await;
    if began.elapsed() < SECOND {
        early.fetch_add(1, Ordering::Relaxed);
    }
}

async fn sleep_together(count: i64) -> (Duration, Duration) {
    let early = Arc::new(AtomicI64::new(0));
    let mut tasks = Vec::with_capacity(count as usize);
    let (started, cpu_before) = (Instant::now(), process_cpu());
    tasks.extend((0..count).map(|_| tokio::spawn(sleep_one_second(Arc::clone(&early)))));
    for task in tasks {
        task.await.unwrap();
    }
    let (wall, cpu) = (started.elapsed(), process_cpu() - cpu_before);
    check(
        early.load(Ordering::Relaxed) == 0,
        "nobody woke before its time",
    );
    (wall, cpu)
}

#[inline(never)]
fn one() -> i64 {
    1
}

async fn arm_and_cancel_ns() -> f64 {
    const TIMES: i64 = 1_000_000;
    let mut returned = 0;
    let started = Instant::now();
    for _ in 0..TIMES {
        returned += timeout(HOUR, async { one() }).await.unwrap();
    }
    let elapsed = started.elapsed();
    check(returned == TIMES, "every call returned its value");
    ns_each(elapsed, TIMES)
}

async fn both(count: i64) {
    let (wall, cpu) = sleep_together(count).await;
    let arm = arm_and_cancel_ns().await;
    println!(
        "{{\"wall\": {:.4}, \"cpu\": {:.4}, \"arm\": {:.2}}}",
        wall.as_secs_f64(),
        cpu.as_secs_f64(),
        arm
    );
}

fn main() {
    support::run(both(support::count_from_arguments(100_000)));
}

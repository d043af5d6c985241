// A task waits until every worker sleeps, and a thread wakes it. A task that is woken by another
// stays on that one's worker, in a slot from which nobody steals, so the waker is no task.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use support::check;
use tokio::sync::Notify;

// As in wake_times.h.
const WAKES: i64 = 1_000;
const MOST_ROUNDS: i64 = 2 * WAKES;
const SETTLE: Duration = Duration::from_micros(300);

struct Sleeper {
    began: Instant,
    wake: Notify,
    rounds: AtomicI64,  // times that it is about to wait
    slept: AtomicBool,  // whether the worker did, then
    running: AtomicI64, // when it ran again; 0 before the wake
    over: AtomicBool,
}

/// The calling thread, and how often it has slept so far.
fn thread_and_sleeps() -> (ThreadId, i64) {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call only writes to the rusage that it is given, for which zeros are valid, too.
    let usage = unsafe {
        check(
            libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) == 0,
            "getrusage",
        );
        usage.assume_init()
    };
    (thread::current().id(), usage.ru_nvcsw)
}

impl Sleeper {
    fn now(&self) -> i64 {
        self.began.elapsed().as_nanos() as i64
    }

    async fn run(&self) {
        while !self.over.load(SeqCst) {
            let (thread, sleeps) = thread_and_sleeps();
            self.rounds.fetch_add(1, SeqCst);
            self.wake.notified().await;
            let now = self.now();
            let (thread_now, sleeps_now) = thread_and_sleeps();
            self.slept
                .store(thread_now != thread || sleeps_now > sleeps, SeqCst);
            self.running.store(now, SeqCst);
        }
    }
}

fn quantile_us(ns: &mut [i64], fraction: f64) -> f64 {
    ns.sort_unstable();
    ns[(fraction * (ns.len() - 1) as f64) as usize] as f64 / 1e3
}

fn wake_and_time(sleeper: &Sleeper) {
    let mut woken = Vec::new();
    let mut waker = Vec::new();
    for round in 1.. {
        check(round <= MOST_ROUNDS, "the worker sleeps most times");
        while sleeper.rounds.load(SeqCst) < round {}
        let settled = Instant::now() + SETTLE;
        while Instant::now() < settled {}
        sleeper.running.store(0, SeqCst);
        let called = sleeper.now();
        sleeper.wake.notify_one();
        let returned = sleeper.now();
        while sleeper.running.load(SeqCst) == 0 {}
        if !sleeper.slept.load(SeqCst) {
            continue;
        }
        woken.push(sleeper.running.load(SeqCst) - called);
        waker.push(returned - called);
        if woken.len() as i64 == WAKES {
            break;
        }
    }
    sleeper.over.store(true, SeqCst);
    sleeper.wake.notify_one();
    println!(
        "{{\"p50\": {:.2}, \"p99\": {:.2}, \"waker_p50\": {:.2}, \"waker_p99\": {:.2}}}",
        quantile_us(&mut woken, 0.5),
        quantile_us(&mut woken, 0.99),
        quantile_us(&mut waker, 0.5),
        quantile_us(&mut waker, 0.99)
    );
}

fn main() {
    support::run(async {
        let sleeper = Arc::new(Sleeper {
            began: Instant::now(),
            wake: Notify::new(),
            rounds: AtomicI64::new(0),
            slept: AtomicBool::new(false),
            running: AtomicI64::new(0),
            over: AtomicBool::new(false),
        });
        let waking = {
            let sleeper = Arc::clone(&sleeper);
            thread::spawn(move || wake_and_time(&sleeper))
        };
        sleeper.run().await;
        waking.join().expect("the waker ends");
    });
}

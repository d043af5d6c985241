// What the Tokio programs have in common, as the headers beside it are for the C++ ones.

use std::fmt::Display;
use std::fs;
use std::future::Future;
use std::process;
use std::str::FromStr;
use std::time::Duration;

/// A figure from a program that computed the wrong thing is worse than none, so a failed check ends
/// the program before it can print one; a panic would only end the task that it happens in.
pub fn check(held: bool, what: &str) {
    if !held {
        eprintln!("check failed: {what}");
        process::exit(1);
    }
}

fn number<T: FromStr + PartialOrd + Display>(text: &str, least: T, most: T, what: &str) -> T {
    match text.parse() {
        Ok(number) if least <= number && number <= most => number,
        _ => {
            eprintln!("{what} is \"{text}\", it must be a number from {least} to {most}");
            process::exit(2);
        }
    }
}

/// The program's one argument, a size of its work.
pub fn count_from_arguments(otherwise: i64) -> i64 {
    match std::env::args().nth(1) {
        Some(text) => number(&text, 1, i64::MAX, "the argument"),
        None => otherwise,
    }
}

/// The worker count of this run: the environment's WEFT_WORKERS, else 1.
pub fn workers() -> usize {
    match std::env::var("WEFT_WORKERS") {
        Ok(text) => number(&text, 1, 1024, "WEFT_WORKERS"),
        Err(_) => 1,
    }
}

/// Runs the program's body in a task of its own, so that it is on a worker like all that it spawns:
/// what block_on() runs itself is on the calling thread, which would be one more than asked for.
/// All drivers are on, as in everybody's #[tokio::main]; everything else is Tokio's default.
pub fn run(body: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .enable_all()
        .build()
        .expect("the runtime starts");
    runtime
        .block_on(runtime.spawn(body))
        .expect("the program's body ends");
}

/// What one of them took, in nanoseconds.
pub fn ns_each(time: Duration, count: i64) -> f64 {
    time.as_nanos() as f64 / count as f64
}

/// User plus system time of every thread of this process.
pub fn process_cpu() -> Duration {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call only writes to the timespec that it is given.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut now) };
    check(result == 0, "clock_gettime");
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

fn kib_of(keys: &[&str]) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let mut kib = 0;
    let mut found = 0;
    for line in status.lines() {
        let mut words = line.split_whitespace();
        if words.next().map_or(false, |key| keys.contains(&key)) {
            let count = words.next().expect("a key has a value");
            kib += count.parse::<u64>().expect("the value is a number");
            found += 1;
        }
    }
    check(
        found == keys.len(),
        "/proc/self/status names the kinds of memory",
    );
    kib
}

/// Resident pages and the page tables that map them, as the C++ programs count it.
pub fn resident_and_page_table_bytes() -> u64 {
    kib_of(&["VmRSS:", "VmPTE:"]) * 1024
}

/// The most that has been resident at once so far, in units of 1,000,000 bytes.
pub fn peak_resident_mb() -> f64 {
    (kib_of(&["VmHWM:"]) * 1024) as f64 / 1e6
}

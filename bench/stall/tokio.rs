// The stall workload in Tokio, as its users write it: a task a connection, which knows nothing of
// what the others burn.

use std::io;
use std::process;
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

// As in support/burn.h.
const BURN_MARK: u8 = 0xb5;
const BURN_NS: i64 = 1_000_000;

fn thread_cpu_ns() -> i64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call only writes to the timespec that it is given.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) };
    support::check(result == 0, "clock_gettime");
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

fn burn() {
    let until = thread_cpu_ns() + BURN_NS;
    loop {
        for _ in 0..200 {
            std::hint::spin_loop();
        }
        if thread_cpu_ns() >= until {
            return;
        }
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 4096];
    loop {
        let got = stream.read(&mut buffer).await?;
        if got == 0 {
            return Ok(());
        }
        if buffer[0] == BURN_MARK {
            burn();
        }
        stream.write_all(&buffer[..got]).await?;
    }
}

async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    println!("listening on {}", listener.local_addr().expect("bound"));
    loop {
        let (stream, _) = listener.accept().await.expect("accept");
        tokio::spawn(async {
            let _ = echo(stream).await; // a broken connection ends no other
        });
    }
}

fn main() {
    // The harness holds the other end of standard input: no server outlives it.
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(0);
    });
    support::run(serve());
}

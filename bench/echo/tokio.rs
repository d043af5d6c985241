// The echo workload in Tokio, as its users write it: a task a connection.

use std::io;
use std::process;
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 4096];
    loop {
        let got = stream.read(&mut buffer).await?;
        if got == 0 {
            return Ok(());
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

//! A program of the published Rust SDK. Reads one call a line, writes one answer a line; see `../client.rs`.

use std::io::{BufRead, Write};
use std::time::Duration;

use futures::TryStreamExt;
use ngrok::prelude::*;
use ngrok::session::Session;
use ngrok::tunnel::TcpTunnel;
use serde_json::{Value, json};
use tokio::net::TcpStream;

#[derive(Default)]
struct Client {
    session: Option<Session>,
    endpoint: Option<String>,
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

impl Client {
    async fn call(&mut self, call: &Value) -> Outcome {
        let text = |key: &str| call[key].as_str().unwrap_or_default();
        match text("do") {
            "connect" => self.connect(text("token"), text("server"), text("ca")).await,
            "bind" => self.bind(text("address"), text("policy"), text("upstream")).await,
            "unbind" => self.unbind().await,
            other => Err(format!("what is {other}?").into()),
        }
    }

    async fn connect(&mut self, token: &str, server: &str, ca: &str) -> Outcome {
        let mut builder = Session::builder();
        builder.authtoken(token).metadata("session of a test").server_addr(server)?;
        builder.ca_cert(std::fs::read(ca)?.into()).handle_stop_command(|_| async {
            // The answer leaves first, and the SDK tells nobody when.
            tokio::spawn(async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                std::process::exit(0);
            });
            Ok(())
        });
        self.session = Some(builder.connect().await.map_err(said)?);
        Ok(())
    }

    async fn bind(&mut self, address: &str, policy: &str, upstream: &str) -> Outcome {
        let session = self.session.as_ref().ok_or("no session")?;
        let mut builder = session.tcp_endpoint();
        builder.metadata("endpoint of a test");
        if !address.is_empty() {
            builder.remote_addr(address);
        }
        if !policy.is_empty() {
            builder.traffic_policy(policy);
        }
        let tunnel = builder.listen().await.map_err(said)?;
        self.endpoint = Some(tunnel.id().to_owned());
        tokio::spawn(carry(tunnel, upstream.to_owned()));
        Ok(())
    }

    async fn unbind(&mut self) -> Outcome {
        let session = self.session.as_ref().ok_or("no session")?;
        let id = self.endpoint.take().ok_or("no endpoint")?;
        session.close_tunnel(id).await.map_err(said)?;
        Ok(())
    }
}

/// What an error of the SDK says, and its code.
fn said(error: impl ngrok::Error) -> String {
    format!("{} {}", error.msg(), error.error_code().unwrap_or_default())
}

async fn carry(mut tunnel: TcpTunnel, upstream: String) {
    while let Ok(Some(mut connection)) = tunnel.try_next().await {
        let upstream = upstream.clone();
        tokio::spawn(async move {
            if let Ok(mut stream) = TcpStream::connect(upstream).await {
                let _ = tokio::io::copy_bidirectional(&mut connection, &mut stream).await;
            }
        });
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (send, mut receive) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let mut client = Client::default();
    while let Some(line) = receive.recv().await {
        let call = serde_json::from_str(&line).unwrap_or_default();
        let answer = match client.call(&call).await {
            Ok(()) => json!({}),
            Err(error) => json!({"error": error.to_string()}),
        };
        let mut stdout = std::io::stdout();
        let _ = writeln!(stdout, "{answer}").and_then(|()| stdout.flush());
    }
}
